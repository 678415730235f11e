"""The view in which MLflow's pages open on a study."""

import base64
import json
import urllib.parse
import zlib
from dataclasses import replace
from typing import Any

import pytest

from dashboards.runs import StudyRuns
from dashboards.views import LONGEST, TAG_PREFIX, View, view_of
from orchestrator import vocabulary
from orchestrator.mlflow_reader.cells import RecordedCell

VARIANT = "0123456789abcdef"


def _runs(*, seeds: tuple[str, ...] = ("1", "2"), **tags: str) -> StudyRuns:
    metrics = {"selected/test_error": 0.1, "near_zero/fc1": 0.2, "near_zero/fc2": 0.3}
    labels = [{"order": "forward", "seed": seed} for seed in seeds]
    return StudyRuns(
        study="tiny",
        title="tiny",
        experiment_id="7",
        run_id="parent",
        tags={
            vocabulary.VARIANT: VARIANT,
            vocabulary.METRIC_NAME: "selected/test_error",
            vocabulary.METRIC_BETTER: "lower",
            vocabulary.ROWS_AXIS: "order",
            vocabulary.OVER_AXIS: "seed",
            **tags,
        },
        cells=tuple(
            RecordedCell(run_id=f"run {item['seed']}", labels=item, metrics=metrics)
            for item in labels
        ),
        is_asked=True,
    )


def _state(view: View) -> dict[str, Any]:
    packed = json.loads(view.content(time_ms=5))["state"].removeprefix("deflate;")
    state: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(packed)))
    return state


def test_a_view_follows_from_what_the_cells_have() -> None:
    view = view_of(_runs())
    assert (view.study, view.variant) == ("tiny", VARIANT)
    assert (view.metric, view.better, view.rows) == ("selected/test_error", "lower", "order")
    assert list(view.axes) == ["order", "seed"]
    assert list(view.layers) == ["fc1", "fc2"]
    assert view.grouped


def test_lines_are_grouped_only_where_a_row_has_several_cells() -> None:
    assert not view_of(_runs(seeds=("1",))).grouped
    assert _state(view_of(_runs(seeds=("1",))))["groupBy"] is None
    [key] = _state(view_of(_runs()))["groupBy"]["groupByKeys"]
    assert key == {"mode": "param", "groupByData": "axis/order"}


def test_a_link_names_the_view_and_the_experiment() -> None:
    view = view_of(_runs())
    link = view.link("http://host:5000", "7")
    assert link.startswith("http://host:5000/#/experiments/7/runs?")
    query = dict(urllib.parse.parse_qsl(link.partition("?")[2]))
    assert query["viewStateShareKey"] == view.key
    assert view.tag == TAG_PREFIX + view.key


def test_the_same_variant_has_the_same_view_and_another_has_another() -> None:
    view = view_of(_runs())
    assert view_of(_runs(seeds=("1", "2", "3"))).key == view.key
    assert view_of(_runs(**{vocabulary.VARIANT: "f" * 16})).key != view.key


def test_a_view_shows_the_cells_of_its_variant_only() -> None:
    wanted = _state(view_of(_runs()))["searchFilter"]
    assert f"tags.`{vocabulary.VARIANT}` = '{VARIANT}'" in wanted
    assert f"tags.`{vocabulary.KIND}` = 'cell'" in wanted


@pytest.mark.parametrize(("better", "ascending"), [("lower", True), ("higher", False)])
def test_the_best_cell_comes_first(better: str, ascending: bool) -> None:
    state = _state(view_of(_runs(**{vocabulary.METRIC_BETTER: better})))
    assert state["orderByKey"] == "metrics.`selected/test_error`"
    assert state["orderByAsc"] is ascending


def test_columns_are_the_labels_first_and_come_once() -> None:
    columns = _state(view_of(_runs()))["selectedColumns"]
    assert columns[:2] == ["params.`axis/order`", "params.`axis/seed`"]
    assert "metrics.`selected/test_error`" in columns
    assert len(set(columns)) == len(columns)


def test_every_chart_has_an_id_of_its_own_in_a_section_that_exists() -> None:
    state = _state(view_of(_runs()))
    charts = state["compareRunCharts"]
    assert len({chart["uuid"] for chart in charts}) == len(charts)
    sections = [section["uuid"] for section in state["compareRunSections"]]
    assert len(set(sections)) == len(sections)
    assert {chart["metricSectionId"] for chart in charts} <= set(sections)
    shown = {chart["metricKey"] for chart in charts}
    assert {"selected/test_error", "validation/error", "signs_flipped/fc2"} <= shown


def test_the_content_says_when_it_was_made_and_of_which_study() -> None:
    content = json.loads(view_of(_runs()).content(time_ms=5))
    assert content["createdAt"] == content["updatedAt"] == 5
    assert "tiny" in content["name"]


def test_a_view_of_hundreds_of_layers_fits_its_tag() -> None:
    runs = _runs()
    few = view_of(runs)
    names = [f"stage{number}.block{number % 7}.conv{number % 3}" for number in range(3000)]
    view = replace(few, layers=names)
    assert len(view.content(time_ms=5)) <= LONGEST
    charts = _state(view)["compareRunCharts"]
    assert {chart["metricSectionId"] for chart in charts} == {"Result"}
    assert len(_state(few)["compareRunCharts"]) > len(charts)


def test_charts_are_in_percent_if_every_cell_has_it() -> None:
    runs = _runs()
    assert _state(view_of(runs))["compareRunCharts"][0]["metricKey"] == "selected/test_error"
    cells = [
        replace(cell, metrics={**cell.metrics, "selected/test_error_percent": 10.0})
        for cell in runs.cells
    ]
    state = _state(view_of(replace(runs, cells=tuple(cells))))
    assert state["compareRunCharts"][0]["metricKey"] == "selected/test_error_percent"
    assert "metrics.`selected/test_error_percent`" in state["selectedColumns"]
    some = _state(view_of(replace(runs, cells=(cells[0], runs.cells[1]))))
    assert some["compareRunCharts"][0]["metricKey"] == "selected/test_error"


def test_charts_stand_in_two_wide_columns() -> None:
    sections = _state(view_of(_runs()))["compareRunSections"]
    assert {(section["columns"], section["cardHeight"]) for section in sections} == {(2, 420)}
