"""Error against learning rate."""

from collections.abc import Callable

import pytest

from dashboards.analysis.rates import by_rate, rate_curves
from dashboards.analysis.trials import ViewError
from dashboards.chosen import chosen
from dashboards.runs import StudyRuns
from dashboards.stages import best_of
from orchestrator.study.spec import StudySpec

MakeRuns = Callable[..., StudyRuns]


@pytest.fixture
def searched(make_study: Callable[..., StudySpec]) -> StudySpec:
    axes = [
        {"name": "order", "sets": "layers.order", "permutations": "all", "controls": ["float"]},
        {"name": "rate", "sets": "optimizer.lr", "values": {"small": 0.001, "large": 0.1}},
        {"name": "seed", "seeds": [1, 2]},
    ]
    return make_study(axes=axes, matrix={"rows": "order", "over": "seed"})


def test_a_rate_has_the_mean_over_all_other_axes(searched: StudySpec, make_runs: MakeRuns) -> None:
    values = {"forward small 1": 0.25, "forward large 1": 0.5, "forward large 2": 0.75}
    runs = make_runs({**values, "float small 1": 0.125}, searched)
    curves = rate_curves(runs, chosen(runs))
    assert curves.attrs["rates"] == "rate"
    assert curves[["row", "label", "lr", "mean", "n"]].to_numpy().tolist() == [
        ["float", "small", 0.001, 0.125, 1],
        ["forward", "large", 0.1, 0.625, 2],
        ["forward", "small", 0.001, 0.25, 1],
    ]


@pytest.mark.parametrize(("better", "expected"), [("lower", "small"), ("higher", "large")])
def test_the_best_rate_of_a_row_follows_the_direction(
    better: str, expected: str, searched: StudySpec, make_runs: MakeRuns
) -> None:
    runs = make_runs({"forward small 1": 0.25, "forward large 1": 0.5}, searched)
    curves = rate_curves(runs, chosen(runs))
    curves.attrs["better"] = better
    assert best_of(by_rate(curves))["forward"][0] == expected


def test_a_study_of_one_rate_has_no_curve(make_runs: MakeRuns) -> None:
    runs = make_runs({"float 1": 0.25, "float 2": 0.5})
    with pytest.raises(ViewError, match="tiny lacks an axis of two learning rates or more"):
        rate_curves(runs, chosen(runs))
