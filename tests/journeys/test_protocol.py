"""A whole protocol on digits: from an empty store to the matrix, killed on its way, and grown."""

import contextlib
import csv
import json
import os
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest

pytestmark = pytest.mark.slow

BASE = """\
study: {network}-{stage}
question: What does stage {stage} find on a few digits?
base:
  model: {{name: mlp, widths: [64, 16, 16, 10]}}
  data: {{name: digits, batch_size: 32}}
  optimizer: {{name: adam, lr: 0.02}}
"""
LAYERS = '{name: layer, sets: layers.order, values: {"1": [fc1], "2": [fc2], "3": [fc3]}}'
RATES = "{name: lr, sets: optimizer.lr, values: [0.01, 0.1]}"
SENSITIVITY = f"""\
  epochs: 6
axes:
  - {LAYERS}
  - {RATES}
metric: {{name: selected/validation_error}}
matrix: {{rows: layer, over: lr}}
"""
LONG = """\
  layers: {order: [fc1, fc2, fc3], epochs_per_layer: 6}
  epochs: 18
axes:
  - {name: order, sets: layers.order, permutations: [ROWS], controls: [float, binary]}
"""
LR = f"""\
  - {RATES}
metric: {{name: selected/validation_error}}
matrix: {{rows: order, over: lr}}
"""
FULL = """\
  - {name: seed, seeds: [316, 317]}
metric: {name: selected/test_error}
matrix: {rows: order, over: seed}
"""
STAGES = ("sensitivity", "lr", "full")
ALONE = ("--concurrency", "1")
"""One worker: to start a second one takes longer than it would train."""
CELLS = {"sensitivity": 6, "lr": 8, "full": 8}


@dataclass(frozen=True)
class First:
    """The first call, and how long it took."""

    code: int
    out: str
    err: str
    wall_s: float


def _write(user: Any, network: str, rows: str) -> None:
    long = LONG.replace("ROWS", rows)
    parts = {"sensitivity": SENSITIVITY, "lr": long + LR, "full": long + FULL}
    for stage, part in parts.items():
        text = BASE.format(network=network, stage=stage) + part
        user.writes(text, f"{network}-{stage}.yaml")


def _cells(user: Any, *studies: str) -> dict[str, Any]:
    """Cells of these studies by their unique key; each cell must be there once."""
    cells = [cell for cell in user.cells() if cell.tags["bnn.study"] in studies]
    found = {cell.tags["bnn.cell"]: cell for cell in cells}
    assert len(found) == len(cells)
    return found


def _all_cells(user: Any, network: str) -> dict[str, Any]:
    return _cells(user, *(f"{network}-{stage}" for stage in STAGES))


def _parents(user: Any) -> dict[str, dict[str, str]]:
    """Tags of the runs of studies, by study; each study has one."""
    query = "SELECT run_uuid, key, value FROM tags"
    tags: dict[str, dict[str, str]] = {}
    with closing(sqlite3.connect(user.home / "mlflow.db")) as database:
        for run, key, value in database.execute(query):
            tags.setdefault(run, {})[key] = value
    parents = [found for found in tags.values() if found.get("bnn.kind") == "study"]
    assert len({parent["bnn.study"] for parent in parents}) == len(parents)
    return {parent["bnn.study"]: parent for parent in parents}


def _files(user: Any, study: str) -> dict[str, str]:
    paths = list(user.home.glob(f"artifacts/{study}/*/artifacts/*"))
    files = {path.name: path.read_text(encoding="utf-8") for path in paths}
    assert len(files) == len(paths)
    return files


def _rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


def _matrix(out: str) -> list[str]:
    """The last table that was printed, with its title."""
    lines = out.splitlines()
    (*_, start) = (number for number, line in enumerate(lines) if "selected/test_error, %" in line)
    ends = (number for number, line in enumerate(lines) if line.startswith("compare  "))
    return lines[start : next(ends)]


