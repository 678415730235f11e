"""All cells at one moment, as text and back."""

import json
import math
from typing import Any

import pytest

from orchestrator.mlflow_reader.overview import (
    CURVE,
    MOST_POINTS,
    CellNow,
    Overview,
    fragments,
    head_of,
    in_parts,
    text_of,
)

AXES, METRICS = ("order", "seed"), ("selected/test_error", "last/test_error", CURVE)
CELLS = (
    CellNow(
        labels={"order": 'for"ward', "seed": "1"},
        epochs=4,
        run_id="abc",
        state="failed",
        reason="the loss is not finite",
        started=1000,
        ended=2000,
        epoch=2,
        metrics={"selected/test_error": 0.1234567891234, CURVE: math.nan},
        switches=((0, "fc1"), (1, "fc2")),
        curve=(0.51234, None),
    ),
    CellNow(labels={"order": "float", "seed": "1"}, epochs=4),
)


def _text(cells: tuple[CellNow, ...] = CELLS) -> str:
    rows = [fragments(cell, AXES, METRICS) for cell in cells]
    return text_of(head_of("tiny", "", AXES, METRICS[0]), 77, rows, METRICS)


def test_what_is_written_is_read_back() -> None:
    overview = Overview.from_text(_text())
    assert overview is not None
    assert (overview.study, overview.written, overview.axes) == ("tiny", 77, AXES)
    assert len(overview) == 2
    failed, waiting = overview.cells()
    assert failed.labels == CELLS[0].labels
    assert failed.switches == CELLS[0].switches
    assert failed.metrics == {"selected/test_error": 0.1234567891234}
    assert failed.curve == (0.5123, None)
    assert waiting == CELLS[1]


def test_it_is_one_object_of_columns_of_equal_length() -> None:
    whole = json.loads(_text())
    assert list(whole) == ["version", "study", "variant", "axes", "metric", "written", "cells"]
    cells = whole["cells"]
    assert cells["labels"] == {"order": ['for"ward', "float"], "seed": ["1", "1"]}
    assert cells["run_id"] == ["abc", None]
    assert cells["switches"] == [[[0, "fc1"], [1, "fc2"]], []]
    # A metric that no cell has is left out.
    assert list(cells["metrics"]) == ["selected/test_error"]


def test_a_study_without_a_cell_has_an_overview() -> None:
    overview = Overview.from_text(_text(()))
    assert overview is not None
    assert (len(overview), list(overview.cells())) == (0, [])


def _changed(path: str, value: object) -> str:
    whole = json.loads(_text())
    inner: Any = whole
    *folders, last = path.split(".")
    for folder in folders:
        inner = inner[folder]
    inner[last] = value
    return json.dumps(whole)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("version", 2),
        ("version", True),
        ("study", None),
        ("written", "now"),
        ("axes", ["order"]),
        ("cells", []),
        ("cells.state", ["failed"]),
        ("cells.state", ["failed", "lost"]),
        ("cells.state", [["failed"], "waiting"]),
        ("cells.epoch", [1, 1.5]),
        ("cells.epoch", [1, True]),
        ("cells.labels", {"order": ["a", "b"]}),
        ("cells.metrics", {"x": ["0.5", None]}),
        ("cells.switches", [[["fc1", 0]], []]),
        ("cells.switches", [5, []]),
        ("cells.curve", [[0.5, "x"], None]),
    ],
)
def test_a_file_of_another_shape_is_no_overview(path: str, value: object) -> None:
    assert Overview.from_text(_changed(path, value)) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "5", "null", _text()[:-20], "[" * 100_000])
def test_a_damaged_file_is_no_overview(text: str) -> None:
    assert Overview.from_text(text) is None


def test_a_value_that_is_no_number_is_no_overview() -> None:
    assert Overview.from_text(_text().replace("0.123456789", "NaN")) is None


def test_a_curve_covers_the_planned_epochs_in_equal_parts() -> None:
    assert in_parts({0: 0.5, 1: 0.25}, 4) == (0.5, 0.25)
    half = in_parts({epoch: float(epoch) for epoch in range(40)}, 80)
    assert half == tuple(2 * part + 0.5 for part in range(20))
    assert len(in_parts(dict.fromkeys(range(300), 0.5), 300)) == MOST_POINTS


def test_a_part_without_a_value_is_a_gap() -> None:
    assert in_parts({0: 0.5, 1: math.nan, 2: 0.25}, 3) == (0.5, None, 0.25)
    assert in_parts({}, 3) == ()
