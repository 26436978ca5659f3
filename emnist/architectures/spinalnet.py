"""SpinalNet: a convolutional network whose hidden layers take half of the features each."""

import torch
from torch import nn
from torch.nn import functional as F

from emnist.models.layers import Architecture, Dropout, initialise_


class SpinalNet(Architecture):
    """Two convolutions, a spine of four linear layers, one linear layer; 386,050 parameters with 62 classes.

    References
    ----------
    Kabir et al., 2022, "SpinalNet: Deep neural network with gradual input", IEEE Transactions on Artificial
    Intelligence, arXiv:2007.03347.
    """

    head_prefix = "classifier."

    def __init__(self, num_classes=62):
        super().__init__()
        half = 64 * 7 * 7 // 2
        self.features = nn.Sequential(
            *_conv(1, 32),
            nn.MaxPool2d(2),
            *_conv(32, 64),
            nn.MaxPool2d(2),
            nn.Flatten(),
        )
        self.spinal_layer1 = nn.Linear(half, 50)
        self.spinal_layer2 = nn.Linear(half + 50, 50)
        self.spinal_layer3 = nn.Linear(half + 50, 50)
        self.spinal_layer4 = nn.Linear(half + 50, 50)
        self.dropout = Dropout()
        self.classifier = nn.Linear(4 * 50, num_classes)
        initialise_(self)

    def forward_features(self, images):
        upper, lower = self.features(images).chunk(2, dim=1)
        x1 = self._hidden(self.spinal_layer1, upper)
        x2 = self._hidden(self.spinal_layer2, lower, x1)
        x3 = self._hidden(self.spinal_layer3, upper, x2)
        x4 = self._hidden(self.spinal_layer4, lower, x3)
        return torch.cat([x1, x2, x3, x4], dim=1)

    def forward_head(self, features):
        return self.classifier(features)

    def _hidden(self, layer, *inputs):
        return self.dropout(F.relu(layer(torch.cat(inputs, dim=1))))


def _conv(inputs, outputs):
    return (nn.Conv2d(inputs, outputs, kernel_size=5, padding=2), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))
