"""Chains of convolutions compute what the published ones do, in their order."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from trainers import SpecError, build_model

POOLED = {"alexnet": (1, 2, 5), "sketchanet": (1, 2, 5), "bincifar": (2, 4, 6)}
"""Convolutions followed by max pooling."""
DROPPED = {"alexnet": (5, 6), "sketchanet": (6, 7), "bincifar": (4, 6)}
"""Convolutions whose channels are dropped, behind ReLU and pooling."""
FORMS = {
    "alexnet": {"hybrid": range(2, 6)},
    "sketchanet": {"float": (), "hybrid": range(2, 6), "fbin": range(2, 8)},
    "bincifar": {"float": (), "fbin": range(2, 8)},
}
CASES = [(name, form, tuple(binary)) for name in FORMS for form, binary in FORMS[name].items()]


@pytest.mark.parametrize(("name", "form", "binary"), CASES)
def test_it_computes_what_is_published(
    name: str, form: str, binary: tuple[int, ...], stirred: Any, sign: Any, plain_conv: Any
) -> None:
    model = stirred(name, form=form, num_classes=6, dropout=0.0, signs=bool(binary))
    x = images = torch.randn(2, *model.takes, generator=torch.Generator().manual_seed(1)).double()
    for number in range(1, 9):
        conv = model.get_submodule(f"conv{number}")
        norm = dict(model.named_modules()).get(f"bn{number}")
        in_front = number in binary or (name == "bincifar" and number > 1)
        if in_front and norm is not None:
            x = norm(x)
        if number in binary:
            x = sign(x)
        x = plain_conv(conv, x)
        if not in_front and norm is not None:
            x = norm(x)
        if number < 8 or (name, form) == ("bincifar", "float"):
            x = x.relu()
        if number in POOLED[name]:
            x = functional.max_pool2d(x, 2 if name == "bincifar" else 3, 2)
    with torch.no_grad():
        torch.testing.assert_close(model(images), x[:, :, 0, 0])


@pytest.mark.parametrize("name", ["sketchanet", "bincifar"])
def test_whole_channels_are_dropped_where_it_is_published(name: str) -> None:
    model = build_model(name, num_classes=6, dropout=0.5)
    seen: dict[int, Tensor] = {}

    def watch(number: int) -> Callable[..., None]:
        def keep(module: nn.Module, given: tuple[Tensor, ...]) -> None:
            seen[number] = given[0]

        return keep

    for number in range(2, 9):
        # A normalisation in front would hide which channels are 0.
        place = "bn" if name == "bincifar" else "conv"
        model.get_submodule(f"{place}{number}").register_forward_pre_hook(watch(number))
    shape = model.takes
    assert isinstance(shape, tuple)
    model.train()(torch.randn(2, *shape, generator=torch.Generator().manual_seed(1)))
    dropped = [
        number
        for number, x in seen.items()
        if (x.flatten(2) == 0).all(2).double().mean() > 0.3 and number - 1 in DROPPED[name]
    ]
    assert tuple(number - 1 for number in dropped) == DROPPED[name]


def test_the_last_layer_of_an_unnormalised_logit_may_be_negative() -> None:
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert (build_model("bincifar").eval()(images) >= 0).all()
        assert (build_model("bincifar", form="fbin").eval()(images) < 0).any()


def test_a_share_of_all_channels_is_refused() -> None:
    with pytest.raises(SpecError, match=r"dropout: must be 0 or more and below 1, got 1"):
        build_model("bincifar", dropout=1)
