"""Checkpoints: what is kept, what is given back, what damage does."""

import hashlib
import io
import logging
import os
import pickle
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from trainers.engine.checkpoint import CheckpointPolicy, Checkpoints, Policy, kept_names
from trainers.engine.result import EpochMetrics
from trainers.errors import SpecError
from trainers.optim.optimizers import adam
from trainers.storage import Place, names, place_at, remove_folder, write

Make = Callable[..., EpochMetrics]
EVERY = CheckpointPolicy(policy="every")


def _model(seed: int = 0) -> nn.Linear:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Linear(2, 2)


class Trial:
    """A model that is trained by one step an epoch, and its checkpoints."""

    def __init__(self, folder: Place, make: Make, *, identity: str = "me", **policy: Any) -> None:
        self.checkpoints = Checkpoints(
            folder, policy=CheckpointPolicy(**policy), identity=identity
        )
        self.make = make
        self.model = _model()
        self.optimizer = adam(self.model.parameters(), lr=0.1)
        self.history: list[EpochMetrics] = []
        self.states: list[dict[str, torch.Tensor]] = []

    def epoch(self, *, best: bool = False, last: bool = False) -> None:
        self.optimizer.zero_grad()
        self.model(torch.ones(1, 2)).square().sum().backward()
        self.optimizer.step()
        self.history.append(self.make(len(self.history)))
        self.states.append({k: v.clone() for k, v in self.model.state_dict().items()})
        self.checkpoints.save(
            model=self.model,
            optimizer=self.optimizer,
            history=self.history,
            best=best,
            last=last,
        )


def _kept(folder: Path) -> list[str]:
    return sorted("-".join(path.name.split("-")[:2]) for path in folder.iterdir())


def test_a_checkpoint_gives_back_history_model_and_optimizer(
    tmp_path: Path, make_metrics: Make
) -> None:
    trial = Trial(tmp_path, make_metrics, policy="every")
    trial.epoch()
    trial.epoch()
    loaded = trial.checkpoints.load()
    assert loaded is not None
    assert loaded.history == tuple(trial.history)
    assert all(torch.equal(loaded.model[name], trial.states[1][name]) for name in loaded.model)
    other = _model(1)
    other.load_state_dict(loaded.model)
    optimizer = adam(other.parameters(), lr=0.5)
    optimizer.load_state_dict(dict(loaded.optimizer))
    for model, its in ((trial.model, trial.optimizer), (other, optimizer)):
        its.zero_grad()
        model(torch.ones(1, 2)).sum().backward()
        its.step()
    assert torch.equal(other.weight, trial.model.weight)


def test_each_epoch_is_encoded_once_and_one_that_changed_again(
    tmp_path: Path, make_metrics: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = Trial(tmp_path, make_metrics, policy="every")
    encoded: list[EpochMetrics] = []
    to_mapping = EpochMetrics.to_mapping

    def counted(metrics: EpochMetrics) -> dict[str, Any]:
        encoded.append(metrics)
        return to_mapping(metrics)

    monkeypatch.setattr(EpochMetrics, "to_mapping", counted)
    for _ in range(3):
        trial.epoch()
    assert encoded == trial.history
    trial.history[1:] = [replace(trial.history[1], source="another cell")]
    trial.epoch()
    loaded = trial.checkpoints.load()
    assert loaded is not None
    assert loaded.history == tuple(trial.history)
    assert [metrics.source for metrics in loaded.history] == ["", "another cell", ""]


def test_there_is_no_checkpoint_in_an_empty_or_missing_folder(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        assert Checkpoints(folder, policy=EVERY, identity="me").load() is None
    assert not (tmp_path / "missing").exists()


def test_the_name_carries_the_checksum_of_the_content(tmp_path: Path, make_metrics: Make) -> None:
    Trial(tmp_path, make_metrics, policy="every").epoch()
    (path,) = tmp_path.iterdir()
    sha = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    assert path.name == f"epoch-000000-{sha}.pt"


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ({"policy": "none"}, []),
        ({"policy": "last", "interval_s": 0.0}, ["epoch-000004", "epoch-000005"]),
        ({"policy": "last", "interval_s": 1e6}, ["epoch-000000", "epoch-000005"]),
        (
            {"policy": "best", "interval_s": 0.0},
            ["best-000003", "epoch-000004", "epoch-000005"],
        ),
        ({"policy": "every", "every": 2, "keep": 0}, [f"epoch-00000{n}" for n in (1, 3, 5)]),
        ({"policy": "every", "every": 4, "keep": 0}, ["epoch-000003", "epoch-000005"]),
        ({"policy": "every", "every": 1, "keep": 2}, ["epoch-000004", "epoch-000005"]),
    ],
)
def test_the_policy_says_which_files_remain(
    policy: dict[str, Any], expected: list[str], tmp_path: Path, make_metrics: Make
) -> None:
    trial = Trial(tmp_path / "trial", make_metrics, **policy)
    for epoch in range(6):
        trial.epoch(best=epoch in (1, 3), last=epoch == 5)
    folder = tmp_path / "trial"
    assert (_kept(folder) if folder.exists() else []) == expected


