"""AlexNet, narrowed for 28x28 grey images."""

from torch import nn

from emnist.models.layers import Architecture, Conv2d, Dropout, initialise_


class AlexNet(Architecture):
    """Five convolutions, then three linear layers; 1,849,070 parameters with 62 classes.

    References
    ----------
    Krizhevsky, Sutskever and Hinton, 2012, "ImageNet classification with deep convolutional neural networks",
    NIPS.
    """

    def __init__(self, num_classes=62):
        super().__init__()
        self.features = nn.Sequential(
            *_conv(1, 16, padding=2),
            nn.MaxPool2d(3, stride=2),
            *_conv(16, 48, padding=2),
            nn.MaxPool2d(3, stride=2),
            *_conv(48, 96),
            *_conv(96, 64),
            *_conv(64, 64),
            nn.MaxPool2d(3, stride=2),
            nn.Identity(),
            nn.Flatten(),
        )
        self.classifier = nn.Sequential(
            Dropout(),
            nn.Linear(64 * 3 * 3, 1024),
            nn.BatchNorm1d(1024),
            nn.ReLU(inplace=True),
            Dropout(),
            nn.Linear(1024, 1024),
            nn.BatchNorm1d(1024),
            nn.ReLU(inplace=True),
            nn.Linear(1024, num_classes),
        )
        initialise_(self)


def _conv(inputs, outputs, padding=1):
    return Conv2d(inputs, outputs, kernel_size=3, padding=padding), nn.ReLU(inplace=True)