@pytest.fixture(scope="module")
def first(settled: Any) -> First:
    """Two networks from an empty store to their matrix, undisturbed."""
    _write(settled, "one", "ascend, descend")
    _write(settled, "two", "ascend")
    started = time.monotonic()
    done = settled.runs("protocol", "--networks", "./one,./two", *ALONE)
    return First(done.code, done.out, done.err, time.monotonic() - started)


def test_a_protocol_goes_from_an_empty_store_to_the_matrix(first: First, settled: Any) -> None:
    assert first.code == 0, first.err
    assert [line for line in first.err.splitlines() if not line.startswith("waiting for ")] == []
    for network in ("one", "two"):
        for number, stage in enumerate(STAGES, start=1):
            assert f"[./{network}] stage {number} of 3: {stage}" in first.out
    # Above the rows stand the title, an empty line, the heads and a rule.
    rows = [line.split()[0] for line in _matrix(first.out)[4:] if line.strip()]
    assert rows == ["float", "binary", "ascend", "descend"]
    assert str(settled.home) in first.out
    for stage, count in CELLS.items():
        cells = _cells(settled, f"one-{stage}")
        assert len(cells) == count
        for cell in cells.values():
            assert cell.status == "FINISHED"
            assert cell.num_rows == len(cell.points)


def test_each_stage_trains_what_the_one_before_found(first: First, settled: Any) -> None:
    orders = json.loads(_files(settled, "one-sensitivity")["sensitivity-orders.json"])
    best = {row["order"]: row["best_lr"] for row in _rows(_files(settled, "one-lr")["rates.csv"])}
    assert sorted(orders["ascend"]) == [1, 2, 3]
    named = " ".join(f"fc{number}" for number in orders["ascend"])
    cells = list(_cells(settled, "one-full").values())
    assert {cell.params["optimizer.lr"] for cell in cells} <= {"0.1", "0.01"}
    for cell in cells:
        row = cell.params["axis/order"]
        assert cell.params["optimizer.lr"] == best[row]
        if row in ("ascend", "descend"):
            order = named.split()[:: 1 if row == "ascend" else -1]
            assert cell.params["layers.order"] == " ".join(order)


def test_a_trial_that_two_stages_or_networks_share_is_trained_once(
    first: First, settled: Any
) -> None:
    # The full runs begin with the seed of the search; the second network is the first, in part.
    copied = {
        cell.tags["bnn.cell"]
        for cell in [*_all_cells(settled, "one").values(), *_all_cells(settled, "two").values()]
        if "bnn.copied_from" in cell.tags
    }
    ones = _cells(settled, "one-full")
    assert {key for key in copied if key in ones} == {key for key in ones if "seed=316" in key}
    assert set(_all_cells(settled, "two")) <= copied


def test_tables_lie_with_the_runs_and_are_listed_for_mlflows_pages(
    first: First, settled: Any
) -> None:
    tables = {"sensitivity": "sensitivity", "lr": "rates", "full": "protocol"}
    parents = _parents(settled)
    for stage, stem in tables.items():
        files = _files(settled, f"one-{stage}")
        table = json.loads(files[f"{stem}.json"])
        rows = _rows(files[f"{stem}.csv"])
        assert list(rows[0]) == table["columns"]
        assert len(rows) == len(table["data"])
        listed = json.loads(parents[f"one-{stage}"]["mlflow.loggedArtifacts"])
        assert listed == [{"path": f"{stem}.json", "type": "table"}]
    assert json.loads(_files(settled, "one-sensitivity")["sensitivity.json"])["columns"] == [
        *("layer", "0.1", "0.01"),
    ]
    full = _rows(_files(settled, "one-full")["protocol.csv"])
    assert [(row["network"], row["row"]) for row in full] == [
        *(("./one", row) for row in ("float", "binary", "ascend", "descend")),
        *(("./two", row) for row in ("float", "binary", "ascend")),
    ]
    floats = float(full[0]["mean"])
    for row in full[:4]:
        assert float(row["gap_to_float"]) == pytest.approx(float(row["mean"]) - floats)
    given = json.loads(parents["one-full"]["bnn.given"])
    assert set(given["rows"]) == {"float", "binary", "ascend", "descend"}
    assert parents["one-sensitivity"]["bnn.given"] == ""