def test_between_two_renewals_the_older_checkpoint_stays(
    tmp_path: Path, make_metrics: Make
) -> None:
    trial = Trial(tmp_path, make_metrics, policy="last", interval_s=1e6)
    for _ in range(4):
        trial.epoch()
    assert _kept(tmp_path) == ["epoch-000000"]


def test_a_best_epoch_is_written_at_once_and_gone_on_from(
    tmp_path: Path, make_metrics: Make
) -> None:
    trial = Trial(tmp_path, make_metrics, policy="best", interval_s=1e6)
    trial.epoch()
    trial.epoch(best=True)
    trial.epoch()
    assert _kept(tmp_path) == ["best-000001", "epoch-000000"]
    loaded = trial.checkpoints.load()
    assert loaded is not None
    assert len(loaded.history) == 2


def test_a_file_of_another_trial_is_not_used(
    tmp_path: Path, make_metrics: Make, caplog: pytest.LogCaptureFixture
) -> None:
    Trial(tmp_path, make_metrics, policy="every").epoch()
    other = Checkpoints(tmp_path, policy=EVERY, identity="another")
    with caplog.at_level(logging.WARNING):
        assert other.load() is None
    assert "belongs to another trial" in caplog.text


def test_a_file_of_another_version_is_not_used(
    tmp_path: Path, make_metrics: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = Trial(tmp_path, make_metrics, policy="every")
    trial.epoch()
    monkeypatch.setattr("trainers.engine.checkpoint.SCHEMA", 999)
    assert trial.checkpoints.load() is None


def test_files_of_other_names_are_left_alone(tmp_path: Path, make_metrics: Make) -> None:
    strangers = ["notes.txt", "epoch-1-abc.pt", ".epoch-000009-0123456789abcdef.pt.77"]
    for name in strangers:
        (tmp_path / name).write_text("mine")
    trial = Trial(tmp_path, make_metrics, policy="last", interval_s=0.0)
    trial.epoch()
    trial.epoch()
    assert all((tmp_path / name).read_text() == "mine" for name in strangers)
    loaded = trial.checkpoints.load()
    assert loaded is not None
    assert len(loaded.history) == 2


@pytest.fixture(scope="module")
def two_files() -> dict[str, bytes]:
    """The files of two epochs, by name."""

    def make(epoch: int) -> EpochMetrics:
        scores = {"loss": 1.0, "accuracy": 0.5}
        return EpochMetrics.from_mapping(
            {
                "epoch": epoch,
                "lr": 0.1,
                "binary": ["fc1"],
                **dict.fromkeys(("train", "validation", "test"), scores),
                "latent": {},
                "wall_s": 0.5,
                "time_ms": 1,
            }
        )

    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(Path(folder), make, policy="every")
        trial.epoch()
        trial.epoch()
        return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}


def _epochs_after_damage(files: dict[str, bytes], damage: Callable[[bytes], bytes]) -> int:
    """Epochs in the checkpoint that is used when the newer file is damaged."""
    newest = max(files)
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            changed = damage(content) if name == newest else content
            Path(folder, name).write_bytes(changed)
        loaded = Checkpoints(Path(folder), policy=EVERY, identity="me").load()
    return len(loaded.history) if loaded else 0


def test_undamaged_files_give_the_newest(two_files: dict[str, bytes]) -> None:
    assert _epochs_after_damage(two_files, lambda content: content) == 2


