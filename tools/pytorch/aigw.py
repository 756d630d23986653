"""AI-GW (arXiv:2004.09524): 16 gated residual blocks of dilated convolutions over a waveform, then
two dense heads on its last samples. No package has it."""

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


class Block(nn.Module):
    def __init__(self, channels, dilation):
        super().__init__()
        self.pre, self.pre_bn = nn.Conv1d(channels, 16, 1), Norm(16)
        self.filter = nn.Conv1d(16, 32, 2, padding="same", dilation=dilation)
        self.filter_bn = Norm(32)
        self.gate = nn.Conv1d(16, 32, 2, padding="same", dilation=dilation)
        self.gate_bn = Norm(32)
        self.post, self.post_bn = nn.Conv1d(32, 16, 1), Norm(16)

    def forward(self, x):
        """(the residual path, what the block adds to it)"""
        x = torch.relu(self.pre_bn(self.pre(x)))
        z = torch.tanh(self.filter_bn(self.filter(x))) * torch.sigmoid(self.gate_bn(self.gate(x)))
        z = torch.relu(self.post_bn(self.post(z)))
        return x + z, z


class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv1d(16, 128, 1), Norm(128)
        self.conv2, self.bn2 = nn.Conv1d(128, 1, 1), Norm(1)

    def forward(self, x):
        x = F.dropout(torch.relu(self.bn1(self.conv1(torch.relu(x)))), 0.2, self.training)
        return self.bn2(self.conv2(x))


class Dense(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.fc1 = nn.Linear(inputs, 512)
        self.fc2 = nn.Linear(512, outputs)

    def forward(self, x):
        return self.fc2(torch.relu(self.fc1(x)))


class Aigw(nn.Module):
    def __init__(self, last):
        super().__init__()
        self.last = last
        for i in range(16):
            setattr(self, "block%d" % i, Block(1 if i == 0 else 16, 2 ** (i % 8)))
        self.head, self.q, self.ap = Head(), Dense(last, 1), Dense(last, 4)

    def forward(self, x):
        """[N, 1, T] -> [N, 5]: the mass ratio, s1, s2, chi_eff, S_eff"""
        skip = 0
        for i in range(16):
            x, z = getattr(self, "block%d" % i)(x)
            skip = skip + z
        features = self.head(skip)[:, 0, -self.last:]
        return torch.cat([self.q(features), self.ap(features)], 1)


def make_network(weights):
    """The network that has these weights' shapes."""
    return Aigw(weights["q.fc1.weight"].shape[1])
