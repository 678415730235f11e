"""Which trials are tried first on a GPU."""

from typing import Any

from orchestrator.planning.heaviest import heaviest
from trainers.spec.train_spec import TrainSpec


def _train(width: int = 8, **changes: Any) -> TrainSpec:
    return TrainSpec.from_mapping(
        {
            "model": {"name": "mlp", "widths": [64, width, 10]},
            "data": {"name": "digits", "batch_size": 32},
            "optimizer": {"name": "adam", "lr": 0.01},
            "epochs": 2,
            **changes,
        }
    )


def test_trials_that_differ_in_memory_are_tried_once_each_and_the_heaviest_first() -> None:
    small, wide = _train(8), _train(64)
    large = _train(8, data={"name": "digits", "batch_size": 512})
    trials = [small, _train(8, seed=2), wide, _train(8, epochs=9), large]
    assert heaviest(trials, most=4) == [large, wide, small]
    assert heaviest(trials, most=2) == [large, wide]
    assert heaviest([], most=4) == []


def test_precision_makes_another_kind_of_trial() -> None:
    low = _train(precision="bfloat16")
    assert heaviest([_train(), low], most=4) == [_train(), low]
