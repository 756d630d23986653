"""AI-DES (arXiv:1812.02183): Xception with timm's names and Keras's padding, and a head of two
layers. No package has it: timm pads the pools otherwise."""

import math

import torch
import torch.nn.functional as F
from torch import nn


class Norm(nn.Module):
    """Batch norm as Keras has it, without a counter of batches."""

    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x):
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias,
                            self.training, momentum=0.01, eps=1e-3)


class Separable(nn.Module):
    def __init__(self, channels, out):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.pointwise = nn.Conv2d(channels, out, 1, bias=False)

    def forward(self, x):
        return self.pointwise(self.conv1(x))


class PoolSame(nn.Module):
    """Max pool 3x3 with stride 2, padded after TensorFlow's rule: the odd line right and below."""

    def forward(self, x):
        pads = []
        for size in (x.shape[3], x.shape[2]):
            total = max((math.ceil(size / 2) - 1) * 2 + 3 - size, 0)
            pads += [total // 2, total - total // 2]
        return F.max_pool2d(F.pad(x, pads, value=-math.inf), 3, 2)


class Block(nn.Module):
    def __init__(self, channels, relu_first=True, shrinks=True):
        super().__init__()
        layers = []
        for before, after in zip(channels, channels[1:]):
            layers += [nn.ReLU(), Separable(before, after), Norm(after)]
        if not relu_first:
            layers = layers[1:]
        self.rep = nn.Sequential(*layers, *([PoolSame()] if shrinks else []))
        self.skip = self.skipbn = None
        if shrinks:
            self.skip = nn.Conv2d(channels[0], channels[-1], 1, 2, bias=False)
            self.skipbn = Norm(channels[-1])

    def forward(self, x):
        return self.rep(x) + (x if self.skip is None else self.skipbn(self.skip(x)))


class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(2048, 1024)
        self.fc2 = nn.Linear(1024, 1024)
        self.fc3 = nn.Linear(1024, 2)

    def forward(self, x):
        x = F.dropout(torch.relu(self.fc1(x)), 0.7, self.training)
        return self.fc3(torch.relu(self.fc2(x)))


class Aides(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 3, 2, bias=False)
        self.bn1 = Norm(32)
        self.conv2 = nn.Conv2d(32, 64, 3, bias=False)
        self.bn2 = Norm(64)
        self.block1 = Block([64, 128, 128], relu_first=False)
        self.block2 = Block([128, 256, 256])
        self.block3 = Block([256, 728, 728])
        for i in range(4, 12):
            setattr(self, "block%d" % i, Block([728] * 4, shrinks=False))
        self.block12 = Block([728, 728, 1024])
        self.conv3, self.bn3 = Separable(1024, 1536), Norm(1536)
        self.conv4, self.bn4 = Separable(1536, 2048), Norm(2048)
        self.head = Head()

    def forward(self, images):
        x = torch.relu(self.bn1(self.conv1(images)))
        x = torch.relu(self.bn2(self.conv2(x)))
        for i in range(1, 13):
            x = getattr(self, "block%d" % i)(x)
        x = torch.relu(self.bn3(self.conv3(x)))
        x = torch.relu(self.bn4(self.conv4(x)))
        return self.head(x.mean((2, 3)))


def make_network(weights):
    """The network that has these weights' shapes."""
    return Aides()
