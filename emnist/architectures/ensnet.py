"""EnsNet: a convolutional network whose feature maps are divided among an ensemble of classifiers."""

import torch
from torch import nn

from emnist.models.layers import Architecture, Dropout


class EnsNet(Architecture):
    """Six wide convolutions and eleven weighted linear classifiers; 25,939,701 parameters with 62 classes.

    Each of the ten `classifiers` gets 200 of the 2,000 feature maps; `classifier_major` gets the first 200 as well.
    Unlike the other architectures, EnsNet starts from PyTorch's default initialisation.

    References
    ----------
    Hirata and Takahashi, 2023, "Ensemble learning in CNN augmented with fully connected subnetworks", IEICE
    Transactions on Information and Systems E106-D(7), arXiv:2003.08562.
    """

    head_prefix = ("classifier_major.", "classifiers.", "weights")

    def __init__(self, num_classes=62):
        super().__init__()
        self.features = nn.Sequential(
            *_conv(1, 64, padding=1),
            Dropout(0.35),
            *_conv(64, 128),
            Dropout(0.35),
            *_conv(128, 256, padding=1),
            nn.MaxPool2d(2),
            Dropout(0.35),
            *_conv(256, 512, padding=1),
            Dropout(0.35),
            *_conv(512, 1024),
            Dropout(0.35),
            *_conv(1024, 2000, padding=1),
            nn.MaxPool2d(2),
            Dropout(0.35),
            _AverageThirds(),
            nn.Flatten(),
        )
        self.classifier_major = nn.Linear(200 * 3 * 3, num_classes)
        self.classifiers = nn.ModuleList(nn.Linear(200 * 3 * 3, num_classes) for _ in range(10))
        self.weights = nn.Parameter(torch.full((11,), 1 / 11))

    def forward_features(self, images):
        return self.features(images)

    def forward_head(self, features):
        groups = features.chunk(10, dim=1)
        votes = [self.classifier_major(groups[0])]
        votes += [classifier(group) for classifier, group in zip(self.classifiers, groups)]
        return (self.weights[:, None, None] * torch.stack(votes)).sum(dim=0)


class _AverageThirds(nn.Module):
    """``nn.AdaptiveAvgPool2d(3)`` for 5x5 maps, with a gradient that is deterministic on a GPU, too."""

    def forward(self, maps):
        for dim in (-2, -1):
            maps = torch.stack(
                [maps.narrow(dim, start, length).mean(dim) for start, length in [(0, 2), (1, 3), (3, 2)]], dim
            )
        return maps


def _conv(inputs, outputs, padding=0):
    return (nn.Conv2d(inputs, outputs, kernel_size=3, padding=padding), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))
