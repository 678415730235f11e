"""Distribution-aware binarization: thresholds, levels, gradients, signs of inputs, rates.

The numbers come from the published code, run in double precision; they have nine digits.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from trainers import lr_schedule, make_activation_binarizer, make_weight_binarizer
from trainers.binarize.weights.dab import thresholds
from trainers.errors import SpecError

CONTENT: dict[str, Any] = json.loads(Path(__file__).with_name("dab.json").read_text())
CASES = CONTENT["cases"]
DUAL = [name for name in CASES if name.startswith("dual_")]


def _close(expected: Any) -> Any:
    return pytest.approx(expected, rel=1e-6)


def _latent(setup: dict[str, Any], formulas: Any) -> Tensor:
    latent: Tensor = formulas.parameter(tuple(setup["shape"]), setup["weight_k"], setup["bound"])
    return latent


def _upstream(num: int) -> Tensor:
    ga, gb = (CONTENT["constants"][key] for key in ("ga", "gb"))
    return (ga + gb * torch.arange(1, num + 1, dtype=torch.float64)).cos()


def _multiplier(binary: Tensor, latent: Tensor) -> Tensor:
    [multiplier] = torch.autograd.grad(binary, latent, torch.ones_like(binary))
    return multiplier


@pytest.mark.parametrize("name", DUAL)
def test_both_levels_of_each_filter_and_their_gradient_are_the_published_ones(
    name: str, formulas: Any
) -> None:
    expected = CASES[name]["f64"]
    latent = _latent(CASES[name]["setup"], formulas).requires_grad_()
    binarizer = make_weight_binarizer("dab", latent.detach(), published=True)
    binarizer.before_batch(latent)
    # The stored ones are centred, and not yet clamped.
    centred = [min(max(weight, -1), 1) for weight in expected["centred_first8"]]
    assert latent.flatten()[:8].tolist() == _close(centred)
    assert (latent.abs() == 1).sum().item() == expected["n_clamped"]
    rows = latent.detach().flatten(1)
    at = thresholds(rows, published=True)
    assert at.flatten().tolist() == _close(expected["threshold"])
    is_high = rows > at
    num_high = (is_high & (rows != 0)).sum(1)
    assert num_high.tolist() == expected["K"]
    assert (rows.shape[1] - num_high).tolist() == expected["N_minus_K"]
    binary = binarizer(latent)
    assert binary.flatten(1).amax(1).tolist() == _close(expected["alpha"])
    assert (-binary.flatten(1).amin(1)).tolist() == _close(expected["beta"])
    assert binary.flatten()[:16].tolist() == _close(expected["binarized_first16"])
    assert binary.sum().item() == _close(expected["binarized_sum"])
    assert binary.norm().item() == _close(expected["binarized_l2"])
    multiplier = _multiplier(binary, latent)
    assert multiplier.flatten()[:16].tolist() == _close(expected["multiplier_first16"])
    assert multiplier.sum().item() == _close(expected["multiplier_sum"])
    assert multiplier.norm().item() == _close(expected["multiplier_l2"])


@pytest.mark.parametrize("name", DUAL)
def test_by_the_better_score_the_threshold_is_one_of_the_two_published_candidates(
    name: str, formulas: Any
) -> None:
    expected = CASES[name]["f64"]
    latent = _latent(CASES[name]["setup"], formulas)
    make_weight_binarizer("dab", latent).before_batch(latent)
    at = thresholds(latent.flatten(1), published=False).flatten()
    places = zip(expected["index_descending"], expected["index_ascending"], strict=True)
    for row, found, (falling, rising) in zip(latent.flatten(1), at, places, strict=True):
        ordered = row.sort().values
        candidates = (ordered[-1 - falling], ordered[rising])
        scores = [_score(row.sort(descending=True).values, falling), _score(ordered, rising)]
        assert found == candidates[scores.index(max(scores))]


def _score(ordered: Tensor, place: int) -> float:
    num, first = len(ordered), ordered[: place + 1].sum()
    rest = ordered.sum() - first
    return float(first**2 / (place + 1) + rest**2 / (num - place))


def test_centring_leaves_nothing_of_a_single_channel_so_it_is_refused(formulas: Any) -> None:
    case = CASES["single_input_channel"]
    latent = _latent(case["setup"], formulas)
    with pytest.raises(SpecError, match=r"one input channel per group; .* all its weights become"):
        make_weight_binarizer("dab", latent)
    left = make_weight_binarizer("dab", torch.zeros(3, 2, 3, 3))
    left.before_batch(latent)
    assert latent.abs().max().item() == case["f64"]["max_abs_after_centring"]


def test_the_scaled_sign_and_its_gradient_are_the_published_ones(formulas: Any) -> None:
    expected = CASES["xnor_0"]["f64"]
    latent = _latent(CASES["xnor_0"]["setup"], formulas).requires_grad_()
    binary = make_weight_binarizer("xnor", latent.detach())(latent)
    assert binary.flatten()[:16].tolist() == _close(expected["binarized_first16"])
    assert binary.sum().item() == _close(expected["binarized_sum"])
    assert binary.norm().item() == _close(expected["binarized_l2"])
    multiplier = _multiplier(binary, latent)
    assert multiplier.flatten()[:16].tolist() == _close(expected["multiplier_first16"])
    assert multiplier.sum().item() == _close(expected["multiplier_sum"])


def test_signs_of_inputs_are_the_published_ones() -> None:
    x = torch.tensor(CASES["active"]["setup"]["x"], dtype=torch.float64, requires_grad=True)
    signs = make_activation_binarizer("sign", zero=0, closed=True)(x)
    signs.backward(_upstream(len(x)))
    assert x.grad is not None
    assert signs.tolist() == CASES["active"]["f64"]["forward"]
    assert x.grad.tolist() == pytest.approx(CASES["active"]["f64"]["backward"], rel=1e-6, abs=0)


@pytest.mark.parametrize("name", ["lr_0", "lr_1"])
def test_the_rate_of_each_epoch_is_the_published_one(name: str) -> None:
    setup = CASES[name]["setup"]
    rate = lr_schedule(
        "decay",
        lr=setup["maxlr"],
        epochs=setup["epochs"],
        interval=setup["decayinterval"],
        level=setup["decaylevel"],
        floor=setup["minlr"],
    )
    wanted = [rate for num, rate in CASES[name]["expected"]["runs"] for _ in range(num)]
    assert [rate(epoch) for epoch in range(setup["epochs"])] == pytest.approx(wanted, rel=1e-9)
