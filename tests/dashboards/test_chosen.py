"""Which cells a view shows."""

from collections.abc import Callable

import pytest

from dashboards.chosen import chosen
from dashboards.runs import NoResultsError, StudyRuns

MakeRuns = Callable[..., StudyRuns]


def test_cells_are_chosen_by_their_labels(make_runs: MakeRuns) -> None:
    runs = make_runs({"float 1": 0.25, "float 2": 0.5, "forward 1": 0.125})
    found = chosen(runs, where={"seed": "1"})
    assert [cell.run_id for cell in found.cells] == ["run of float 1", "run of forward 1"]
    assert (found.metric, found.better) == ("selected/test_error", "lower")
    assert chosen(runs, metric="selected/test_accuracy").better == "higher"
    with pytest.raises(NoResultsError, match="no finished cell of tiny has order=forward, s"):
        chosen(runs, where={"order": "forward", "seed": "2"})
    nearest = (
        r"has the metric 'selected/tset', did you mean 'selected/test_\w+'\?; known: last/test"
    )
    with pytest.raises(NoResultsError, match=nearest):
        chosen(runs, metric="selected/tset")


@pytest.mark.parametrize(
    ("where", "what"),
    [
        (
            {"order": "forwrd"},
            "the order 'forwrd', did you mean 'forward'?; known: float, forward",
        ),
        ({"ordr": "forward"}, "the axis 'ordr', did you mean 'order'?; known: order, seed"),
        ({"seed": "7"}, "the seed '7'; known: 1, 2"),
    ],
)
def test_an_axis_or_a_label_that_is_not_there_brings_those_that_are(
    where: dict[str, str], what: str, make_runs: MakeRuns
) -> None:
    runs = make_runs({"float 1": 0.25, "float 2": 0.5, "forward 1": 0.125})
    with pytest.raises(NoResultsError) as raised:
        chosen(runs, where=where)
    assert str(raised.value) == f"no finished cell of tiny has {what}"