@settings(deadline=None, max_examples=100)
@given(place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_flipping_any_byte_makes_the_file_unusable_and_the_one_before_is_used(
    two_files: dict[str, bytes], place: float, flip: int
) -> None:
    def damage(content: bytes) -> bytes:
        index = int(place * len(content))
        return content[:index] + bytes([content[index] ^ flip]) + content[index + 1 :]

    assert _epochs_after_damage(two_files, damage) == 1


@settings(deadline=None, max_examples=60)
@given(place=st.floats(0, 1, exclude_max=True), extra=st.binary(max_size=3))
def test_cutting_the_file_anywhere_makes_it_unusable_and_the_one_before_is_used(
    two_files: dict[str, bytes], place: float, extra: bytes
) -> None:
    def damage(content: bytes) -> bytes:
        rest = content[: int(place * len(content))] + extra
        return rest if rest != content else b""

    assert _epochs_after_damage(two_files, damage) == 1


def test_a_damaged_file_is_reported(
    tmp_path: Path, make_metrics: Make, caplog: pytest.LogCaptureFixture
) -> None:
    trial = Trial(tmp_path, make_metrics, policy="every")
    trial.epoch()
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-1])
    with caplog.at_level(logging.WARNING):
        assert trial.checkpoints.load() is None
    assert f"{path} is damaged" in caplog.text


@pytest.mark.parametrize("num_epochs", [1, 4])
@pytest.mark.parametrize("reason", ["damaged", "of another trial"])
@pytest.mark.parametrize("policy", ["last", "best"])
def test_a_file_that_cannot_be_used_does_not_cost_the_new_checkpoint(
    policy: Policy, reason: str, num_epochs: int, tmp_path: Path, make_metrics: Make
) -> None:
    # It may be of a later epoch, or of the same one and later in the alphabet.
    first = Trial(tmp_path, make_metrics, policy=policy, interval_s=0.0)
    for _ in range(num_epochs):
        first.epoch()
    for path in sorted(tmp_path.glob("epoch-*.pt"))[:-1]:
        path.unlink()
    (path,) = tmp_path.glob("epoch-*.pt")
    identity = "me"
    if reason == "damaged":
        path.write_bytes(b"damaged")
        path.rename(path.with_name(f"{path.name[:12]}-{'f' * 16}.pt"))
    else:
        identity = "another"
    second = Trial(tmp_path, make_metrics, identity=identity, policy=policy, interval_s=0.0)
    assert second.checkpoints.load() is None
    second.epoch()
    loaded = second.checkpoints.load()
    assert loaded is not None
    assert len(loaded.history) == 1


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"every": 0}, "every: must be 1 or more, got 0"),
        ({"keep": -1}, "keep: must be 0 or more, got -1"),
        ({"interval_s": -0.5}, "interval_s: must be 0 or more, got -0.5"),
    ],
)
def test_numbers_out_of_range_are_refused(numbers: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        CheckpointPolicy(policy="every", **numbers)


def test_all_numbers_out_of_range_are_reported_together() -> None:
    with pytest.raises(SpecError, match="every") as raised:
        CheckpointPolicy(every=0, keep=-1)
    assert [fault.path for fault in raised.value.faults] == ["every", "keep"]


@pytest.mark.parametrize("policy", ["last", "best"])
def test_where_the_newest_is_damaged_the_one_before_is_used(
    policy: Policy, tmp_path: Path, make_metrics: Make
) -> None:
    trial = Trial(tmp_path, make_metrics, policy=policy, interval_s=0.0)
    for _ in range(3):
        trial.epoch()
    newest = max(tmp_path.glob("epoch-*.pt"))
    newest.write_bytes(b"")
    loaded = trial.checkpoints.load()
    assert loaded is not None
    assert len(loaded.history) == 2


class Malicious:
    """Runs a command where somebody unpickles it without a second thought."""

    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.system, (f"touch {self.victim}",)


def _saved(content: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def _state(identity: str, **changes: Any) -> dict[str, Any]:
    state: dict[str, Any] = {
        "schema": 1,
        "identity": hashlib.sha256(identity.encode()).hexdigest(),
        "history": "[]",
        "model": {},
        "optimizer": {},
    }
    return state | changes


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (lambda folder: b"", "is not a checkpoint"),
        (lambda folder: b"PK\x03\x04 a zip, or not", "is not a checkpoint"),
        (lambda folder: b"<html>404</html>", "is not a checkpoint"),
        (lambda folder: pickle.dumps(Malicious(folder / "pwned"), 2), "is not a checkpoint"),
        (lambda folder: _saved(Malicious(folder / "pwned")), "is not a checkpoint"),
        (
            lambda folder: _saved(_state("me", model=Malicious(folder / "pwned"))),
            "is not a checkpoint",
        ),
        (lambda folder: _saved([1, 2, 3]), "is not a checkpoint"),
        (lambda folder: _saved({"schema": 1}), "is not a checkpoint"),
        (lambda folder: _saved(_state("me", history="{")), "is not a checkpoint"),
        (lambda folder: _saved(_state("me", history="[{}, {}, {}]")), "is not a checkpoint"),
        (lambda folder: _saved(_state("me")), "its epochs are not those of its name"),
        (lambda folder: _saved(_state("another")), "belongs to another trial"),
        (lambda folder: _saved(_state("me", schema=2)), "belongs to another trial or version"),
    ],
    ids=[
        "empty", "a zip that is none", "a web page", "a malicious pickle", "a malicious zip",
        "malicious weights", "a list", "keys that miss", "history that is no JSON",
        "history that is none", "too few epochs", "of another trial", "of another version",
    ],
)  # fmt: skip
def test_content_that_is_no_state_is_noted_runs_nothing_and_the_one_before_is_used(
    content: Callable[[Path], bytes], reason: str, tmp_path: Path, make_metrics: Make
) -> None:
    trial = Trial(tmp_path / "trial", make_metrics, policy="last", interval_s=0.0)
    trial.epoch()
    trial.epoch()
    made = content(tmp_path)
    sha = hashlib.sha256(made).hexdigest()[:16]
    path = tmp_path / "trial" / f"epoch-000002-{sha}.pt"
    path.write_bytes(made)
    notes: list[str] = []
    checkpoints = Checkpoints(tmp_path / "trial", policy=EVERY, identity="me", note=notes.append)
    loaded = checkpoints.load()
    assert loaded is not None
    assert len(loaded.history) == 2
    [note] = notes
    assert note.startswith(str(path))
    assert reason in note
    assert not (tmp_path / "pwned").exists()


