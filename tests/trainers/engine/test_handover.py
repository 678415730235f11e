"""States that a trial leaves for others: when, with what marks, and what cannot be used."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from trainers.engine.fit import fit
from trainers.engine.handover import Sharer, is_available, shared_checkpoint
from trainers.engine.result import EpochMetrics
from trainers.engine.task import Task

MakeTask = Callable[..., Task]


def _train(task: Task, folders: dict[int, Path], *, num_restored: int = 0) -> None:
    sharer = Sharer(task, folders, name="forward", num_restored=num_restored)
    fit(task, callbacks=[sharer])


def test_the_state_is_left_after_the_epochs_asked_for(make_task: MakeTask, tmp_path: Path) -> None:
    task = make_task(epochs=3)
    seen: list[dict[str, torch.Tensor]] = []

    class Watch:
        def on_epoch_end(self, metrics: EpochMetrics) -> None:
            seen.append({key: value.clone() for key, value in task.model.state_dict().items()})

    sharer = Sharer(task, {2: tmp_path / "stem"}, name="forward", num_restored=0)
    fit(task, callbacks=[sharer, Watch()])
    state = shared_checkpoint(tmp_path / "stem")
    assert state is not None
    assert [metrics.epoch for metrics in state.history] == [0, 1]
    assert all(torch.equal(state.model[key], seen[1][key]) for key in seen[1])
    assert [path.name for path in tmp_path.iterdir()] == ["stem"]


def test_epochs_are_marked_with_who_trained_them(
    make_task: MakeTask, tmp_path: Path, make_metrics: Callable[..., EpochMetrics]
) -> None:
    task = make_task(epochs=1)
    sharer = Sharer(task, {2: tmp_path / "stem"}, name="forward", num_restored=0)
    sharer.on_epoch_end(EpochMetrics.from_mapping(make_metrics(0).to_mapping() | {"source": "b"}))
    sharer.on_epoch_end(make_metrics(1))
    state = shared_checkpoint(tmp_path / "stem")
    assert state is not None
    assert [metrics.source for metrics in state.history] == ["b", "forward"]


def test_nothing_is_left_for_an_epoch_that_is_only_told_again(
    make_task: MakeTask, tmp_path: Path
) -> None:
    # The model is in a later state by then.
    folders = {1: tmp_path / "one", 2: tmp_path / "two", 3: tmp_path / "three"}
    _train(make_task(epochs=3), folders, num_restored=2)
    assert [is_available(folder) for folder in folders.values()] == [False, True, True]


def test_what_another_left_is_not_left_again(make_task: MakeTask, tmp_path: Path) -> None:
    for _ in range(2):
        _train(make_task(epochs=1), {1: tmp_path / "stem"})
        (path,) = (tmp_path / "stem").iterdir()
    before = path.stat().st_mtime_ns
    _train(make_task(epochs=1), {1: tmp_path / "stem"})
    assert path.stat().st_mtime_ns == before


def test_a_damaged_state_is_left_anew(make_task: MakeTask, tmp_path: Path) -> None:
    folder = tmp_path / "stem"
    _train(make_task(epochs=1), {1: folder})
    (path,) = folder.iterdir()
    path.write_bytes(path.read_bytes()[:-1])
    assert is_available(folder)
    assert shared_checkpoint(folder) is None
    _train(make_task(epochs=1), {1: folder})
    assert shared_checkpoint(folder) is not None


def test_a_state_that_was_moved_is_not_used(
    make_task: MakeTask, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _train(make_task(epochs=1), {1: tmp_path / "stem"})
    (tmp_path / "stem").rename(tmp_path / "other")
    with caplog.at_level(logging.WARNING):
        assert shared_checkpoint(tmp_path / "other") is None
    assert "belongs to another trial" in caplog.text


def test_where_nothing_was_left_there_is_no_state(tmp_path: Path) -> None:
    assert shared_checkpoint(tmp_path / "missing") is None
    assert not is_available(tmp_path / "missing")
    assert not is_available(tmp_path)


def test_a_state_that_cannot_be_read_or_written_is_done_without(
    make_task: MakeTask, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a-file").touch()
    with caplog.at_level(logging.WARNING):
        _train(make_task(epochs=2), {1: tmp_path / "a-file" / "stem"})
    assert "the checkpoint after epoch 1 could not be written" in caplog.text
    folder = tmp_path / "stem"
    (folder / f"epoch-000000-{'0' * 16}.pt").mkdir(parents=True)
    with caplog.at_level(logging.WARNING):
        assert shared_checkpoint(folder) is None
    assert "cannot be read" in caplog.text
