"""The tracking server is stopped, slow, answers 500, loses answers, or never comes back."""

import re
import shlex
import time
from pathlib import Path
from typing import Any

import pytest
from world import records
from world.ledger import Ledger
from world.processes import wait_until
from world.scale import FULL, LIMIT_S, either
from world.servers import Server, proxied, running

pytestmark = pytest.mark.slow


def test_training_goes_on_through_outages_and_everything_arrives_once_in_order(
    user: Any, troubled: str, calm_cells: list[records.Cell], tmp_path: Path, ledger: Ledger
) -> None:
    troubles = [("lose", either(2, 20)), ("500", either(2, 30)), ("slow", either(3, 30))]
    outage_s = either(5, 30)
    with running(Server(tmp_path / "server")) as server, proxied(server) as proxy:
        path = user.writes(troubled)
        began = time.monotonic()
        # What loses the first answers meets the making of the runs.
        process = user.starts("sweep", path, "--tracking-uri", proxy.address)
        wait_until(lambda: records.journal_rows(user.home) > 0, what="the sweep trains")
        gained = {}
        for mode, seconds in troubles:
            before = records.journal_rows(user.home)
            proxy.mode = mode
            time.sleep(seconds)
            proxy.mode = "pass"
            gained[mode] = records.journal_rows(user.home) - before
            if FULL:
                # Long enough for the delivery to come to itself in between.
                time.sleep(5)
        before = records.journal_rows(user.home)
        server.stop()
        time.sleep(outage_s)
        gained["stopped"] = records.journal_rows(user.home) - before
        server.start()
        out, _ = process.communicate(timeout=LIMIT_S)
        took_s = time.monotonic() - began
        assert process.returncode == 0, out
        assert "they wait in the journal" in out
        assert "could not be delivered" not in out
        assert proxy.num_spoiled
        cells = records.read_cells(server.database)
        batches = dict(proxy.steps)
    verdict = records.compare(cells, calm_cells)
    ledger.note(
        "tracking server stopped, slow, 500, answers lost",
        longest_outage_bridged_s=outage_s,
        requests_spoiled=proxy.num_spoiled,
        points_trained_meanwhile=sum(gained.values()),
        sweep_took_s=round(took_s),
        **verdict.figures(),
    )
    assert verdict.is_clean, verdict
    for steps in batches.values():
        # The summary of a cell, which is the last to come, stands at the epoch it tells of.
        assert steps[:-1] == sorted(steps[:-1]), steps


@pytest.mark.parametrize("comes", [False, True], ids=["never-comes", "comes-later"])
def test_a_server_that_refuses_at_the_start_keeps_nobody_from_training(
    comes: bool,
    user: Any,
    brief: str,
    brief_cells: list[records.Cell],
    tmp_path: Path,
    ledger: Ledger,
) -> None:
    if comes and not FULL:
        pytest.skip("as any outage: only with BNN_FAULTS=full")
    server = Server(tmp_path / "server")
    where = ("--tracking-uri", server.address)
    try:
        process = user.starts("sweep", user.writes(brief), *where)
        wait_until(lambda: records.journal_rows(user.home) > 0, what="the sweep trains")
        if comes:
            server.start()
        out, _ = process.communicate(timeout=LIMIT_S)
        assert process.returncode == 0, out
        assert "MLflow    does not answer:" in out
        if not comes:
            assert "results wait in" in out
            refused = user.runs("sync", *where, within_s=LIMIT_S)
            assert refused.code == 1
            assert "points still wait in" in refused.err
            server.start()
            # As the sweep has printed it.
            (line,) = re.findall(r"or with: bnn-orchestrate (.*)", out)
            delivered = user.runs(*shlex.split(line), within_s=LIMIT_S)
            assert delivered.code == 0, delivered.err
        verdict = records.compare(records.read_cells(server.database), brief_cells)
    finally:
        server.stop()
    what = "comes later" if comes else "never comes, then sync"
    ledger.note(f"tracking server refuses at the start, {what}", **verdict.figures())
    assert verdict.is_clean, verdict
