"""First weights by name: their distributions, and where they are drawn from."""

import math

import pytest
import torch
from torch import Tensor, nn

from trainers.errors import SpecError
from trainers.models.weight_inits import WEIGHT_INITS, draw_weights

SHAPE = (80, 30, 3, 3)
FAN_IN, FAN_OUT = 270, 720
NAMES = sorted(set(WEIGHT_INITS) - {"default"})


def _drawn(name: str, keep: float | None = None, **options: object) -> Tensor:
    draw = WEIGHT_INITS[name](keep, **options)
    assert draw is not None
    return draw(torch.empty(SHAPE), torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("name", "deviation"),
    [
        ("kaiming_normal", math.sqrt(2 / FAN_IN)),
        ("kaiming_uniform", math.sqrt(2 / FAN_IN)),
        ("signed_constant", math.sqrt(2 / FAN_IN)),
        ("xavier_normal", math.sqrt(2 / (FAN_IN + FAN_OUT))),
        ("xavier_constant", math.sqrt(2 / (FAN_IN + FAN_OUT))),
        ("standard", 1 / math.sqrt(3 * FAN_IN)),
        ("binary", 1.0),
    ],
)
def test_weights_have_mean_zero_and_the_deviation_of_their_name(
    name: str, deviation: float
) -> None:
    weight = _drawn(name)
    assert weight.std().item() == pytest.approx(deviation, rel=0.02)
    assert abs(weight.mean().item()) < 0.02 * deviation


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("ones", [1.0]),
        ("bernoulli", [0.0, 1.0]),
        ("binary", [-1.0, 1.0]),
        ("unsigned_constant", [math.sqrt(2 / FAN_IN)]),
        ("unsigned_bernoulli", [0.0, math.sqrt(2 / FAN_IN)]),
        ("signed_constant", [-math.sqrt(2 / FAN_IN), math.sqrt(2 / FAN_IN)]),
    ],
)
def test_constants_have_few_values(name: str, values: list[float]) -> None:
    assert _drawn(name).unique().tolist() == pytest.approx(values)


def test_the_fan_the_gain_and_the_share_scale_the_weights() -> None:
    constant = "unsigned_constant"
    assert _drawn(constant, mode="fan_out").max() == pytest.approx(math.sqrt(2 / FAN_OUT))
    assert _drawn(constant, nonlinearity="linear").max() == pytest.approx(1 / math.sqrt(FAN_IN))
    scaled = _drawn(constant, keep=0.2, scale_fan=True).max()
    assert scaled == pytest.approx(math.sqrt(2 / (0.8 * FAN_IN)))
    # What is not pruned has nothing to scale by.
    assert _drawn(constant, scale_fan=True).max() == pytest.approx(math.sqrt(2 / FAN_IN))


def test_a_share_of_one_has_no_scale() -> None:
    with pytest.raises(SpecError, match="scale_fan: scales the fan by the share"):
        _drawn("kaiming_normal", keep=1.0, scale_fan=True)


@pytest.mark.parametrize("name", NAMES)
def test_layers_draw_from_the_generator_alone_and_keep_their_biases(name: str) -> None:
    def drawn(seed: int) -> tuple[Tensor, Tensor]:
        model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Linear(4, 5))
        nn.init.zeros_(model[0].bias)
        before = torch.get_rng_state()
        draw = WEIGHT_INITS[name](0.5)
        assert draw is not None
        draw_weights(model, draw, torch.Generator().manual_seed(seed))
        assert torch.equal(torch.get_rng_state(), before)
        assert not model[0].bias.any()
        return model[0].weight, model[1].weight

    first, again = drawn(1), drawn(1)
    assert all(torch.equal(left, right) for left, right in zip(first, again, strict=True))


def test_the_default_leaves_the_weights_to_the_model() -> None:
    assert WEIGHT_INITS["default"](None) is None
