"""Studies that views are made of."""

from collections.abc import Callable
from typing import Any

import pytest

from dashboards.chosen import chosen
from dashboards.runs import StudyRuns
from orchestrator.study.spec import StudySpec

MakeRuns = Callable[..., StudyRuns]
MakeStudy = Callable[..., StudySpec]

THREE: dict[str, Any] = {
    "model": {"name": "mlp", "widths": [64, 8, 8, 10]},
    "data": {"name": "digits", "batch_size": 64},
    "optimizer": {"name": "adam", "lr": 0.01},
    "layers": {"order": ["fc1", "fc2", "fc3"], "epochs_per_layer": 2},
    "epochs": 6,
}


@pytest.fixture
def single_layers(make_study: MakeStudy) -> StudySpec:
    """Each of three layers alone, at two rates."""
    return make_study(
        base=THREE,
        axes=[
            {"name": "layer", "sets": "layers.order", "single_layers": "all"},
            {"name": "lr", "sets": "optimizer.lr", "values": [0.02, 0.1]},
        ],
        matrix={"rows": "layer", "over": "lr"},
    )


@pytest.fixture
def three_layers(make_study: MakeStudy) -> StudySpec:
    """All orders of three layers beside both controls, with three seeds."""
    return make_study(
        base=THREE,
        axes=[
            {
                "name": "order",
                "sets": "layers.order",
                "permutations": "all",
                "controls": ["float", "binary"],
            },
            {"name": "seed", "seeds": [1, 2, 3]},
        ],
        matrix={"rows": "order", "over": "seed", "control": "binary"},
    )


@pytest.fixture
def shown() -> Callable[..., Any]:
    """All cells, by the study's own metric."""
    return chosen
