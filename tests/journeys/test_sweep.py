"""From the command to the matrix: real Ray, real SQLite MLflow, real digits."""

import csv
import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import trainers
from dashboards import result_matrix
from orchestrator import expand, load_study

pytestmark = pytest.mark.slow

NOISE = ("INFO", "WARNING", "ray.init", "Traceback", "alembic", "tune_controller", "DeprecationW")


@pytest.fixture(scope="module")
def first(settled: Any, small: str) -> Any:
    """The first sweep in the shared folder."""
    return settled.runs("sweep", settled.writes(small), cold=True)


def test_a_sweep_prints_plan_progress_matrix_and_places(first: Any, settled: Any) -> None:
    assert first.code == 0, first.err
    lines = first.out.splitlines()
    assert "Does the order matter on a few digits?" in lines[0]
    assert "cells     3, 0 of them finished" in lines
    assert "epochs    12 to train" in lines
    assert sum("validation error" in line for line in lines) >= 3
    rows = [line.split()[0] for line in lines if line.startswith((" float", " forw", " rev"))]
    assert rows == ["float", "forward", "reverse"]
    assert str(settled.home) in first.out
    assert "bnn-orchestrate ui small" in first.out


def test_nothing_else_is_said(first: Any) -> None:
    # What a busy machine waits for is said.
    said = [line for line in first.err.splitlines() if not line.startswith("waiting for ")]
    assert said == []
    assert not [word for word in NOISE if word in first.out]
    assert len(first.out.splitlines()) < 40


def test_every_cell_is_one_run_with_every_point_once(first: Any, settled: Any) -> None:
    cells = settled.cells()[:3]
    assert sorted(cell.name for cell in cells) == [
        "float · seed 7",
        "forward · seed 7",
        "reverse · seed 7",
    ]
    for cell in cells:
        assert cell.status == "FINISHED"
        assert cell.num_rows == len(cell.points)
        steps = {step for key, step in cell.points if key == "validation/error"}
        assert steps == {0, 1, 2, 3}
        assert cell.params["optimizer.lr"] == "0.02"
        assert cell.params["axis/order"] in cell.name
        assert len(cell.tags["bnn.data_sha256"]) == 64


def test_a_cell_ends_with_the_weights_of_a_run_in_this_process(first: Any, settled: Any) -> None:
    study = load_study(settled.folder / "small.yaml")
    options = trainers.RunOptions(num_threads=1, device="cpu")
    here = {
        trial.name: trainers.run(trial.train, options=options).weights_sha256
        for trial in expand(study)
    }
    # Two of the three were trained by an actor that had trained another trial before, or beside.
    there = {cell.name: cell.tags["bnn.weights_sha256"] for cell in settled.cells()}
    assert {name: there[name] for name in here} == here


def test_the_study_run_carries_plan_study_environment_and_matrix(first: Any, settled: Any) -> None:
    (folder,) = {
        path.parent for path in settled.home.glob("artifacts/small/*/artifacts/plan.json")
    }
    names = {path.name for path in folder.iterdir()}
    assert names >= {"plan.json", "study.yaml", "environment.json", "matrix.csv", "matrix.json"}
    said = (settled.folder / "small.yaml").read_text()
    assert (folder / "study.yaml").read_text() == said
    plan = json.loads((folder / "plan.json").read_text())
    assert (plan["num_cells"], plan["epochs"]) == (3, 12)
    made_with = json.loads((folder / "environment.json").read_text())
    assert made_with["packages"]["torch"]


def test_a_second_sweep_has_nothing_left_to_do(first: Any, settled: Any) -> None:
    again = settled.runs("sweep", "./small.yaml")
    assert again.code == 0
    assert "nothing left to do" in again.out
    assert " forward " in again.out
    assert len(settled.cells()) == 3


def test_the_matrix_command_and_the_frame_agree(first: Any, settled: Any) -> None:
    done = settled.runs("matrix", "small", "--csv", "out/small.csv")
    assert done.code == 0, done.err
    uri = f"sqlite:///{settled.home / 'mlflow.db'}"
    frame = result_matrix("small", tracking_uri=uri)
    assert list(frame.columns) == ["mean", "std", "n", "best", "seed 7"]
    with (settled.folder / "out" / "small.csv").open(newline="") as file:
        rows = {row["order"]: float(row["mean"]) for row in csv.DictReader(file)}
    assert rows == {str(row): mean for row, mean in frame["mean"].items()}


def test_a_study_that_grows_runs_only_its_new_cells(first: Any, settled: Any) -> None:
    grown = settled.runs("sweep", "./small.yaml", "--seeds", "7,8", "--concurrency", "1")
    assert grown.code == 0, grown.err
    assert "cells     6, 3 of them finished" in grown.out
    assert "epochs    12 to train" in grown.out
    assert len(settled.cells()) == 6
    assert "±" in grown.out


def test_concurrency_limits_the_trials_at_once(first: Any, settled: Any) -> None:
    done = settled.runs("sweep", "./small.yaml", "--seeds", "7,8,9", "--concurrency", "1")
    assert done.code == 0, done.err
    assert "slots     1 at a time" in done.out
    spans = sorted(
        (min(times), max(times))
        for cell in settled.cells()
        if "seed 9" in cell.name
        for times in [cell.times]
    )
    assert len(spans) == 3
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))


def test_scaled_runs_are_kept_apart(first: Any, settled: Any) -> None:
    scaled = settled.runs("sweep", "./small.yaml", "--scale-epochs", "0.5", "--concurrency", "1")
    assert scaled.code == 0, scaled.err
    assert "0.5 of all epochs" in scaled.out
    assert "cells     3, 0 of them finished" in scaled.out
    full = settled.runs("matrix", "small")
    assert "0.5" not in full.out.splitlines()[0]
    apart = settled.runs("matrix", "./small.yaml", "--scale-epochs", "0.5")
    assert "0.5 of the epochs" in apart.out.splitlines()[0]


def test_a_trial_of_another_study_is_not_trained_again(
    first: Any, settled: Any, small: str, deterministic_part: Callable[[Any], Any]
) -> None:
    other = small.replace("study: small", "study: other").replace("controls: [float]", "")
    done = settled.runs("sweep", settled.writes(other.replace(", }", "}"), "other.yaml"))
    assert done.code == 0, done.err
    assert "nothing left to do" in done.out
    assert "2 cells were already trained" in done.out
    cells = [cell for cell in settled.cells() if cell.tags["bnn.trial"] in _trials(settled)]
    twins: dict[str, list[Any]] = {}
    for cell in cells:
        twins.setdefault(cell.tags["bnn.trial"], []).append(cell)
    copied = [pair for pair in twins.values() if len(pair) == 2]
    assert len(copied) == 2
    for one, two in copied:
        assert deterministic_part(one) == deterministic_part(two)
        assert ("bnn.copied_from" in one.tags) != ("bnn.copied_from" in two.tags)


def test_changed_meaning_under_a_recorded_label_is_refused(
    first: Any, settled: Any, small: str
) -> None:
    axis = "{name: order, sets: layers.order, permutations: all, controls: [float]}"
    swapped = "{name: order, sets: layers.order, values: {forward: [fc2, fc1]}}"
    done = settled.runs("sweep", settled.writes(small.replace(axis, swapped), "changed.yaml"))
    assert done.code == 2
    assert "forward · seed 7" in done.err
    assert "give the new value another label" in done.err
    settled.writes(small)


def _trials(user: Any) -> set[str]:
    study = load_study(Path(user.folder, "small.yaml"))
    return {trial.id for trial in expand(study)}
