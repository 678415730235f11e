"""Fault tests: the calm sweep they are compared with, and the table of what was tried."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from world import records, scale
from world.ledger import Ledger

from trainers import TrainSpec

LEDGER = Ledger()

STUDY = """\
study: troubled
question: Do kills change what a small network ends with?
base:
  model: {name: mlp, widths: [64, 24, 16, 10]}
  data: {name: digits, batch_size: 32}
  optimizer: {name: adam, lr: 0.02}
  layers: {order: [fc1, fc2, fc3], epochs_per_layer: %(stage)d}
  epochs: %(epochs)d
axes:
  - {name: order, sets: layers.order, permutations: [forward, reverse], controls: [float]}
  - {name: seed, seeds: [7]}
metric: {name: selected/test_error}
matrix: {rows: order, over: seed}
checkpoint: {policy: last, interval_s: 0.2}
retries: 60
"""


def pytest_report_header() -> str:
    """The seed, for whoever wants to see the same again."""
    form = "long" if scale.FULL else "short"
    return f"faults: {form} form, BNN_FAULTS_SEED={scale.SEED}"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The table of what was tried."""
    if not LEDGER.entries:
        return
    terminalreporter.section(f"faults, BNN_FAULTS_SEED={scale.SEED}")
    for line in LEDGER.lines():
        terminalreporter.write_line(line)
    if scale.FULL:
        path = LEDGER.keep(seed=scale.SEED)
        terminalreporter.write_line(f"written to {path}")


@pytest.fixture(scope="session")
def ledger() -> Ledger:
    """Where a test writes what it tried."""
    return LEDGER


@pytest.fixture(scope="session")
def troubled() -> str:
    """A study of three cells that trains for as long as the trouble lasts."""
    return _study(scale.either(70, 900))


@pytest.fixture(scope="session")
def brief() -> str:
    """The same study, for trouble that comes early."""
    return _study(scale.either(25, 900))


def _study(stage: int) -> str:
    return STUDY % {"stage": stage, "epochs": 3 * stage}


Calm = Callable[[str, str], list[records.Cell]]


@pytest.fixture(scope="session")
def calm(made_once: Callable[..., Path], make_user: Any) -> Calm:
    """Makes the cells of a study where nothing went wrong and nothing was shared; once a name."""

    def make(name: str, study: str) -> list[records.Cell]:
        def fill(folder: Path) -> None:
            user = make_user(folder)
            alone = ("--no-share", "--concurrency", "1")
            done = user.runs("sweep", user.writes(study), *alone, within_s=scale.LIMIT_S)
            assert done.code == 0, done.err

        cells = records.read_cells(make_user(made_once(name, fill)).home / "mlflow.db")
        assert len(cells) == 3
        return cells

    return make


@pytest.fixture(scope="session")
def calm_cells(calm: Calm, troubled: str) -> list[records.Cell]:
    """The cells of `troubled`, made in peace."""
    return calm("calm", troubled)


@pytest.fixture(scope="session")
def brief_cells(calm: Calm, brief: str) -> list[records.Cell]:
    """The cells of `brief`, made in peace."""
    return calm("calm-brief", brief)


@pytest.fixture
def spec() -> TrainSpec:
    """A trial of a second, for the engine alone."""
    return TrainSpec.from_mapping(
        {
            "model": {"name": "mlp", "widths": [64, 8, 10]},
            "data": {"name": "digits", "batch_size": 64},
            "optimizer": {"name": "adam", "lr": 0.02},
            "layers": {"order": ["fc1", "fc2"], "epochs_per_layer": 2},
            "epochs": 6,
        }
    )