def test_a_second_call_trains_nothing_and_shows_the_same(first: First, settled: Any) -> None:
    tune = settled.home / "ray" / "tune"
    before, touched = settled.cells(), tune.stat().st_mtime_ns
    started = time.monotonic()
    again = settled.runs("protocol", "--networks", "./one,./two")
    assert again.code == 0, again.err
    assert again.out.count("nothing left to do") == 6
    assert _matrix(again.out) == _matrix(first.out)
    assert settled.cells() == before
    # Ray Tune writes there whenever it runs.
    assert tune.stat().st_mtime_ns == touched
    assert time.monotonic() - started < first.wall_s


def test_the_matrix_alone_is_the_one_that_a_protocol_ends_with(first: First, settled: Any) -> None:
    alone = settled.runs("protocol", "--networks", "./one,./two", "--only", "matrix")
    assert alone.code == 0, alone.err
    assert _matrix(alone.out) == _matrix(first.out)
    assert "stage" not in alone.out


def test_a_protocol_killed_in_two_stages_ends_as_an_undisturbed_one(
    first: First, settled: Any, user: Any, deterministic_part: Callable[[Any], Any]
) -> None:
    _write(user, "one", "ascend, descend")
    # The first seed of the full runs is copied from the search.
    for stage, trained in {"lr": "one-lr/", "full": "seed=317"}.items():
        process = user.starts("protocol", "./one", *ALONE)
        _wait_until(lambda part=trained: _journal_rows(user, part) > 0, process)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)
        finished = [
            cell
            for cell in _cells(user, f"one-{stage}").values()
            if cell.status == "FINISHED" and "bnn.copied_from" not in cell.tags
        ]
        assert len(finished) < (CELLS["lr"] if stage == "lr" else CELLS["full"] // 2)
    done = user.runs("protocol", "./one", *ALONE)
    assert done.code == 0, done.err
    before, after = _all_cells(settled, "one"), _all_cells(user, "one")
    # A key has the variant in it, and that what the stages before have found.
    assert sum(CELLS.values()) == len(before)
    assert set(after) == set(before)
    for key, cell in after.items():
        assert cell.status == "FINISHED"
        assert cell.num_rows == len(cell.points) == before[key].num_rows
        assert deterministic_part(cell) == deterministic_part(before[key])
        assert cell.tags["bnn.weights_sha256"] == before[key].tags["bnn.weights_sha256"]
    calm = settled.runs("protocol", "./one", "--only", "matrix")
    assert _matrix(done.out) == _matrix(calm.out)


def test_more_seeds_train_only_the_new_cells(first: First, settled: Any) -> None:
    before = _all_cells(settled, "one")
    flags = ["--from", "full", "--seeds", "316,317,318", *ALONE]
    grown = settled.runs("protocol", "./one", *flags)
    assert grown.code == 0, grown.err
    assert "cells     12, 8 of them finished" in grown.out
    assert "stage 1 of 3" not in grown.out
    after = _all_cells(settled, "one")
    new = {key: cell for key, cell in after.items() if key not in before}
    assert {key: after[key] for key in before} == before
    assert len(new) == 4
    assert all("seed=318" in key for key in new)
    rows = _rows(_files(settled, "one-full")["protocol.csv"])
    assert [row["n"] for row in rows] == ["3"] * 4


def _journal_rows(user: Any, part: str) -> int:
    """Points of cells whose key has this part in it."""
    path = user.home / "journal.db"
    query = "SELECT COUNT(*) FROM points WHERE instr(cell, ?)"
    if path.exists():
        # The tables may not be there yet.
        with (
            contextlib.suppress(sqlite3.OperationalError),
            closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as journal,
        ):
            return int(journal.execute(query, (part,)).fetchone()[0])
    return 0


def _wait_until(condition: Callable[[], bool], process: Any, *, within_s: float = 180) -> None:
    end = time.monotonic() + within_s
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.1)
