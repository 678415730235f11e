"""Trials that share a GPU that is too small for so many; Ray really runs, the GPU is made up.

Ray is told of a GPU that is not there and reserves parts of it. The trials train on the CPU, and
raise the error of a full GPU by themselves.
"""

import functools
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
import ray

import orchestrator.launch
from orchestrator import vocabulary
from orchestrator.execution.options import SweepOptions
from orchestrator.execution.outcome import Unwatched
from orchestrator.execution.sweep import sweep
from orchestrator.home import Home
from orchestrator.launch import Resources
from orchestrator.launch.jobs import Jobs
from orchestrator.launch.worker import Job
from orchestrator.record.journal import Journal
from orchestrator.record.store import Store
from orchestrator.study.spec import StudySpec
from orchestrator.vocabulary import State

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.environ.get("BNN_FAULTS") != "full",
        reason="starts three workers: only with BNN_FAULTS=full",
    ),
]


class _Watcher(Unwatched):
    """Remembers the notes and who was retried."""

    def __init__(self) -> None:
        self.noted: list[str] = []
        self.retried: list[str] = []

    def cell_noted(self, name: str, *, note: str) -> None:  # type: ignore[override]
        self.noted.append(note)

    def cell_retried(self, name: str, *, reason: str) -> None:  # type: ignore[override]
        self.retried.append(name)


def _small_gpu() -> type[Jobs]:
    """Jobs whose trials with binary layers fill more than half of the GPU in their first epoch."""

    # A class within a function travels to the workers whole.
    class SmallGpu(Jobs):
        def job(self, config: Mapping[str, Any]) -> Job:
            from orchestrator.launch import worker
            from trainers import training
            from trainers.errors import OutOfMemoryError

            class Full:
                def on_epoch_end(self, metrics: Any) -> None:
                    raise OutOfMemoryError("the GPU is full")

            def run(spec: Any, callbacks: Any, *, options: Any, **more: Any) -> Any:
                needs = 0.6 if spec.layers.order else 0.1
                full = [Full()] if options.memory_share < needs else []
                return training.run(spec, [*callbacks, *full], options=options, **more)

            worker.run = run
            return replace(super().job(config), device="cpu")

    return SmallGpu


@pytest.fixture
def one_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine has a GPU, as far as we and Ray know."""
    machine = lambda: [{"CPU": 2, "GPU": 1}]  # noqa: E731
    monkeypatch.setitem(vars(orchestrator.launch), "this_machine", machine)
    monkeypatch.setattr("orchestrator.launch.session.this_machine", machine)
    monkeypatch.setattr(ray, "init", functools.partial(ray.init, num_gpus=1))


@pytest.mark.usefixtures("one_gpu")
def test_trials_without_room_beside_others_are_trained_with_more_of_the_gpu(
    make_study: Callable[..., StudySpec],
    make_mapping: Callable[..., dict[str, Any]],
    home: Home,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    axes = make_mapping()["axes"]
    study = make_study(axes=[axes[0], {"name": "seed", "seeds": [1]}], retries=0)
    monkeypatch.setattr("orchestrator.execution.jobs.Jobs", _small_gpu())
    watcher = _Watcher()
    options = SweepOptions(data_dir=home.data_folder(), resources=Resources(gpus=0.5))
    outcome = sweep(study, home, options, watcher)
    assert not outcome.failures
    assert not outcome.interrupted
    assert outcome.num_finished == 4
    [note] = [note for note in watcher.noted if "out of memory" in note]
    assert note.startswith("out of memory with 0.5 of a GPU for a trial; no other begins until")
    assert note.endswith("then each gets 1")
    assert watcher.retried == []
    logs = [path.read_text() for path in (home.logs / study.name).iterdir()]
    assert (
        1 <= sum("gave its place back, to be trained later: the GPU" in log for log in logs) <= 2
    )
    journal = Journal(home.journal)
    entries = journal.entries(study.key)
    assert [entry.state for entry in entries] == [State.FINISHED] * 4
    for entry in entries:
        steps = [(point.key, point.step) for point in journal.points(entry.description.cell)]
        assert len(steps) == len(set(steps))
        assert {step for key, step in steps if key == "test/error"} == {0, 1}
    journal.close()
    # MLflow has one run for each cell, also for those that began twice.
    assert outcome.num_undelivered == 0
    experiment = Store(home).find_study(study.name)
    assert experiment is not None
    runs = Store(home).reader.runs([experiment], {vocabulary.KIND: vocabulary.CELL})
    assert [run.info.status for run in runs] == ["FINISHED"] * 4
