"""Builders of the networks that the catalog names: each returns a module with fresh weights."""

from torch import nn


def efficientnet_lite0(classes: int = 1000) -> nn.Module:
    from efficientnet_lite_pytorch import EfficientNet

    return EfficientNet.from_name("efficientnet-lite0", num_classes=classes)
