"""MobileNet computes what is published."""

from typing import Any

import torch
from torch import nn


@torch.no_grad()
def test_it_computes_what_is_published(stirred: Any, plain_conv: Any) -> None:
    model = stirred("mobilenet", num_classes=6)
    x = images = torch.randn(2, 1, 64, 64, generator=torch.Generator().manual_seed(1)).double()
    convs = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for conv, norm in zip(convs, norms, strict=True):
        x = norm(plain_conv(conv, x)).relu()
    expected = nn.functional.linear(x.mean((2, 3)), model.fc.weight, model.fc.bias)
    torch.testing.assert_close(model(images), expected)
    groups = [conv.groups for conv in convs[1::2]]
    assert groups == [conv.in_channels for conv in convs[1::2]]
    assert x.shape[2:] == (2, 2)
