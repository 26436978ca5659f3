"""ResNet-18 at a quarter of its width, for 28x28 grey images."""

from torch import nn

from emnist.models.layers import Architecture, initialise_, kaiming_normal_


class ResNet(Architecture):
    """Four stages of two residual blocks, then one linear layer; 707,886 parameters with 62 classes.

    References
    ----------
    He et al., 2016, "Deep residual learning for image recognition", CVPR.
    """

    head_prefix = "model.10."

    def __init__(self, num_classes=62):
        super().__init__()
        self.model = nn.Sequential(
            _conv(1, 16),
            nn.BatchNorm2d(16),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, padding=1),
            nn.Sequential(Block(16, 16), Block(16, 16)),
            nn.Sequential(Block(16, 32, stride=2), Block(32, 32)),
            nn.Sequential(Block(32, 64, stride=2), Block(64, 64)),
            nn.Sequential(Block(64, 128, stride=2), Block(128, 128)),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(128, num_classes),
        )
        initialise_(self, linear=kaiming_normal_)

    def forward_features(self, images):
        return self.model[:-1](images)

    def forward_head(self, features):
        return self.model[-1](features)


class Block(nn.Module):
    """Residual block: two 3x3 convolutions and a shortcut, a projection where the shape changes."""

    def __init__(self, inputs, outputs, stride=1):
        super().__init__()
        self.conv1 = _conv(inputs, outputs, stride)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = _conv(outputs, outputs)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, kernel_size=1, stride=stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x):
        residual = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(residual + self.shortcut(x))


def _conv(inputs, outputs, stride=1):
    return nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1, bias=False)
