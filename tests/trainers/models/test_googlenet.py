"""GoogLeNet computes what is published."""

from typing import Any

import pytest
import torch
from torch.nn import functional

LETTERS = {3: "ab", 4: "abcde", 5: "ab"}


@pytest.mark.parametrize("form", ["float", "fbin"])
@torch.no_grad()
def test_it_computes_what_is_published(
    form: str, stirred: Any, sign: Any, plain_conv: Any
) -> None:
    model = stirred("googlenet", form=form, num_classes=6, signs=form == "fbin")
    binary = set(model.form.norm_before)

    def unit(name: str, x: Any) -> Any:
        part = model.get_submodule(name)
        if f"{name}.conv" in binary:
            return plain_conv(part.conv, sign(part.bn(x))).relu()
        x = plain_conv(part.conv, x)
        return (x if part.bn is None else part.bn(x)).relu()

    x = images = torch.randn(2, 1, 96, 96, generator=torch.Generator().manual_seed(1)).double()
    x = functional.max_pool2d(unit("conv1", x), 3, 2, padding=1)
    x = functional.max_pool2d(unit("conv3", unit("conv2", x)), 3, 2, padding=1)
    for group, letters in LETTERS.items():
        for letter in letters:
            name = f"inception{group}{letter}"
            branches = [
                unit(f"{name}.branch1", x),
                unit(f"{name}.branch2.1", unit(f"{name}.branch2.0", x)),
                unit(f"{name}.branch3.1", unit(f"{name}.branch3.0", x)),
                unit(f"{name}.branch4.1", functional.max_pool2d(x, 3, 1, padding=1)),
            ]
            x = torch.cat(branches, 1)
        if group < 5:
            x = functional.max_pool2d(x, 3, 2, padding=0 if group == 3 else 1)
    expected = functional.linear(x.mean((2, 3)), model.fc.weight, model.fc.bias)
    torch.testing.assert_close(model(images), expected)


def test_only_binary_inputs_give_the_second_and_third_convolution_a_normalisation(
    stirred: Any,
) -> None:
    plain, binary = stirred("googlenet"), stirred("googlenet", form="fbin")
    assert [plain.conv1.bn is None, plain.conv2.bn is None, plain.conv3.bn is None] == [
        False,
        True,
        True,
    ]
    assert [binary.conv2.bn is None, binary.conv3.bn is None] == [False, False]
    assert plain.inception4b.branch1.conv.in_channels == 508
