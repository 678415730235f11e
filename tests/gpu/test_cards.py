"""What a step must at least cost."""

import pytest
from cards import PASSES, WEIGHT_PASSES, Card, Work

from trainers.spec.train_spec import TrainSpec

CARD = Card("ours", {"float32": 1e12, "bfloat16": 4e12}, 1e9)


def _spec(weights: str = "sign") -> TrainSpec:
    return TrainSpec.from_mapping(
        {
            "model": {"name": "mlp", "widths": [784, 30, 10], "norm": False, "bias": False},
            "data": {"name": "mnist", "batch_size": 50},
            "optimizer": {"name": "adam", "lr": 0.1},
            "weights": {"name": weights},
            "layers": {"order": "all"},
            "epochs": 1,
        }
    )


def test_operations_and_bytes_follow_from_the_shapes() -> None:
    work = Work.of(_spec())
    weights = 784 * 30 + 30 * 10
    assert work.flops == 3 * 2 * weights * 50
    assert work.weight_bytes == 4 * WEIGHT_PASSES["adam"] * weights
    assert work.activation_values == PASSES * (30 + 10) * 50


def test_weights_below_trained_scores_are_read_too() -> None:
    weights = 784 * 30 + 30 * 10
    assert Work.of(_spec("biprop")).weight_bytes == 4 * (WEIGHT_PASSES["adam"] + 2) * weights


def test_the_longer_of_arithmetic_and_memory_bounds_a_step() -> None:
    assert Work(2e12, 1e9, 0).least_s(CARD, "float32") == pytest.approx(2)
    assert Work(1e12, 3e9, 1e9).least_s(CARD, "float32") == pytest.approx(7)
    assert Work(1e12, 3e9, 1e9).least_s(CARD, "bfloat16") == pytest.approx(5)
