"""Every form of a network trains a step with binary weights, and is exported bit by bit."""

import os
import typing
from pathlib import Path

import pytest
import torch
from torch import Tensor

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
SIDES = {"alexnet": 224, "sketchanet": 225, "bincifar": 32}
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
    "googlenet": "fbin",
    "resnet18_sketch": "v3",
    "sketchanet": "hybrid",
    "alexnet": "hybrid",
}
"""The forms that are always tried."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "form"),
    [
        pytest.param(*both, marks=() if QUICK.get(both[0]) in ("all", both[1]) else _IN_FULL)
        for both in FORMS
    ],
)
def test_a_trained_step_comes_out_of_its_file(name: str, form: str, tmp_path: Path) -> None:
    model = build_model(name, form=form, num_classes=10)
    place = torch.arange(2 * 3 * SIDES.get(name, 64) ** 2, dtype=torch.float32)
    images = (0.3 + 0.618 * place).sin().reshape(2, 3, SIDES.get(name, 64), -1)
    images = images[:, : model.takes[0]].contiguous()  # type: ignore[index]
    layers = model.inner
    assert isinstance(layers, tuple)
    binarize_weights(model, layers, "dab" if name in SMALL else "xnor")
    set_binary(model, layers)
    signs = model.activated() if form in MADE_FOR_SIGNS else ()  # type: ignore[operator]
    binarize_activations(model, signs, "sign")
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
    with torch.no_grad():
        expected: Tensor = model.eval()(images)
        export_packed(model, tmp_path / "net.bnn")
        assert torch.equal(load_packed(tmp_path / "net.bnn")(images), expected)
    codes = {layer.name: layer.code for layer in read_packed(tmp_path / "net.bnn").layers}
    assert {layer for layer, code in codes.items() if code == "bits"} == set(layers)
    (tmp_path / "net.bnn").unlink()
