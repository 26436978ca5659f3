"""LeNet-5 with ReLU, max pooling, dropout and BatchNorm."""

from torch import nn

from emnist.models.layers import Architecture, Dropout, initialise_


class LeNet(Architecture):
    """Two convolutions, then three linear layers; 35,814 parameters with 62 classes.

    References
    ----------
    LeCun et al., 1998, "Gradient-based learning applied to document recognition", Proceedings of the IEEE
    86(11).
    """

    def __init__(self, num_classes=62):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 6, kernel_size=5),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 16, kernel_size=5),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.AvgPool2d(2, stride=1),
            nn.Flatten(),
        )
        self.classifier = nn.Sequential(
            Dropout(),
            nn.Linear(16 * 3 * 3, 120),
            nn.BatchNorm1d(120),
            nn.ReLU(inplace=True),
            Dropout(),
            nn.Linear(120, 84),
            nn.BatchNorm1d(84),
            nn.ReLU(inplace=True),
            nn.Linear(84, num_classes),
        )
        initialise_(self)
