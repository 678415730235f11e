"""MLflow's server on PostgreSQL with proxied artifacts, as a group would run it."""

import time
from pathlib import Path
from typing import Any

import pytest
from world import records
from world.ledger import Ledger
from world.postgresql import programs, running_postgresql
from world.processes import kill, training_below, wait_until
from world.scale import LIMIT_S, dice, either
from world.servers import Server, running

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("own_workers")]


def test_a_sweep_on_postgresql_survives_its_crash_and_that_of_a_worker(
    user: Any, troubled: str, calm_cells: list[records.Cell], tmp_path: Path, ledger: Ledger
) -> None:
    found = programs()
    if found is None:
        pytest.skip("there is no pg_ctl: Debian's package postgresql is not installed")
    pytest.importorskip("psycopg", reason="psycopg, PostgreSQL's driver, is not installed")
    outage_s, drawn = either(2, 20), dice("postgresql")
    with (
        running_postgresql(found) as postgresql,
        running(Server(tmp_path / "server", postgresql.address)) as server,
    ):
        path = user.writes(troubled)
        process = user.starts("sweep", path, "--tracking-uri", server.address)
        wait_until(lambda: records.journal_rows(user.home) > 0, what="the sweep trains")
        time.sleep(drawn.uniform(0.0, 1.0))
        victims = training_below(process.pid)
        if victims:
            kill(drawn.choice(victims))
        postgresql.crash()
        time.sleep(outage_s)
        postgresql.start()
        out, _ = process.communicate(timeout=LIMIT_S)
        assert process.returncode == 0, out
        again = user.runs("sweep", path, "--tracking-uri", server.address)
        assert "nothing left to do" in again.out, again.err
        cells = records.read_cells(postgresql.address)
    # Artifacts go through the server, and lie where it keeps them.
    assert list((tmp_path / "server" / "artifacts").rglob("matrix.csv"))
    assert not list(user.home.rglob("matrix.csv"))
    verdict = records.compare(cells, calm_cells)
    ledger.note("PostgreSQL crashed, a worker killed", outage_s=outage_s, **verdict.figures())
    assert verdict.is_clean, verdict
