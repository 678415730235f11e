"""Two thousand trivial cells through the full path: what the tool itself costs."""

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from world import records
from world.ledger import Ledger
from world.processes import memory_bytes
from world.scale import FULL

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not FULL, reason="takes many minutes: only with BNN_FAULTS=full"),
]

ROWS, SEEDS = 50, 40
STUDY = f"""\
study: many
question: What does a cell cost beyond its training?
base:
  model: {{name: mlp, widths: [64, 10]}}
  data: {{name: digits, batch_size: 1000}}
  optimizer: {{name: adam, lr: 0.02}}
  epochs: 1
axes:
  - {{name: rate, sets: optimizer.lr, values: {[round(0.001 * n, 3) for n in range(1, ROWS + 1)]}}}
  - {{name: seed, seeds: {list(range(SEEDS))}}}
metric: {{name: selected/test_error}}
matrix: {{rows: rate, over: seed}}
"""
MOST_GROWTH = 200 * 2**20
LONGEST_MATRIX_S = 5.0


def _finished(user: Any) -> int:
    try:
        with sqlite3.connect(f"file:{user.home / 'journal.db'}?mode=ro", uri=True) as journal:
            query = "SELECT COUNT(*) FROM cells WHERE state = 'finished'"
            return int(journal.execute(query).fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def _matrix_s(user: Any, study: str) -> float:
    """Seconds that the command takes, from its start to its last line."""
    started = time.monotonic()
    matrix = user.runs("matrix", study)
    assert matrix.code == 0, matrix.err
    return time.monotonic() - started


def test_two_thousand_cells_leave_the_driver_small_and_the_matrix_quick(
    user: Any, ledger: Ledger
) -> None:
    path = user.writes(STUDY)
    began = time.monotonic()
    process = user.starts("sweep", path)
    early = last = 0
    with ThreadPoolExecutor(1) as reader:
        # A line a cell is more than a pipe holds that nobody reads.
        said = reader.submit(process.communicate)
        while process.poll() is None:
            done, now = _finished(user), memory_bytes(process.pid)
            if done >= 100 and not early:
                early = now
            last = now or last
            time.sleep(0.5)
        out, _ = said.result(60)
    took_s = time.monotonic() - began
    assert process.returncode == 0, out[-3000:]
    cells = records.read_cells(user.home / "mlflow.db")
    assert len(cells) == ROWS * SEEDS
    assert {cell.tags["bnn.state"] for cell in cells} == {"finished"}
    assert all(max(cell.places.values()) == 1 for cell in cells)
    matrix_s, of_file_s = (_matrix_s(user, which) for which in ("many", path))
    ledger.note(
        f"{ROWS * SEEDS:,} trivial cells",
        cells_an_hour=round(len(cells) / took_s * 3600),
        took_s=round(took_s),
        driver_MB_at_the_end=round(last / 2**20),
        growth_after_100_cells_MB=round((last - early) / 2**20),
        database_MB=round((user.home / "mlflow.db").stat().st_size / 2**20, 1),
        matrix_s=round(matrix_s, 1),
        matrix_of_a_file_s=round(of_file_s, 1),
    )
    assert last - early < MOST_GROWTH
    assert matrix_s < LONGEST_MATRIX_S
