"""Checkpoints that somebody or something spoilt: found out, said, and the one before is used."""

import hashlib
import io
import os
import pickle
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch
from world.processes import alive, below, kill, wait_until

from orchestrator import expand, load_study
from trainers import CheckpointPolicy, EpochMetrics, RunOptions, TrainSpec, run

Damage = Callable[[Path], None]


class Malicious:
    """Runs a command where it is unpickled without care."""

    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.system, (f"touch {self.victim}",)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _emptied(path: Path) -> None:
    path.write_bytes(b"")


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.parent / "nothing")


def _replaced(path: Path, content: bytes) -> None:
    """By other content, under a name with the checksum of that."""
    path.unlink()
    sha = hashlib.sha256(content).hexdigest()[:16]
    path.with_name(f"{path.name[:13]}{sha}.pt").write_bytes(content)


def _no_torch_zip(path: Path) -> None:
    _replaced(path, b"PK\x05\x06" + bytes(18))


def _malicious(path: Path) -> None:
    _replaced(path, pickle.dumps(Malicious(path.parent / "pwned"), 2))


def _malicious_weights(path: Path) -> None:
    state = torch.load(path, weights_only=True)
    buffer = io.BytesIO()
    torch.save(state | {"model": Malicious(path.parent / "pwned")}, buffer)
    _replaced(path, buffer.getvalue())


def _other_shapes(path: Path) -> None:
    state = torch.load(path, weights_only=True)
    state["model"] = {name: torch.zeros(3) for name in state["model"]}
    buffer = io.BytesIO()
    torch.save(state, buffer)
    _replaced(path, buffer.getvalue())


def _other_optimizer(path: Path) -> None:
    state = torch.load(path, weights_only=True)
    state["optimizer"]["state"][0]["exp_avg"] = torch.zeros(3)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    _replaced(path, buffer.getvalue())


DAMAGES = (
    _cut, _flipped, _emptied, _folder, _dangling, _no_torch_zip, _malicious, _malicious_weights,
    _other_shapes, _other_optimizer,
)  # fmt: skip


class Death:
    """Ends the training after some epochs, as a kill does."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def on_epoch_end(self, metrics: EpochMetrics) -> None:
        if metrics.epoch + 1 == self.epochs:
            raise KeyboardInterrupt("the worker is gone")


@pytest.mark.parametrize(
    ("damage", "policy", "num_damaged"),
    [
        *((damage, "last", 1) for damage in DAMAGES),
        *((_flipped, policy, num) for policy in ("last", "best", "every") for num in (1, 2)),
    ],
    ids=lambda value: value.__name__[1:] if callable(value) else str(value),
)
def test_a_trial_goes_on_from_the_checkpoint_before_and_says_so(
    damage: Damage, policy: str, num_damaged: int, spec: TrainSpec, tmp_path: Path
) -> None:
    options = RunOptions(
        device="cpu",
        num_threads=1,
        checkpoint_dir=tmp_path / "trial",
        checkpoints=CheckpointPolicy(policy=policy, interval_s=0),  # type: ignore[arg-type]
    )
    with pytest.raises(KeyboardInterrupt, match="the worker is gone"):
        run(spec, [Death(5)], options=options)
    # It was written before the worker told of the fifth epoch; each may have two files.
    for epoch in range(4, 4 - num_damaged, -1):
        for path in sorted((tmp_path / "trial").glob(f"*-{epoch:06d}-*.pt")):
            damage(path)
    notes: list[str] = []
    told: list[int] = []

    class Times:
        def on_epoch_end(self, metrics: EpochMetrics) -> None:
            told.append(metrics.time_ms)

    began_ms = time.time_ns() // 1_000_000
    result = run(spec, [Times()], options=options, note=notes.append)
    alone = run(spec, options=RunOptions(device="cpu", num_threads=1))
    assert result.weights_sha256 == alone.weights_sha256
    assert len(notes) >= num_damaged
    assert all("; not used" in note for note in notes[:num_damaged])
    gone_on_from = sum(time_ms < began_ms for time_ms in told)
    # Under last and best two stay; with both damaged it begins anew, or from an older best one.
    assert gone_on_from == 5 - num_damaged or (num_damaged == 2 and policy != "every")
    assert not (tmp_path / "trial" / "pwned").exists()


STUDY = """\
study: spoilt
question: What does a spoilt checkpoint cost?
base:
  model: {name: mlp, widths: [64, 16, 10]}
  data: {name: digits, batch_size: 32}
  optimizer: {name: adam, lr: 0.02}
  layers: {order: [fc1, fc2], epochs_per_layer: 50}
  epochs: 200
axes:
  - {name: order, sets: layers.order, permutations: [forward], controls: [float]}
  - {name: seed, seeds: [7]}
metric: {name: selected/test_error}
matrix: {rows: order, over: seed}
checkpoint: {policy: last, interval_s: 0}
"""


@pytest.mark.slow
@pytest.mark.usefixtures("own_workers")
def test_a_sweep_says_which_checkpoints_were_spoilt_and_ends_right(user: Any) -> None:
    path = user.writes(STUDY, "study.yaml")
    process = user.starts("sweep", path)
    wait_until(
        lambda: process.poll() is not None or [len(kept) for kept in _kept(user)] == [2, 2],
        what="both cells have kept two checkpoints",
    )
    assert process.poll() is None, process.communicate()[0]
    family = below(process.pid)
    kill(process.pid)
    process.communicate(timeout=60)
    wait_until(
        lambda: not any("ImplicitFunc" in command for command in alive(family).values()),
        what="the end of the workers",
    )
    for kept in _kept(user):
        _flipped(max(kept))
    done = user.runs("sweep", path, "--concurrency", "1")
    assert done.code == 0, done.err
    assert done.out.count("is damaged (its checksum does not fit); not used") == 2, done.out
    options = RunOptions(device="cpu", num_threads=1)
    calm = {
        cell.name: run(cell.train, options=options).weights_sha256
        for cell in expand(load_study(user.folder / "study.yaml"))
    }
    found = _weights(user.home)
    assert {name: weights for name, (weights, _) in found.items()} == calm
    assert all("is damaged" in str(note) for _, note in found.values())


def _kept(user: Any) -> list[list[Path]]:
    """The checkpoints of each cell."""
    return [list(cell.glob("epoch-*.pt")) for cell in user.home.glob("checkpoints/*")]


def _weights(home: Path) -> dict[str, tuple[str, str | None]]:
    """The weights of each cell, and its note."""
    query = """
        SELECT name, value, (SELECT value FROM tags n WHERE n.run_uuid = r.run_uuid
                             AND n.key = 'bnn.note')
        FROM runs r JOIN tags USING (run_uuid) WHERE key = 'bnn.weights_sha256'
    """
    with closing(sqlite3.connect(home / "mlflow.db")) as database:
        return {name: (weights, note) for name, weights, note in database.execute(query)}
