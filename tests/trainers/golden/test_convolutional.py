"""The convolutional networks of arXiv:2111.07046: one training batch, and a few steps of SGD.

The numbers come from the reference implementation, run in double precision; they have nine
digits.
"""

import json
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trainers.binarize.attach import binarize_weights, latent_weights, set_binary, weight_layers
from trainers.build import build_model
from trainers.engine.evaluate import evaluate
from trainers.losses import cross_entropy
from trainers.optim.optimizers import sgd

CASES: dict[str, Any] = json.loads(Path(__file__).with_name("convolutional.json").read_text())
NETWORKS = {"vgg5": 10, "vgg9": 10, "resnet20": 10, "resnet21": 1000}
VARIANTS: dict[str, Callable[[tuple[str, ...]], tuple[str, ...]]] = {
    "float": lambda layers: (),
    "layer1": lambda layers: layers[:1],
    "last": lambda layers: layers[-1:],
    "all": lambda layers: layers,
}
STORED = [
    (name, variant)
    for name in NETWORKS
    for variant in CASES["cases"][f"{name}_forward"]["f64"]["variants"]
]


def _published(name: str, formulas: Any) -> nn.Module:
    """The network with parameters from the formulas and sign on every layer, in double."""
    model = build_model(name).double()
    formulas.fill(model)
    binarize_weights(model, weight_layers(model), "sign")
    return model.train()


@pytest.fixture(scope="module")
def published(formulas: Any) -> Callable[[str], nn.Module]:
    """Makes a published network once; for tests that leave its parameters alone."""
    made: dict[str, nn.Module] = {}

    def make(name: str) -> nn.Module:
        if name not in made:
            made.clear()
            made[name] = _published(name, formulas)
        return made[name]

    return make


def _case(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    case = CASES["cases"][name]
    return case["setup"], case["f64"]


def _each(model: nn.Module, measure: Callable[[Tensor], Tensor]) -> list[float]:
    return [measure(weight.detach()).item() for weight in latent_weights(model).values()]


def _close(expected: Any) -> Any:
    return pytest.approx(expected, rel=1e-6)


def _steps(model: nn.Module, setup: dict[str, Any], formulas: Any, **images: Any) -> list[float]:
    """Loss before each step, all layers binary from the start."""
    names = ("lr", "momentum", "weight_decay")
    optimizer = sgd(model.parameters(), **{name: setup[name] for name in names})
    set_binary(model, weight_layers(model))
    losses = []
    for step in range(setup["steps"]):
        batch = formulas.batch(step, setup["batch"], **images)
        optimizer.zero_grad()
        loss = cross_entropy()(model(batch.images), batch.labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_the_constants_are_those_of_the_other_networks(formulas: Any) -> None:
    assert CASES["constants"] == formulas.constants


def test_every_variant_of_the_reference_is_stored() -> None:
    stored = {name: [variant for of, variant in STORED if of == name] for name in NETWORKS}
    assert stored.pop("resnet21") == ["float", "layer1", "all"]
    assert all(variants == list(VARIANTS) for variants in stored.values())


@pytest.mark.parametrize(("name", "variant"), STORED)
def test_a_training_batch_gives_the_published_loss_outputs_and_gradients(
    name: str, variant: str, formulas: Any, published: Callable[[str], nn.Module]
) -> None:
    setup, content = _case(f"{name}_forward")
    expected = content["variants"][variant]
    assert setup["classes"] == NETWORKS[name]
    batch = formulas.batch(
        0, setup["batch"], shape=tuple(setup["image"]), classes=setup["classes"]
    )
    model = published(name)
    model.zero_grad()
    set_binary(model, VARIANTS[variant](weight_layers(model)))
    logits = model(batch.images)
    loss = cross_entropy()(logits, batch.labels)
    loss.backward()
    assert loss.item() == _close(expected["loss"])
    # The reference's VGG networks end in log-softmax, its residual networks in logits.
    outputs = logits.log_softmax(1) if name.startswith("vgg") else logits
    assert outputs[0, :10].tolist() == _close(expected["out_row0_first10"])
    norms = []
    for weight in latent_weights(model).values():
        assert weight.grad is not None
        norms.append(weight.grad.norm().item())
    assert norms == _close(expected["weight_grad_l2"])


def test_five_sgd_steps_of_resnet20_end_where_the_reference_ends(formulas: Any) -> None:
    setup, expected = _case("resnet20_sgd5_all")
    model = _published("resnet20", formulas)
    numbers = list(range(1, 21))
    assert expected["binarized_layers"] == [numbers] * setup["steps"]
    losses = _steps(model, setup, formulas, shape=(3, 32, 32))
    assert losses == _close(expected["losses"])
    assert _each(model, torch.sum) == _close(expected["final_weight_sum"])
    assert _each(model, torch.norm) == _close(expected["final_weight_l2"])
    assert _each(model, torch.min) == _close(expected["final_weight_min"])
    assert _each(model, torch.max) == _close(expected["final_weight_max"])
    assert _each(model, lambda weight: (weight > 0).sum()) == expected["n_sign_plus"]
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for kind in ("weight", "bias"):
        lengths = [norm.get_parameter(kind).norm().item() for norm in norms]
        assert lengths == _close(expected[f"final_bn_{kind}_l2"])


def test_evaluating_resnet21_after_two_steps_leaves_its_latent_weights(formulas: Any) -> None:
    setup, expected = _case("resnet21_imagenet_path_eval")
    images: dict[str, Any] = {"shape": tuple(setup["image"]), "classes": NETWORKS["resnet21"]}
    model = _published("resnet21", formulas)
    assert _steps(model, setup, formulas, **images) == _close(expected["train_losses"])
    assert _each(model, torch.norm) == _close(expected["weight_l2_before_eval"])
    size = setup["batch"]
    held_out = formulas.batch(setup["eval_offset_batches"], size, **images)
    scores = evaluate(
        model, held_out, loss=cross_entropy(), batch_size=size, autocast=nullcontext()
    )
    assert scores.loss == _close(expected["eval_loss"])
    assert _each(model, torch.norm) == _close(expected["weight_l2_after_eval"])
