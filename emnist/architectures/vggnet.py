"""VGGNet with eight convolutions, narrowed for 28x28 grey images."""

from torch import nn

from emnist.models.layers import Architecture, Dropout, initialise_


class VGGNet(Architecture):
    """Stacked 3x3 convolutions, then three linear layers; 1,463,678 parameters with 62 classes.

    References
    ----------
    Simonyan and Zisserman, 2014, "Very deep convolutional networks for large-scale image recognition",
    arXiv:1409.1556.
    """

    def __init__(self, num_classes=62):
        super().__init__()
        self.features = nn.Sequential(
            *_conv(1, 16),
            *_conv(16, 32),
            nn.MaxPool2d(2),
            *_conv(32, 64),
            *_conv(64, 64),
            *_conv(64, 128),
            *_conv(128, 128),
            nn.MaxPool2d(2),
            *_conv(128, 128),
            *_conv(128, 128),
            nn.AvgPool2d(3, stride=2),
            nn.Flatten(),
        )
        self.classifier = nn.Sequential(
            nn.Linear(128 * 3 * 3, 512),
            nn.BatchNorm1d(512),
            nn.ReLU(inplace=True),
            Dropout(),
            nn.Linear(512, 512),
            nn.BatchNorm1d(512),
            nn.ReLU(inplace=True),
            Dropout(),
            nn.Linear(512, num_classes),
        )
        initialise_(self)


def _conv(inputs, outputs):
    return nn.Conv2d(inputs, outputs, kernel_size=3, padding=1), nn.ReLU(inplace=True)
