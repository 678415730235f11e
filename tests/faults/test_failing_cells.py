"""Cells that cannot be trained: no memory, no finite loss. The others go on."""

import resource
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from world import records
from world.ledger import Ledger
from world.processes import data_bytes, training_below, wait_until
from world.scale import FULL

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("own_workers"),
    pytest.mark.skipif(not FULL, reason="fills memory: only with BNN_FAULTS=full"),
]

MODELS = """\
study: sizes
question: Which width is best on a few digits?
base:
  model: {name: mlp, widths: [64, 16, 10]}
  data: {name: digits, batch_size: 32}
  optimizer: {name: adam, lr: 0.02}
  epochs: 3
  seed: 7
axes:
  - name: kind
    values:
      small: {model.widths: [64, 16, 10], optimizer.lr: 0.02}
      endless: {model.widths: [64, %d, %d, 10], optimizer.lr: 0.02}
      diverging: {model.widths: [64, 16, 10], optimizer.lr: 1e38}
      other: {model.widths: [64, 24, 10], optimizer.lr: 0.02}
  - {name: seed, seeds: [7]}
metric: {name: selected/test_error}
matrix: {rows: kind, over: seed}
retries: 0
"""


WIDE = 16_500
"""A layer of so many inputs and outputs takes 1.1 GB, four times that with Adam's state."""
LITTLE = 1_500_000_000
"""Bytes that a worker may take beyond those it has when it begins."""


def _with_little_memory(user: Any, *arguments: str) -> tuple[int, str]:
    """Types a command whose workers are refused memory beyond a limit."""
    process = user.starts(*arguments)
    limited: set[int] = set()

    def limit() -> bool:
        for pid in set(training_below(process.pid)) - limited:
            with suppress(ProcessLookupError):
                most = data_bytes(pid) + LITTLE
                resource.prlimit(pid, resource.RLIMIT_DATA, (most, most))
                limited.add(pid)
        return process.poll() is not None

    wait_until(limit, within_s=240, what="the sweep ends")
    out, _ = process.communicate(timeout=60)
    return process.returncode, out


def _reasons(cells: list[records.Cell]) -> dict[str, str]:
    return {
        cell.name.partition(" ·")[0]: cell.tags.get("bnn.reason", cell.tags["bnn.state"])
        for cell in cells
    }


def test_cells_without_memory_or_a_finite_loss_fail_alone_with_the_reason(
    user: Any, ledger: Ledger
) -> None:
    path = user.writes(MODELS % (WIDE, WIDE))
    code, out = _with_little_memory(user, "sweep", path)
    assert code == 1, out
    cells = records.read_cells(user.home / "mlflow.db")
    reasons = _reasons(cells)
    assert reasons["small"] == reasons["other"] == "finished"
    assert "memory" in reasons["endless"]
    assert "BadLossError" in reasons["diverging"]
    assert len(cells) == 4
    before = {cell.name: cell.rows for cell in cells}
    code, out = _with_little_memory(user, "sweep", path, "--retry-failed")
    assert code == 1, out
    assert "failed    2 of them, which are retried; no others are trained" in out
    cells = records.read_cells(user.home / "mlflow.db")
    assert _reasons(cells) == reasons
    assert {cell.name: cell.rows for cell in cells} == before
    ledger.note("cells out of memory or with no finite loss", tried=2, others_finished=2)


def test_a_worker_that_fills_the_memory_is_ended_before_the_machine_suffers(
    user: Any, ledger: Ledger
) -> None:
    facts = dict(
        line.split(":") for line in Path("/proc/meminfo").read_text().splitlines() if ":" in line
    )
    total, free = (int(facts[name].split()[0]) / 2**20 for name in ("MemTotal", "MemAvailable"))
    if free < 8:
        pytest.skip(f"{free:.1f} GiB of memory are free, 8 are needed")
    # Ray ends a worker when so much more than now is taken; the model asks for 4 GiB.
    user.environment["RAY_memory_usage_threshold"] = f"{(total - free + 3.0) / total:.4f}"
    user.environment["RAY_memory_monitor_refresh_ms"] = "50"
    path = user.writes(MODELS % (WIDE, WIDE))
    done = user.runs("sweep", path, "--concurrency", "1")
    assert done.code == 1, done.err
    reasons = _reasons(records.read_cells(user.home / "mlflow.db"))
    assert "out of memory" in reasons["endless"]
    assert reasons["small"] == reasons["other"] == "finished"
    ledger.note("worker ended for its memory", tried=1, others_finished=2)
