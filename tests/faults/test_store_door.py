"""Stores that cannot be used as they are: said clearly, refused with exit code 2, nothing lost."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from world import records

pytestmark = pytest.mark.slow


@pytest.fixture
def again(again: Any) -> Iterator[Any]:
    """Somebody whose study is finished; they may write to all of it in the end."""
    yield again
    for path in again.home.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _execute(database: Path, *statements: str) -> None:
    with sqlite3.connect(database) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def _refused(user: Any, *arguments: str) -> str:
    """What was said when a command was refused; all rows are as they were."""
    before = records.read_cells(user.home / "mlflow.db")
    done = user.runs(*arguments)
    assert done.code == 2, done.out + done.err
    assert "Traceback" not in done.err
    assert records.read_cells(user.home / "mlflow.db") == before
    return str(done.err)


def test_a_database_of_a_newer_mlflow_is_refused(again: Any) -> None:
    database = again.home / "mlflow.db"
    _execute(database, "UPDATE alembic_version SET version_num = 'f00df00df00d'")
    said = _refused(again, "sweep", "./small.yaml", "--seeds", "8")
    assert "mlflow.db" in said
    assert "database schema (found version f00df00df00d" in said
    assert "nothing was launched" in said


def test_a_journal_of_a_newer_program_is_refused(again: Any) -> None:
    _execute(again.home / "journal.db", "PRAGMA user_version = 99")
    for command in (("sweep", "./small.yaml", "--seeds", "8"), ("sync",)):
        said = _refused(again, *command)
        assert "has version 99" in said
        assert "newer program" in said


def test_a_database_that_is_read_only_is_refused(again: Any) -> None:
    if os.geteuid() == 0:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            pytest.skip("root may write to everything, and there is no setpriv to prevent it")
        again.prefix = (setpriv, "--bounding-set=-dac_override", "--inh-caps=-dac_override")
    # Left by the last who wrote; without them nothing beside the file changes.
    for beside in again.home.glob("mlflow.db-*"):
        beside.unlink()
    (again.home / "mlflow.db").chmod(0o444)
    said = _refused(again, "sweep", "./small.yaml", "--seeds", "8")
    assert "mlflow.db" in said
    assert "cannot be written" in said


def test_a_study_whose_experiment_was_deleted_is_refused(again: Any) -> None:
    database = again.home / "mlflow.db"
    _execute(database, "UPDATE experiments SET lifecycle_stage = 'deleted' WHERE name = 'small'")
    said = _refused(again, "sweep", "./small.yaml", "--seeds", "8")
    assert "'small' was deleted in MLflow" in said
    assert "restore it there" in said


def test_a_run_that_was_deleted_by_hand_is_there_again_after_the_next_sweep(again: Any) -> None:
    database = again.home / "mlflow.db"
    before = records.read_cells(database)
    (gone,) = (cell for cell in before if cell.name.startswith("reverse"))
    _execute(database, f"UPDATE runs SET lifecycle_stage = 'deleted' WHERE name = '{gone.name}'")
    done = again.runs("sweep", "./small.yaml")
    assert done.code == 0, done.err
    verdict = records.compare(records.read_cells(database), before)
    assert verdict.is_clean, verdict


def test_a_study_that_means_something_else_under_its_name_is_not_mixed_in(again: Any) -> None:
    path = again.folder / "small.yaml"
    before = records.read_cells(again.home / "mlflow.db")
    # The label of a row now means another training.
    text = path.read_text(encoding="utf-8")
    axis = "{name: order, sets: layers.order, permutations: all, controls: [float]}"
    assert axis in text
    other = "{name: order, sets: layers.order, values: {forward: [fc2, fc1], float: []}}"
    path.write_text(text.replace(axis, other), encoding="utf-8")
    said = _refused(again, "sweep", "./small.yaml")
    assert "forward" in said
    # Another base, too, is refused with both, and trained where that is asked for.
    path.write_text(text.replace("lr: 0.02", "lr: 0.01"), encoding="utf-8")
    said = _refused(again, "sweep", "./small.yaml")
    assert "(optimizer.lr 0.01)" in said
    assert "(optimizer.lr 0.02)" in said
    assert "--apart NAME" in said
    done = again.runs("sweep", "./small.yaml", "--apart", "v2", "--concurrency", "1")
    assert done.code == 0, done.err
    assert "kept apart as v2" in done.out
    cells = records.read_cells(again.home / "mlflow.db")
    assert len(cells) == 2 * len(before)
    assert len({cell.tags["bnn.variant"] for cell in cells}) == 2
    assert all(cell in cells for cell in before)
    shown = again.runs("matrix", "./small.yaml", "--apart", "v2")
    assert shown.code == 0, shown.err
    assert "apart: v2" in shown.out


def test_results_of_other_code_are_not_mixed_in(again: Any) -> None:
    database = again.home / "mlflow.db"
    other = "UPDATE tags SET value = 'f00df00df00df00d' WHERE key = 'bnn.code'"
    _execute(database, other)
    # What is finished is shown, whoever trained it.
    assert "nothing left to do" in again.runs("sweep", "./small.yaml").out
    said = _refused(again, "sweep", "./small.yaml", "--seeds", "8")
    assert "3 cells were trained by other code" in said
    assert "it is not recorded which of its files changed" in said
    assert "--accept-code" in said
    assert "--apart NAME" in said
    done = again.runs(
        "sweep", "./small.yaml", "--seeds", "8", "--accept-code", "--concurrency", "1"
    )
    assert done.code == 0, done.err
    cells = records.read_cells(database)
    anew = [cell for cell in cells if cell.tags["bnn.label.seed"] == "8"]
    assert len(anew) == 3
    assert {cell.tags["bnn.code.accepted"] for cell in anew} == {'["f00df00df00df00d"]'}
    assert "f00df00df00df00d" not in {cell.tags["bnn.code"] for cell in anew}


def test_a_journal_that_is_damaged_is_refused_and_may_be_moved_away(again: Any) -> None:
    journal = again.home / "journal.db"
    content = bytearray(journal.read_bytes())
    content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
    journal.write_bytes(content)
    said = _refused(again, "sweep", "./small.yaml")
    assert "journal.db cannot be used as a journal" in said
    assert "move it away to continue" in said
    journal.rename(again.home / "damaged")
    assert "nothing left to do" in again.runs("sweep", "./small.yaml").out
