"""Small networks whose explanations are known, or quick to compute twice."""

import warnings

import torch
from torch import nn


def seeded(module: nn.Module, seed: int = 0) -> nn.Module:
    """The module with every parameter and running statistic drawn anew from the seed, in eval mode, without gradients kept."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            fan_in = parameter[0].numel() if parameter.ndim > 1 else 4
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / fan_in**0.5)
        for sub in module.modules():
            if isinstance(sub, nn.BatchNorm2d):
                assert sub.running_mean is not None
                assert sub.running_var is not None
                sub.running_mean.copy_(torch.randn(sub.running_mean.shape, generator=generator) / 4)
                sub.running_var.copy_(0.5 + torch.rand(sub.running_var.shape, generator=generator))
    return module.eval()


class Linear(nn.Module):
    """Logits linear in the input: every gradient method has a closed form."""

    def __init__(self, side: int = 8, classes: int = 3) -> None:
        super().__init__()
        self.flat = nn.Flatten()
        self.fc = nn.Linear(3 * side * side, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.flat(x))

    def weight(self, target: torch.Tensor) -> torch.Tensor:
        """The gradient of each image's target logit, in the input's shape."""
        side = int((self.fc.in_features // 3) ** 0.5)
        return self.fc.weight.detach()[target].view(-1, 3, side, side)


def smooth_cnn(classes: int = 5) -> nn.Module:
    """Tanh and average pooling: differentiable everywhere, so quadratures converge at their textbook rates."""
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 8, 3, padding=1), nn.Softplus(),
        nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(128, classes),
    )  # fmt: skip


def relu_cnn(classes: int = 5) -> nn.Module:
    """Batch norm, in-place ReLU, max pooling: what most classifiers are made of."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(8, 10, 3, padding=1), nn.BatchNorm2d(10), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(4),
        nn.Flatten(), nn.Linear(160, classes),
    )  # fmt: skip


class Residual(nn.Module):
    """A skip connection, a strided depthwise convolution, and one activation module used three times."""

    def __init__(self, classes: int = 5) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.norm = nn.BatchNorm2d(8)
        self.down = nn.Conv2d(8, 12, 3, stride=2, padding=1)
        self.act = nn.ReLU6()
        self.head = nn.Linear(12, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.act(self.stem(x))
        x = x + self.act(self.norm(self.depthwise(x)))
        return self.head(self.act(self.down(x)).mean((2, 3)))


def quantized(module: nn.Module) -> nn.Module:
    """The same with its linear layers in eight-bit integers, of which torch has no gradient."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch says that this moves to another package
        return torch.ao.quantization.quantize_dynamic(module, {nn.Linear})
