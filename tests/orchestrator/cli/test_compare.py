"""`compare` and `replay`: requests, and what is shown of recorded cells."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from dashboards.recorded_run import RecordedRun
from orchestrator.mlflow_reader.cells import RecordedCell
from orchestrator.vocabulary import State

Cli = Callable[..., Any]
Refused = Callable[..., str]

SPEC: dict[str, Any] = {
    "model": {"name": "mlp", "widths": [64, 4, 10]},
    "data": {"name": "digits", "batch_size": 512},
    "optimizer": {"name": "adam", "lr": 0.01},
    "layers": {"order": ["fc1", "fc2"]},
    "epochs": 1,
}


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two cells without a store: `a`, and `b` with another rate and no flips."""

    def read(run_id: str, tracking_uri: str | None = None) -> RecordedRun:
        other = run_id == "b"
        train = SPEC | {"optimizer": {"name": "adam", "lr": 0.02}} if other else SPEC
        curves = {"validation/error": [(0, 0.5), (1, 0.25 if other else 0.75)]}
        flips = {} if other else {"signs_flipped/[fc1]": [(0, 0.125)]}
        cell = RecordedCell(
            run_id=run_id,
            labels={"order": "[forward]"},
            state=State.FINISHED,
            train=json.dumps(train),
            params={"epochs": "1"},
        )
        return RecordedRun(study="tiny", cell=cell, curves=curves | flips, environment={})

    monkeypatch.setattr("dashboards.recorded_run.read_run", read)


def test_two_cells_stand_beside_each_other(recorded: None, cli: Cli) -> None:
    answer = cli("compare", "a", "b")
    assert answer.code == 0, answer.err
    text = " ".join(answer.out.split())
    assert "one tiny: order [forward] (run a), finished" in text
    assert "what they train: 1 differ" in text
    assert "optimizer.lr 0.01 0.02" in text
    assert "validation/error, %: apart from epoch 2 on" in text
    assert "one 2 50.00 50.00 75.00 ▅█" in text
    assert "other 2 50.00 25.00 25.00 ▅▁" in text
    assert "test/error: neither recorded it" in text
    assert "[fc1] 12.500 not recorded" in text
    assert "packages and machine are not recorded" in text


def test_a_cell_is_equal_to_itself(recorded: None, cli: Cli) -> None:
    out = cli("compare", "a", "a").out
    assert "what they train: no difference" in out
    assert "validation/error, %: equal in 2 epochs" in out


def test_a_cell_that_differs_when_trained_again_is_a_failure(recorded: None, cli: Cli) -> None:
    answer = cli("replay", "a", "--device", "cpu")
    assert answer.code == 1, answer.err
    assert "epoch    1/1  validation error" in answer.out
    assert "the first epoch that differs is 1" in answer.out
    assert "validation/error: recorded 0.5, here 0." in answer.out
    assert "recorded -> here" in answer.out
    assert "torch" in answer.out


@pytest.mark.parametrize(
    "words", [("compare", "a", "b"), ("replay", "a"), ("replay", "best:tiny")]
)
def test_without_a_store_there_is_no_cell(words: tuple[str, ...], cli: Cli) -> None:
    answer = cli(*words)
    assert answer.code == 2
    assert "Traceback" not in answer.err
    assert "there are no results" in answer.err
