"""Every form of a network trains a step with binary weights, and is exported bit by bit."""

import os
import typing
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from trainers import (
    MODELS,
    binarize_activations,
    binarize_weights,
    build_model,
    export_packed,
    latent_weights,
    load_packed,
    set_binary,
)
from trainers.binarize.hooks import Hooks
from trainers.binding import options_of
from trainers.export.load import read_packed

FORMS = [
    (name, form)
    for name, entry in MODELS.items()
    if "form" in options_of(entry)
    for form in typing.get_args(options_of(entry)["form"].annotation)
]
ONE_FORM = ("densenet", "mobilenet", "nin", "vgg16_bn")
"""Networks that were published in one form."""
SIDES = {
    "alexnet": 224,
    "sketchanet": 225,
    "bincifar": 32,
    "nin": 32,
    "densenet": 32,
    "vgg16_bn": 32,
}
SMALL = {"squeezenet", "googlenet"}
"""Networks whose filters are searched for their best split in a second."""
MADE_FOR_SIGNS = {"fbin", "hybrid", "v2", "v3"}

_IN_FULL = pytest.mark.skipif(
    os.environ.get("BNN_FAULTS") != "full",
    reason="millions of weights, tried in another form: only with BNN_FAULTS=full",
)
QUICK = {
    "squeezenet": "all",
    "bincifar": "all",
    "densenet": "all",
    "mobilenet": "all",
    "nin": "all",
    "googlenet": "fbin",
    "resnet18_sketch": "v3",
    "sketchanet": "hybrid",
    "alexnet": "hybrid",
}
"""The forms that are always tried."""


def _made(name: str, form: str | None) -> tuple[nn.Module, Tensor]:
    """The network for ten classes, and two images for it by a formula."""
    options = {} if form is None else {"form": form}
    model = build_model(name, num_classes=10, **options)
    side = SIDES.get(name, 64)
    place = torch.arange(2 * 3 * side**2, dtype=torch.float32)
    images = (0.3 + 0.618 * place).sin().reshape(2, 3, side, side)
    return model, images[:, : model.takes[0]].contiguous()  # type: ignore[index]


def _trained_a_step(model: nn.Module, images: Tensor) -> None:
    """Trains a step, which has to change the weights of all layers, and prepares evaluation."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    before = {layer: weight.detach().clone() for layer, weight in latent_weights(model).items()}
    hooks = Hooks(model.train())
    hooks.before_batch()
    loss = torch.nn.functional.cross_entropy(model(images), torch.tensor([3, 5]))
    loss.backward()
    optimizer.step()
    hooks.after_step()
    assert loss.isfinite()
    for layer, weight in latent_weights(model).items():
        assert not torch.equal(weight, before[layer]), layer
    hooks.before_evaluation()
    model.eval()


def _read_again(model: nn.Module, images: Tensor, path: Path) -> set[str]:
    """Compares a network with its file bit by bit; returns the layers with a bit a weight."""
    with torch.no_grad():
        export_packed(model, path)
        assert torch.equal(load_packed(path)(images), model(images))
    codes = {layer.name: layer.code for layer in read_packed(path).layers}
    path.unlink()
    return {layer for layer, code in codes.items() if code == "bits"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "form"),
    [
        pytest.param(*both, marks=() if QUICK.get(both[0], "") in ("all", both[1]) else _IN_FULL)
        for both in [*FORMS, *((name, None) for name in ONE_FORM)]
    ],
)
def test_a_trained_step_comes_out_of_its_file(name: str, form: str | None, tmp_path: Path) -> None:
    model, images = _made(name, form)
    assert isinstance(model.inner, tuple)
    # One input channel per group is refused: the published gradient is 0 there.
    layers = [layer for layer in model.inner if latent_weights(model)[layer].shape[1] > 1]
    binarize_weights(model, layers, "dab" if name in SMALL else "xnor")
    set_binary(model, layers)
    is_for_signs = form in MADE_FOR_SIGNS or name == "nin"
    signs = model.activated() if is_for_signs else ()  # type: ignore[operator]
    binarize_activations(model, signs, "sign")
    _trained_a_step(model, images)
    assert _read_again(model, images, tmp_path / "net.bnn") == set(layers)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if QUICK.get(name) == "all" else _IN_FULL)
        for name in sorted({name for name, form in FORMS if form == "float"} | set(ONE_FORM))
    ],
)
def test_a_trained_step_in_full_precision_comes_out_of_its_file(name: str, tmp_path: Path) -> None:
    model, images = _made(name, None if name in ONE_FORM else "float")
    _trained_a_step(model, images)
    assert _read_again(model, images, tmp_path / "net.bnn") == set()
