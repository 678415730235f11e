"""A journal or a database that is gone: what one has lost the other has, or the checkpoints."""

from typing import Any

import pytest
from world import records
from world.processes import kill, wait_until
from world.scale import FULL, LIMIT_S

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not FULL, reason="takes minutes: only with BNN_FAULTS=full"),
]


def _lose(user: Any, name: str) -> None:
    files = [path for path in user.home.glob(f"{name}*") if path.is_file()]
    assert files
    for path in files:
        path.unlink()


def test_what_one_store_loses_comes_back_from_the_other(
    user: Any, troubled: str, calm_cells: list[records.Cell]
) -> None:
    path, database = user.writes(troubled), user.home / "mlflow.db"

    def is_whole() -> None:
        verdict = records.compare(records.read_cells(database), calm_cells)
        assert verdict.is_clean, verdict

    process = user.starts("sweep", path)
    checkpoints = user.home / "checkpoints"
    wait_until(
        lambda: records.journal_rows(user.home) > 500 and any(checkpoints.glob("*/*.pt")),
        what="the sweep trains",
    )
    kill(process.pid)
    process.communicate(timeout=60)
    # Half way, with epochs in it that MLflow has not got: the checkpoints have them.
    _lose(user, "journal.db")
    done = user.runs("sweep", path, within_s=LIMIT_S)
    assert done.code == 0, done.err + done.out
    is_whole()

    _lose(user, "mlflow.db")
    synced = user.runs("sync")
    assert synced.code == 0, synced.err
    assert "of 3 cells delivered" in synced.out
    is_whole()

    _lose(user, "mlflow.db")
    again = user.runs("sweep", path, within_s=LIMIT_S)
    assert again.code == 0, again.err
    assert "nothing left to do" in again.out
    is_whole()

    _lose(user, "journal.db")
    again = user.runs("sweep", path, within_s=LIMIT_S)
    assert again.code == 0, again.err
    assert "nothing left to do" in again.out
    is_whole()
