"""Two training steps of the CIFAR network of distribution-aware binarization.

The numbers come from the published code, run in double precision; they have nine digits.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from trainers.binarize.attach import (
    binarize_weights,
    binarizers,
    latent_weights,
    set_binary,
    weight_layers,
)
from trainers.binarize.hooks import Hooks
from trainers.build import build_model
from trainers.losses import cross_entropy
from trainers.optim.optimizers import adam

CASE = json.loads(Path(__file__).with_name("dab.json").read_text())["cases"]["bincifar_steps"]


def _close(expected: Any) -> Any:
    return pytest.approx(expected, rel=1e-6)


@pytest.mark.slow
def test_two_steps_give_the_published_losses_outputs_gradients_and_weights(formulas: Any) -> None:
    setup = CASE["setup"]
    model = build_model(setup["model"], dropout=setup["dropout"]).double().train()
    formulas.fill(model)
    layers = weight_layers(model)[setup["binStart"] - 1 : setup["binEnd"]]
    binarize_weights(model, layers, "dab", published=True)
    set_binary(model, layers)
    raw: list[float] = []

    def watch(module: object, given: object, binary: Tensor) -> None:
        binary.register_hook(lambda gradient: raw.append(gradient.norm().item()))

    for _, binarizer in binarizers(model):
        binarizer.register_forward_hook(watch)
    latent = [latent_weights(model)[layer] for layer in layers]
    hooks, optimizer = Hooks(model), adam(model.parameters(), lr=setup["lr"])
    assert setup["optimizer"] == "adam"
    for step in range(setup["steps"]):
        expected = CASE["f64"]["steps"][step]
        batch = formulas.batch(step, setup["batch"], shape=(3, 32, 32), classes=setup["classes"])
        hooks.before_batch()
        logits = model(batch.images)
        loss = cross_entropy()(logits, batch.labels)
        raw.clear()
        optimizer.zero_grad()
        loss.backward()
        assert loss.item() == _close(expected["loss"])
        # The published network ends in log-softmax; ours leaves that to the loss.
        assert (logits >= 0).all()
        assert logits[0].log_softmax(0).tolist() == _close(expected["out_row0"])
        # Gradients come from the last layer to the first.
        assert raw[::-1] == _close(expected["grad_l2_raw"])
        scaled = [weight.grad.norm().item() for weight in latent if weight.grad is not None]
        assert scaled == _close(expected["grad_l2_scaled"])
        optimizer.step()
        hooks.after_step()
        norms = [weight.detach().norm().item() for weight in latent]
        assert norms == _close(expected["weight_l2_after_step"])
