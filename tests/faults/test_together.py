"""Several sweeps at once, of one home or two: of one study, and of studies that share trials."""

import os
import re
import signal
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from world import records
from world.ledger import Ledger
from world.processes import wait_until
from world.scale import FULL, LIMIT_S
from world.servers import Server, running

pytestmark = pytest.mark.slow


def test_sweeps_that_run_at_once_train_no_trial_twice_and_lose_none(
    user: Any, brief: str, brief_cells: list[records.Cell], ledger: Ledger
) -> None:
    shared = brief.replace("study: troubled", "study: beside")
    path = user.writes(brief)
    beside = user.writes(shared, "beside.yaml")
    # In an empty home, where each of them may be the first to make its stores.
    processes = [user.starts("sweep", which) for which in (path, path, beside)]
    said = [process.communicate(timeout=LIMIT_S)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], "\n".join(said)
    cells = records.read_cells(user.home / "mlflow.db")
    verdicts = []
    for study in ("troubled", "beside"):
        own = [cell for cell in cells if cell.tags["bnn.study"] == study]
        verdicts.append(records.compare(own, brief_cells))
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


@pytest.mark.skipif(not FULL, reason="its parts are tested alone: only with BNN_FAULTS=full")
def test_of_two_homes_on_one_server_one_trains_a_study_and_a_trial(
    user: Any, troubled: str, tmp_path: Path, ledger: Ledger
) -> None:
    # It must outlast all that is tried.
    endless = re.sub(r"epochs: \d+", "epochs: 1000000", troubled)
    path = user.writes(endless)
    beside = user.writes(endless.replace("study: troubled", "study: beside"), "beside.yaml")
    other = tmp_path / "other-home"
    with running(Server(tmp_path / "server")) as server:
        where = ("--tracking-uri", server.address)

        def starts(study: str, home: Path) -> Any:
            """A sweep, once it trains."""
            before = records.journal_rows(home)
            process = user.starts("sweep", study, *where, "--home", str(home))
            wait_until(
                lambda: process.poll() is not None or records.journal_rows(home) > before,
                what="the sweep trains",
            )
            assert process.poll() is None, process.communicate()[0]
            return process

        def ends(process: Any, how: signal.Signals) -> None:
            os.killpg(process.pid, how)
            process.communicate(timeout=60)

        def is_refused(study: str, why: str) -> None:
            refused = user.runs("sweep", study, *where, "--home", str(other))
            assert refused.code == 2, refused.out
            assert f"{why} being" in refused.err
            assert "from another home, by process" in refused.err
            assert "nothing was launched" in refused.err

        first = starts(path, user.home)
        is_refused(path, "this study is")
        is_refused(beside, "trials of this study (3) are")
        # Killed, it keeps the other home out for a while; given again, not itself.
        ends(first, signal.SIGKILL)
        is_refused(beside, "trials of this study (3) are")
        ends(starts(path, user.home), signal.SIGINT)
        ends(starts(beside, other), signal.SIGKILL)
    ledger.note("two homes on one server, studies of the same trials", sweeps_refused=3)
