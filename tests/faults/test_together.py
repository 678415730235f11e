"""Several sweeps of one home at once: of one study, and of studies that share trials."""

import sqlite3
from collections import Counter
from contextlib import closing
from typing import Any

import pytest
from world import records
from world.ledger import Ledger

pytestmark = pytest.mark.slow


def test_sweeps_that_run_at_once_train_no_trial_twice_and_lose_none(
    user: Any, troubled: str, calm_cells: list[records.Cell], ledger: Ledger
) -> None:
    shared = troubled.replace("study: troubled", "study: beside")
    path = user.writes(troubled)
    beside = user.writes(shared, "beside.yaml")
    # In an empty home, where each of them may be the first to make its stores.
    processes = [user.starts("sweep", which) for which in (path, path, beside)]
    said = [process.communicate(timeout=600)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], "\n".join(said)
    cells = records.read_cells(user.home / "mlflow.db")
    verdicts = []
    for study in ("troubled", "beside"):
        own = [cell for cell in cells if cell.tags["bnn.study"] == study]
        verdicts.append(records.compare(own, calm_cells))
    ended = Counter(
        path.stem.rpartition("-")[2]
        for path in user.home.glob("logs/*/*.log")
        for line in path.read_text(encoding="utf-8").splitlines()
        if "finished after" in line
    )
    ledger.note(
        "sweeps at once, of one study and of two that share trials",
        sweeps=len(processes),
        trials_trained_twice=sum(count - 1 for count in ended.values()),
        **verdicts[0].figures(),
    )
    assert all(verdict.is_clean for verdict in verdicts), verdicts
    assert sorted(ended) == sorted({cell.tags["bnn.trial"] for cell in cells})
    assert set(ended.values()) == {1}, said
    for cell in cells:
        steps = [step for key, step, _ in cell.rows if key == "epoch_s"]
        assert sorted(steps) == sorted(set(steps))
    with closing(sqlite3.connect(user.home / "journal.db")) as journal:
        assert journal.execute("SELECT * FROM leases").fetchall() == []
    assert list((user.home / "journal.db.holders").iterdir()) == []
