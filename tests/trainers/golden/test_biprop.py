"""BIPROP: masks, scales and gradients of one tensor or three, as the published code has them.

The numbers come from the code published with arXiv:2103.09377, run in double precision; they have
nine digits.
"""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from trainers.binarize.activations import make_activation_binarizer
from trainers.binarize.schedule import keep_ramp
from trainers.binarize.weights import make_weight_binarizer
from trainers.binarize.weights.biprop_global import BipropGlobalBinarizer, global_threshold

STORED: dict[str, Any] = json.loads(Path(__file__).with_name("biprop.json").read_text())
CASES: dict[str, Any] = STORED["cases"]
EXACT = 1e-6


def _named(prefix: str) -> list[str]:
    names = [name for name in CASES if name.startswith(prefix)]
    assert names
    return names


def close(expected: Any, *, rel: float = EXACT) -> Any:
    return pytest.approx(expected, rel=rel, abs=1e-12)


def latent_of(shape: list[int], number: int, formulas: Any) -> Tensor:
    """Parameter of that number, bound sqrt(6 / fan-in), in double."""
    value: Tensor = formulas.parameter(tuple(shape), number, math.sqrt(6 / math.prod(shape[1:])))
    return value


def scores_of(shape: list[int], number: int, formulas: Any) -> Tensor:
    """Scores of that number, bound 1/sqrt(fan-in), in double."""
    names = STORED["constants"]
    of_scores = type(formulas)(
        {**names, **{key: names[f"s{key}"] for key in "abc"}, "d": names["d"]}
    )
    value: Tensor = of_scores.parameter(tuple(shape), number, 1 / math.sqrt(math.prod(shape[1:])))
    return value


def upstream(shape: torch.Size) -> Tensor:
    """The gradient that arrives: cos(ga + gb (i + 1))."""
    ga, gb = (STORED["constants"][name] for name in ("ga", "gb"))
    place = torch.arange(1, shape.numel() + 1).double()
    return (ga + gb * place).cos().float().double().reshape(shape)


def images(shape: list[int], formulas: Any) -> Tensor:
    values: Tensor = formulas.batch(0, shape[0], shape=tuple(shape[1:])).images
    return values


@pytest.mark.parametrize("name", _named("subnet_"))
def test_a_layers_ticket_is_the_published_one(name: str, formulas: Any) -> None:
    setup, expected = CASES[name]["setup"], CASES[name]["f64"]
    latent = latent_of(setup["shape"], setup["weight_k"], formulas)
    binarizer = make_weight_binarizer(
        "biprop", latent, keep=setup["prune_rate"], published_alpha=True
    )
    scores = scores_of(setup["shape"], setup["scores_k"], formulas)
    binarizer.scores.data.copy_(scores)
    weight = binarizer(latent)
    assert int((weight != 0).sum()) == setup["kept"] == expected["nonzero"]
    assert weight.abs().max().item() == close(expected["alpha"])
    assert weight.sum().item() == close(expected["sum"])
    assert weight.flatten()[:16].tolist() == close(expected["first16"])
    weight.backward(upstream(weight.shape))
    gradient = binarizer.scores.grad
    assert gradient.flatten()[:16].tolist() == close(expected["score_grad_first16"])
    assert gradient.norm().item() == close(expected["score_grad_l2"])
    x = images(setup["conv_input"], formulas)
    output = functional.conv2d(x, weight, padding=setup["padding"])
    assert output.norm().item() == close(expected["conv_out_l2"])
    assert output.flatten()[:8].tolist() == close(expected["conv_out_first8"])
    # By default the scale is the mean over what is kept.
    mean = make_weight_binarizer("biprop", latent, keep=setup["prune_rate"])
    mean.scores.data.copy_(scores)
    corrected = expected["alpha"] * setup["alpha_divisor"] / setup["kept"]
    assert mean(latent).abs().max().item() == close(corrected)


@pytest.mark.parametrize("name", _named("global_0"))
def test_layers_share_the_published_threshold(name: str, formulas: Any) -> None:
    setup, expected = CASES[name]["setup"], CASES[name]["f64"]
    latents, binarizers = [], []
    for shape, weight_k, scores_k in zip(
        setup["shapes"], setup["weight_k"], setup["scores_k"], strict=True
    ):
        latents.append(latent_of(shape, weight_k, formulas))
        binarizer = make_weight_binarizer("biprop_global", latents[-1], published_alpha=True)
        assert isinstance(binarizer, BipropGlobalBinarizer)
        binarizer.scores.data.copy_(scores_of(shape, scores_k, formulas))
        binarizers.append(binarizer)
    scores = [binarizer.scores for binarizer in binarizers]
    threshold = global_threshold(scores, keep=setup["prune_rate"])
    assert threshold.item() == close(expected["threshold"])
    for latent, binarizer, layer in zip(latents, binarizers, expected["layers"], strict=True):
        binarizer.threshold.copy_(threshold)
        weight = binarizer(latent)
        assert binarizer.num_above == layer["kept"]
        if layer["kept"] == 0:
            assert weight.isnan().all()
            binarizer.published_alpha = False
            weight = binarizer(latent)
            assert int((weight != 0).sum()) == 1
            continue
        assert weight.abs().max().item() == close(layer["alpha"])
        assert weight.norm().item() == close(layer["l2"])
        assert weight.flatten()[:8].tolist() == close(layer["first8"])
        weight.backward(upstream(weight.shape))
        assert binarizer.scores.grad.norm().item() == close(layer["score_grad_l2"])
        assert binarizer.scores.grad.flatten()[:8].tolist() == close(layer["score_grad_first8"])


def test_a_threshold_given_by_hand_keeps_what_is_above_it(formulas: Any) -> None:
    case = CASES["global_fixed_threshold"]
    setup, expected = case["setup"], case["f64"]
    latent = latent_of(setup["shape"], setup["weight_k"], formulas)
    binarizer = make_weight_binarizer("biprop_global", latent, threshold=setup["threshold"])
    binarizer.scores.data.copy_(scores_of(setup["shape"], setup["scores_k"], formulas))
    weight = binarizer(latent)
    assert int((weight != 0).sum()) == expected["kept"]
    assert weight.abs().max().item() == close(expected["alpha"])
    assert weight.sum().item() == close(expected["sum"])
    weight.backward(upstream(weight.shape))
    assert binarizer.scores.grad.flatten()[:16].tolist() == close(expected["score_grad_first16"])


def test_approx_sign_is_the_published_activation() -> None:
    case = CASES["binact"]
    x = torch.tensor(case["setup"]["x"], dtype=torch.float32).double().requires_grad_()
    result = make_activation_binarizer("approx_sign", zero=0)(x)
    assert result.tolist() == case["f64"]["forward"]
    result.backward(upstream(x.shape))
    assert x.grad is not None
    assert x.grad.tolist() == close(case["f64"]["backward"])


@pytest.mark.parametrize("name", _named("ramp_"))
def test_the_share_comes_down_as_published(name: str) -> None:
    setup = CASES[name]["setup"]
    ramp = keep_ramp(setup["final_prune_rate"], setup["prune_rate_epoch"])
    shares = [ramp(epoch) for epoch in range(setup["epochs"])]
    assert shares == close(CASES[name]["expected"]["prune_rate"], rel=1e-9)
