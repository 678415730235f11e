"""Clusters of containers: one stack for all tests, and the same study on this machine alone."""

import csv
import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import stack as stacks
from stack import ROOT, Stack

STUDY = ("digits-orders", "--scale-epochs", "0.2")
COMMAND = (sys.executable, "-m", "orchestrator.cli.main")
CHANGES = ("Date Finished", "Run Directory")
"""Columns that say when and where."""

Rows = dict[tuple[str, str], dict[str, str]]


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack, from an image of this checkout; nothing of it is left in the end."""
    if why := stacks.why_not():
        pytest.skip(why)
    made = Stack(tmp_path_factory.mktemp("stack"))
    made.build()
    made.down("-v")
    try:
        made.up()
        yield made
    finally:
        made.down("-v")


@pytest.fixture(scope="session")
def rows_of() -> Callable[[str], Rows]:
    """Reads what `results` printed: the rows by their cell, each once."""

    def read(text: str) -> Rows:
        start = text.index(",".join(CHANGES[:1]))
        listed = list(csv.DictReader(io.StringIO(text[start:])))
        rows = {(row["axis/order"], row["axis/seed"]): row for row in listed}
        assert len(rows) == len(listed), "a cell is recorded twice"
        for row in rows.values():
            for column in CHANGES:
                row.pop(column)
        return rows

    return read


@pytest.fixture(scope="session")
def trained_alone(
    tmp_path_factory: pytest.TempPathFactory, rows_of: Callable[[str], Rows]
) -> Callable[..., Rows]:
    """Trains a study on this machine alone, nothing shared, nothing gone wrong."""
    if not os.environ.get("BNN_CLUSTER"):
        pytest.skip("trains a study to compare with: only with make cluster-test")
    home = tmp_path_factory.mktemp("alone")
    ours = {name: text for name, text in os.environ.items() if not name.startswith("BNN_")}
    environment = {**ours, "PYTHONPATH": str(ROOT)}

    def run(*words: str) -> str:
        done = subprocess.run(
            [*COMMAND, *words, "--home", str(home)],
            capture_output=True,
            text=True,
            env=environment,
            timeout=stacks.LIMIT_S,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def train(*study: str, flags: tuple[str, ...] = ()) -> Rows:
        run("sweep", *study, *flags)
        return rows_of(run("results", *study, "--format", "biprop"))

    return train


@pytest.fixture(scope="session")
def alone(trained_alone: Callable[..., Rows]) -> Rows:
    """The study of most tests, so trained."""
    rows = trained_alone(*STUDY)
    assert len(rows) == 24
    return rows


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT
