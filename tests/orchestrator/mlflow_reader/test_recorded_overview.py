"""The cells of a study as they are: from their file, else from their runs."""

import json
from collections.abc import Callable

import pytest

from orchestrator import vocabulary
from orchestrator.mlflow_reader.overview import CURVE, Overview
from orchestrator.mlflow_reader.reader import Reader
from orchestrator.mlflow_reader.recorded_overview import (
    epochs_of,
    planned_cells,
    read_overview,
    written_overview,
)
from orchestrator.planning.planning import plan
from orchestrator.record.conflicts import plan_content
from orchestrator.record.describe import describe
from orchestrator.record.entries import Point
from orchestrator.record.store import Store, StudyIds
from orchestrator.study.cells import Cell
from orchestrator.study.spec import StudySpec
from orchestrator.vocabulary import State


def test_the_epochs_of_all_stages_are_planned() -> None:
    train = {"epochs": 3, "before": {"epochs": 4, "before": {"epochs": 5}}}
    assert epochs_of({vocabulary.TRAIN: json.dumps(train)}) == 12
    # What a stage before does not say, it has from the stage after it.
    train = {"epochs": 3, "before": {"layers": {}, "before": {"epochs": 5}}}
    assert epochs_of({vocabulary.TRAIN: json.dumps(train)}) == 11
    assert epochs_of({}) == epochs_of({vocabulary.TRAIN: "{cut"}) == 0


@pytest.mark.parametrize("text", ["", "{", "[]", '{"cells": 5}', '{"cells": [{"labels": 7}]}'])
def test_a_plan_that_cannot_be_read_has_no_cells(text: str) -> None:
    assert planned_cells(text, ["order"]) == {}


def _read(store: Store, study: StudySpec) -> Overview:
    experiment = store.find_study(study.name)
    assert experiment is not None
    [variant] = store.reader.variants([experiment])
    return read_overview(Reader(store.home.tracking_uri), variant)


@pytest.mark.slow
def test_without_a_file_the_runs_and_the_plan_say_the_same(
    store: Store,
    ids: StudyIds,
    study: StudySpec,
    cells: tuple[Cell, ...],
    record: Callable[..., None],
) -> None:
    store.log_text(ids.run, json.dumps(plan_content(plan(study))), vocabulary.PLAN_ARTIFACT)
    record(study, {"forward 2": 0.5})
    run = store.create_cell(describe(cells[0], study, tags={}), ids)
    points = [Point(CURVE, 0, 0.5, 1), Point(CURVE, 1, 0.25, 2)]
    store.log_points(run, [*points, Point("binary/layers", 1, 1.0, 1)])
    store.set_state(run, State.FAILED, {vocabulary.REASON: "no memory\n..."})
    overview = _read(store, study)
    found = list(overview.cells())
    assert [cell.labels for cell in found] == [dict(cell.labels) for cell in cells]
    states = {" ".join(cell.labels.values()): cell.state for cell in found}
    assert states["forward 2"] == "finished"
    assert sorted(states.values())[2:] == ["waiting"] * 6
    failed = found[0]
    assert (failed.run_id, failed.reason, failed.epochs) == (run, "no memory", 2)
    assert failed.curve == (0.5, 0.25)
    assert failed.switches == ((1, ""),)
    assert (overview.metric, overview.variant) == ("selected/test_error", "")


@pytest.mark.slow
def test_the_file_is_believed_and_a_broken_one_is_not_there(
    store: Store, ids: StudyIds, study: StudySpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.mlflow_reader.recorded_overview.AGAIN_S", 0)
    reader = Reader(store.home.tracking_uri)
    assert written_overview(reader, ids.run) is None
    store.log_text(ids.run, '{"version": 1', vocabulary.OVERVIEW_ARTIFACT)
    assert written_overview(reader, ids.run) is None
    assert len(_read(store, study)) == 0
    from orchestrator.record.board import board_of

    text = board_of(study, [], holder_of=lambda trial: None).text()
    store.log_text(ids.run, text, vocabulary.OVERVIEW_ARTIFACT)
    assert len(_read(store, study)) == 8
