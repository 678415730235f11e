"""SqueezeNet computes what is published."""

from typing import Any

import pytest
import torch
from torch.nn import functional


@pytest.mark.parametrize("form", ["float", "fbin", "hybrid", "v2", "v3"])
@torch.no_grad()
def test_it_computes_what_is_published(
    form: str, stirred: Any, sign: Any, plain_conv: Any
) -> None:
    model = stirred("squeezenet", form=form, num_classes=6, signs=form != "float")
    binary = set(model.form.norm_before)

    def unit(name: str, x: Any) -> Any:
        part = model.get_submodule(name)
        if f"{name}.conv" in binary:
            return plain_conv(part.conv, sign(part.bn(x))).relu()
        return part.bn(plain_conv(part.conv, x)).relu()

    x = images = torch.randn(2, 1, 100, 100, generator=torch.Generator().manual_seed(1)).double()
    x = functional.max_pool2d(unit("stem", x), 3, 2, ceil_mode=True)
    for number in range(1, 9):
        x = unit(f"fire{number}.squeeze", x)
        x = torch.cat([unit(f"fire{number}.{part}", x) for part in ("expand1x1", "expand3x3")], 1)
        if number in (3, 7):
            x = functional.max_pool2d(x, 3, 2, ceil_mode=True)
    x = plain_conv(model.classifier, x).relu()
    torch.testing.assert_close(model(images), functional.avg_pool2d(x, x.shape[-1])[:, :, 0, 0])


def test_thirteen_pixels_remain_of_the_published_size(stirred: Any) -> None:
    model, sides = stirred("squeezenet").float(), []
    model.classifier.register_forward_pre_hook(
        lambda module, given: sides.append(tuple(given[0].shape[2:]))
    )
    with torch.no_grad():
        model(torch.zeros(1, 1, 224, 224))
    assert sides == [(13, 13)]
