"""1-bit Wide ResNets: weights, gradients, one training batch, steps of SGD, rates.

The numbers come from the published code, run in double precision; they have nine digits.
"""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trainers import lr_schedule, make_weight_binarizer
from trainers.binarize.attach import binarize_weights, latent_weights, set_binary, weight_layers
from trainers.build import build_model
from trainers.losses import cross_entropy
from trainers.optim.optimizers import sgd

CONTENT: dict[str, Any] = json.loads(Path(__file__).with_name("wrn.json").read_text())
CASES = CONTENT["cases"]
SIGNS = sorted(name for name in CASES if name.startswith("forwardsign_") and name[-1].isdigit())


def _close(expected: Any) -> Any:
    return pytest.approx(expected, rel=1e-6)


def _latent(setup: dict[str, Any], formulas: Any) -> Tensor:
    shape = tuple(setup["shape"])
    bound = 1 / math.sqrt(math.prod(shape[1:]))
    latent: Tensor = formulas.parameter(shape, setup["weight_k"], bound)
    return latent


def _network(formulas: Any, *, depth: int, width: float, num_classes: int) -> nn.Module:
    """With parameters from the formulas; a binarizer on all layers but the first and the last."""
    model = build_model("wrn", depth=depth, width=width, num_classes=num_classes).double()
    formulas.fill(model)
    binarize_weights(model, weight_layers(model)[1:-1], "mcdonnell")
    return model.train()


def test_the_constants_are_those_of_the_other_networks(formulas: Any) -> None:
    assert formulas.constants.items() <= CONTENT["constants"].items()


@pytest.mark.parametrize("name", SIGNS)
def test_weights_and_gradients_are_the_published_ones(name: str, formulas: Any) -> None:
    setup, expected = CASES[name]["setup"], CASES[name]["f64"]
    latent = _latent(setup, formulas).requires_grad_()
    binary = make_weight_binarizer("mcdonnell", latent)(latent)
    ga, gb = (CONTENT["constants"][key] for key in ("ga", "gb"))
    places = torch.arange(1, latent.numel() + 1, dtype=torch.float64)
    binary.backward((ga + gb * places).cos().reshape(latent.shape))
    assert latent.grad is not None
    assert binary.abs().max().item() == _close(expected["scale"])
    assert binary.flatten()[:16].tolist() == _close(expected["first16"])
    assert binary.sum().item() == _close(expected["sum"])
    assert binary.norm().item() == _close(expected["l2"])
    assert (binary > 0).sum().item() == expected["n_plus"]
    assert latent.grad.flatten()[:8].tolist() == _close(expected["grad_first8"])


def test_a_weight_of_zero_stays_zero_where_it_is_as_published() -> None:
    case = CASES["forwardsign_zero"]
    latent = torch.tensor(case["setup"]["weights"]).reshape(case["setup"]["shape"]).double()
    binary = make_weight_binarizer("mcdonnell", latent, zero=0)(latent)
    assert binary.flatten().tolist() == _close(case["f64"]["out"])
    kept = make_weight_binarizer("mcdonnell", latent)(latent)
    assert kept.flatten().tolist() == _close([math.sqrt(0.5)] * 3 + [-math.sqrt(0.5)])


@pytest.mark.parametrize("row", CASES["param_counts"]["expected"]["rows"], ids=str)
def test_networks_have_the_published_number_of_weights(row: dict[str, Any]) -> None:
    with torch.device("meta"):
        options = {key: row[key] for key in ("depth", "width", "num_classes")}
        model = build_model("wrn", **options)
    inner = [latent_weights(model)[name] for name in weight_layers(model)[1:-1]]
    assert sum(parameter.numel() for parameter in model.parameters()) == row["parameters"]
    assert sum(weight.numel() for weight in inner) == row["binarizable"]
    assert len(inner) == row["tensors_binarizable"]


@pytest.mark.parametrize("variant", ["binarize_off", "binarize_on"])
@pytest.mark.parametrize("name", ["wrn_20_1_forward", "wrn_20_2_forward"])
def test_a_training_batch_gives_the_published_loss_outputs_and_gradients(
    name: str, variant: str, formulas: Any
) -> None:
    setup, expected = CASES[name]["setup"], CASES[name]["f64"][variant]
    assert (setup["mode"], setup["loss"]) == ("train", "cross_entropy")
    options = {key: setup[key] for key in ("depth", "width", "num_classes")}
    model = _network(formulas, **options)
    set_binary(model, weight_layers(model)[1:-1] if variant == "binarize_on" else ())
    batch = formulas.batch(0, setup["batch"], shape=(3, 32, 32), classes=setup["num_classes"])
    logits = model(batch.images)
    loss = cross_entropy()(logits, batch.labels)
    loss.backward()
    assert loss.item() == _close(expected["loss"])
    assert logits[0, :10].tolist() == _close(expected["out_row0_first10"])
    norms = []
    for weight in latent_weights(model).values():
        assert weight.grad is not None
        norms.append(weight.grad.norm().item())
    assert norms == _close(expected["weight_grad_l2"])


def test_four_sgd_steps_end_where_the_published_code_ends(formulas: Any) -> None:
    setup, expected = CASES["wrn_sgd"]["setup"], CASES["wrn_sgd"]["f64"]
    assert setup["binarize"]
    options = {key: setup[key] for key in ("depth", "width", "num_classes")}
    model = _network(formulas, **options)
    set_binary(model, weight_layers(model)[1:-1])
    rates = {key: setup[key] for key in ("lr", "momentum", "weight_decay")}
    optimizer = sgd(model.parameters(), **rates)
    losses = []
    for step in range(setup["steps"]):
        batch = formulas.batch(step, setup["batch"], shape=(3, 32, 32))
        optimizer.zero_grad()
        loss = cross_entropy()(model(batch.images), batch.labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses == _close(expected["losses"])
    norms = [weight.detach().norm().item() for weight in latent_weights(model).values()]
    assert norms == _close(expected["final_weight_l2"])
    last = model.get_parameter("bn_last.weight").detach().norm().item()
    assert last == _close(expected["bn_last_weight_l2"])


@pytest.mark.parametrize(
    ("reading", "stored"), [("pytorch041", "torch041"), ("textbook", "textbook_sgdr")]
)
def test_both_readings_of_the_restarts_give_the_published_rates(reading: str, stored: str) -> None:
    setup, expected = CASES["lr_restarts"]["setup"], CASES["lr_restarts"]["expected"]
    options = {"lr_min": setup["lr_min"], "reading": reading}
    written = lr_schedule(
        "warm_restarts",
        lr=setup["lr"],
        epochs=setup["epochs"],
        restarts=setup["restarts"],
        **options,
    )
    default = lr_schedule("warm_restarts", lr=setup["lr"], epochs=setup["epochs"], **options)
    epochs = range(setup["epochs"])
    assert [written(epoch) for epoch in epochs] == pytest.approx(expected[stored], rel=1e-8)
    assert [default(epoch) for epoch in epochs] == [written(epoch) for epoch in epochs]