def test_a_state_that_does_not_fit_is_passed_over(tmp_path: Path, make_metrics: Make) -> None:
    trial = Trial(tmp_path, make_metrics, policy="last", interval_s=0.0)
    trial.epoch()
    trial.epoch()
    notes: list[str] = []
    checkpoints = Checkpoints(tmp_path, policy=EVERY, identity="me", note=notes.append)
    loaded = checkpoints.load(lambda found: len(found.history) < 2)
    assert loaded is not None
    assert len(loaded.history) == 1
    assert "belongs to another network; not used" in notes[0]


def test_a_checkpoint_that_cannot_be_written_is_noted_once_and_those_before_stay(
    tmp_path: Path, make_metrics: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes: list[str] = []
    trial = Trial(tmp_path, make_metrics, policy="last", interval_s=0.0)
    trial.checkpoints = Checkpoints(
        tmp_path, policy=trial.checkpoints.policy, identity="me", note=notes.append
    )
    trial.epoch()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        trial.epoch()
        trial.epoch()
    [note] = notes
    assert "the checkpoint after epoch 2 could not be written" in note
    assert "No space left on device" in note
    assert "training goes on without it" in note
    assert _kept(tmp_path) == ["epoch-000000"]
    trial.epoch()
    assert _kept(tmp_path) == ["epoch-000000", "epoch-000003"]
    loaded = trial.checkpoints.load()
    assert loaded is not None
    assert len(loaded.history) == 4


def test_a_folder_that_cannot_be_read_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(folder: Path) -> list[str]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("trainers.engine.checkpoint.names", broken)
    notes: list[str] = []
    assert Checkpoints(tmp_path, policy=EVERY, identity="me", note=notes.append).load() is None
    assert "cannot be read" in notes[0]


def test_checkpoints_lie_behind_a_url_as_in_a_folder(make_metrics: Make) -> None:
    place = place_at("memory://tests/trial")
    trial = Trial(place, make_metrics, policy="best", interval_s=0.0)
    for epoch in range(4):
        trial.epoch(best=epoch == 1)
    try:
        assert [name[:12] for name in names(place)] == [
            "best-000001-", "epoch-000002", "epoch-000003",
        ]  # fmt: skip
        loaded = trial.checkpoints.load()
        assert loaded is not None
        assert loaded.history == tuple(trial.history)
        newest = names(place)[-1]
        write(place / newest, b"damaged")
        loaded = trial.checkpoints.load()
        assert loaded is not None
        assert len(loaded.history) == 3
    finally:
        remove_folder(place)


def test_of_what_a_finished_trial_left_the_newest_the_best_or_all_are_kept() -> None:
    found = [
        f"{name}-{'0' * 16}.pt"
        for name in ("best-000003", "best-000007", "epoch-000008", "epoch-000009")
    ]
    strangers = ["notes.txt", ".epoch-000010-0000000000000000.pt.77"]
    assert kept_names([*found, *strangers], "last") == found[3:]
    assert kept_names([*found, *strangers], "best") == found[1:2]
    assert kept_names([*found, *strangers], "all") == found
    assert kept_names(strangers, "last") == []
