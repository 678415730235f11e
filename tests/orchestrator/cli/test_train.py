"""`train`: one trial here, and requests for none."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Refused = Callable[..., str]
File = Callable[..., str]


@pytest.mark.parametrize(
    ("trial", "what", "hint"),
    [
        ("ordr=forward,seed=1", "there is no axis 'ordr'", "known: order, seed"),
        ("order=forwrd,seed=1", "axis order has no value 'forwrd'", "forward, reverse"),
        ("order=forward", "axis seed has several values", "known: 1, 2"),
        ("forward", "expected axis=label, got 'forward'", "order=reverse,seed=316"),
    ],
    ids=["unknown axis", "unknown label", "missing", "no equals"],
)
def test_a_trial_that_is_none_is_refused(
    trial: str, what: str, hint: str, refused: Refused, file: File
) -> None:
    err = refused("train", file(), "--trial", trial)
    assert f"--trial {trial}" in err
    assert what in err
    assert hint in err


def test_a_device_that_does_not_exist_is_refused(cli: Callable[..., Any], file: File) -> None:
    answer = cli("train", file(), "--trial", "order=float,seed=1", "--device", "abacus")
    assert answer.code == 2
    assert "no device 'abacus'" in answer.err
    assert "known: auto, cpu, cuda" in answer.err


def test_one_trial_can_be_trained_here(
    cli: Callable[..., Any], file: File, home_folder: Path
) -> None:
    line = ["train", file(), "--trial", "order=reverse,seed=2", "--device", "cpu"]
    answer = cli(*line, "--threads", "1")
    assert answer.code == 0
    assert "2/2" in answer.out
    assert "binary: fc1,fc2" in answer.out
    assert "selected by validation: epoch 2 of 2, validation error" in answer.out
    assert "weights sha256" in answer.out
    assert not home_folder.exists()


def test_a_storage_without_checkpoints_is_refused(refused: Refused, file: File) -> None:
    err = refused("train", file(), "--trial", "order=float,seed=1", "--storage", "here")
    assert "add --set checkpoint.policy=last" in err


def test_a_trial_goes_on_from_its_checkpoint_in_a_storage(
    cli: Callable[..., Any], file: File, tmp_path: Path
) -> None:
    line = ["train", file(), "--trial", "order=reverse,seed=2", "--device", "cpu", "--threads"]
    line += ["1", "--set", "checkpoint.policy=last", "--storage", str(tmp_path / "here")]
    first = cli(*line)
    assert first.code == 0
    [newest] = (tmp_path / "here").glob("*/epoch-000001-*.pt")
    newest.write_bytes(b"damaged")
    again = cli(*line)
    assert again.code == 0
    assert f"{newest} is damaged" in again.out
    assert again.out.splitlines()[-1] == first.out.splitlines()[-1]


def test_the_variable_of_the_storage_asks_for_no_checkpoints(
    cli: Callable[..., Any], file: File, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BNN_STORAGE", str(tmp_path / "shared"))
    line = ["--trial", "order=float,seed=1", "--threads", "1", "--scale-epochs", "0.5"]
    answer = cli("train", file(), *line)
    assert answer.code == 0, answer.err
    assert not (tmp_path / "shared").exists()
