"""Views as text: what is shown, and what is refused."""

import io
import re
from collections.abc import Callable, Mapping, Sequence

import pandas as pd
import pytest
from rich.console import Console

from dashboards.analysis.text import best_at
from dashboards.analysis.trials import ViewError
from dashboards.analysis.views import VIEWS, fitting, view_frame
from dashboards.curves import Curve
from dashboards.runs import StudyRuns
from orchestrator.study.spec import StudySpec

MakeRuns = Callable[..., StudyRuns]
ROWS = ("float", "binary", "forward", "reverse", "132", "213", "231", "312")


@pytest.fixture
def orders(three_layers: StudySpec, make_runs: MakeRuns) -> StudyRuns:
    values = {
        f"{row} {seed}": 0.1 + 0.01 * place + 0.001 * (place * seed % 3)
        for place, row in enumerate(ROWS)
        for seed in (1, 2, 3)
    }
    return make_runs(values, three_layers)


@pytest.fixture
def layers(single_layers: StudySpec, make_runs: MakeRuns) -> StudyRuns:
    return make_runs({"1 0.1": 0.5, "1 0.02": 0.25, "3 0.1": 0.125}, single_layers)


def _read(runs: Sequence[str], name: str) -> Mapping[str, Curve]:
    assert name == "validation/error"
    return {run: [(epoch, 0.5 - 0.01 * epoch) for epoch in range(60)] for run in runs}


def _text(name: str, runs: StudyRuns) -> str:
    table, lines = VIEWS[name].text(view_frame(name, runs, _read))
    out = io.StringIO()
    Console(file=out, width=120).print(table, *lines, sep="\n")
    return " ".join(out.getvalue().split())


def test_a_study_has_the_views_that_fit_it(orders: StudyRuns, layers: StudyRuns) -> None:
    assert fitting(orders) == ("positions", "pairs", "budget", "effects")
    assert fitting(layers) == ("sensitivity", "rates")
    assert fitting(layers, where={"lr": "7"}) == ()


def test_a_view_that_does_not_fit_says_what_it_needs(orders: StudyRuns) -> None:
    what = "tiny lacks rows of which each .* 'sensitivity' needs; views that fit: positions, pairs"
    with pytest.raises(ViewError, match=what):
        view_frame("sensitivity", orders, _read)
    with pytest.raises(ViewError, match=r"needs; views that fit: effects$"):
        view_frame("pairs", orders, _read, where={"order": "binary"})


def test_sensitivities_end_in_both_orders(layers: StudyRuns) -> None:
    text = _text("sensitivity", layers)
    assert "1 fc1 50.00 25.00 25.00 0.02" in text
    assert "ascending 3 1; descending 1 3" in text
    assert "for no cell is finished: 2" in text
    assert "A ranking of single runs, not a test." in text


def test_rates_name_rows_whose_best_rate_is_the_last_tried(layers: StudyRuns) -> None:
    assert "1 50.00 25.00 0.02" in _text("rates", layers)


def test_rates_that_are_equally_good_are_all_named(
    single_layers: StudySpec, make_runs: MakeRuns
) -> None:
    runs = make_runs({"1 0.1": 0.25, "1 0.02": 0.25, "3 0.1": 0.125}, single_layers)
    assert "1 25.00 25.00 0.1, 0.02" in _text("rates", runs)


def test_positions_and_pairs_answer_the_question_first(orders: StudyRuns) -> None:
    assert "layer first 2 last" in _text("positions", orders)
    pairs = _text("pairs", orders)
    assert "Means over all orders of these layers." in pairs
    assert "Do the 6 orders differ at all? Friedman test: p < 0.001; they do." in pairs
    assert re.search(r"fc1 fc2 -\d\.\d\d \[-\d\.\d\d, [-+]\d\.\d\d\]", pairs)


def test_some_orders_alone_mix_layers_up(orders: StudyRuns) -> None:
    some = orders.with_cells(
        [cell for cell in orders.cells if cell.labels["order"] in ("forward", "132")]
    )
    text = _text("positions", some)
    assert "Means over 2 of 6 orders of these layers; with some orders alone" in text


def test_a_table_of_budgets_has_few_of_them(orders: StudyRuns) -> None:
    text = _text("budget", orders)
    assert text.count("epochs") == 8
    assert "All layers are binary from epoch 5 on." in text


def test_effects_are_in_bold_only_where_they_differ(orders: StudyRuns) -> None:
    table, _ = VIEWS["effects"].text(view_frame("effects", orders, _read))
    verdicts = [str(cell) for cell in table.columns[2].cells]
    bold = [row.style == "bold" for row in table.rows]
    assert bold == [verdict.startswith("differs") for verdict in verdicts]
    assert any(bold)


def test_all_rows_with_the_best_value_are_named() -> None:
    column = pd.Series({"a": 0.5, "b": 0.25, "c": 0.25})
    assert best_at(column, "lower") == "b, c"
    assert best_at(column, "higher") == "a"
