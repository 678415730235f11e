"""Tune's events on their way to the listener; no test here starts Ray."""

import os
import pickle
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import ray.tune.tune as tune_run

from orchestrator.launch import tuning
from orchestrator.launch.metrics import Series
from orchestrator.launch.parts import StopRequest
from orchestrator.launch.report import EpochReport, GivenBack
from orchestrator.launch.resources import Resources
from orchestrator.launch.slots import Slots
from orchestrator.launch.tuning import Listener, failure_reason
from orchestrator.launch.worker import Job
from orchestrator.process import signals
from trainers.engine.checkpoint import CheckpointPolicy

REPORT = EpochReport(epoch=1, points=(), summary=Series(0, 1000, {}), objective=0.5)
TRACEBACK = """\
1 (occurred at 2026-01-02_03-04-05)
ray::ImplicitFunc.train() (pid=7, ip=127.0.0.1, actor_id=1, repr=_trainable)
  File "worker.py", line 70, in train_cell
    result = run(
             ^^^^
{}
"""


class _Trial:
    """As much of a trial of Tune as is looked at."""

    def __init__(self, error_file: str | None) -> None:
        self.config = {"cell": "a"}
        self.error_file = error_file
        self.last_result: dict[str, Any] | None = None


@pytest.fixture
def make_trial(tmp_path: Path) -> Callable[..., _Trial]:
    """A trial whose error file holds these failures, each as Tune writes it."""

    def make(*failures: str) -> _Trial:
        path = tmp_path / "error.txt"
        blocks = [
            f"Failure # {number} (occurred at 2026-01-02_03-04-05)\n{text}\n"
            for number, text in enumerate(failures, start=1)
        ]
        path.write_text("".join(blocks), encoding="utf-8")
        return _Trial(str(path))

    return make


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        ("ZeroDivisionError: by zero", "ZeroDivisionError: by zero"),
        ("trainers.errors.SpecError: epochs: is 0", "SpecError: epochs: is 0"),
        ("some.package.errors.OddError", "OddError"),
        ("ValueError", "ValueError"),
        ("ValueError: one\n  two lines down", "two lines down"),
        ("ValueError: found the file a.b: twice\n\n", "ValueError: found the file a.b: twice"),
        ("the file x.y: is missing", "the file x.y: is missing"),
    ],
)
def test_a_failure_is_told_by_the_last_line_without_the_module(last: str, reason: str) -> None:
    assert failure_reason(TRACEBACK.format(last)) == reason


@pytest.mark.parametrize(
    "text",
    [
        "The actor died unexpectedly before finishing this task.\n\tclass_name: ImplicitFunc",
        "ray.exceptions.ActorDiedError: it is gone\nmore of it",
        "The Actor died because its node has died.",
    ],
)
def test_a_worker_that_died_is_told_as_such(text: str) -> None:
    assert failure_reason(TRACEBACK.format(text)).startswith("the worker process died")


@pytest.mark.parametrize(
    "text",
    [
        "Task was killed due to the node running low on memory.\nMemory on the node was 15 GB",
        "ray.exceptions.OutOfMemoryError: it grew\nThe actor died.",
    ],
)
def test_a_worker_ended_for_want_of_memory_is_told_as_such(text: str) -> None:
    assert failure_reason(TRACEBACK.format(text)).startswith("out of memory")


def test_a_device_without_memory_is_told_with_its_batch_size() -> None:
    told = "cuda has too little memory for data.batch_size 128 and data.eval_batch_size 1000"
    text = (
        f"torch.OutOfMemoryError: CUDA out of memory.\n\ntrainers.errors.OutOfMemoryError: {told}"
    )
    assert failure_reason(TRACEBACK.format(text)) == f"OutOfMemoryError: {told}"


@pytest.mark.parametrize("details", ["", "\n", "  \n\t\n"])
def test_a_failure_without_a_word_has_an_unknown_reason(details: str) -> None:
    assert failure_reason(details) == "unknown reason"


def test_only_the_last_of_several_failures_is_told(make_trial: Callable[..., _Trial]) -> None:
    trial = make_trial("The actor died.", "a.FirstError: one", "b.SecondError: two\n")
    reason, details = tuning._failure(trial)
    assert reason == "SecondError: two"
    assert details.startswith("3 (occurred at ")
    assert "FirstError" not in details
    assert "actor died" not in details


def test_an_error_file_with_odd_bytes_is_read(make_trial: Callable[..., _Trial]) -> None:
    trial = make_trial("ValueError: odd ")
    path = Path(str(trial.error_file))
    path.write_bytes(path.read_bytes().rstrip() + b" \xff\xfe end\n")
    assert tuning._failure(trial)[0] == "ValueError: odd \ufffd\ufffd end"


def test_without_an_error_file_the_reason_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").touch()
    for error_file in (None, "", str(tmp_path / "gone.txt"), str(tmp_path / "empty.txt")):
        assert tuning._failure(_Trial(error_file)) == ("unknown reason", "")


class _Listener:
    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        def tell(*arguments: Any, **more: Any) -> None:
            self.told.append((name, *arguments, *more.values()))

        return tell


def _slots(**options: Any) -> Slots:
    return Slots(Resources(), lambda: [{"CPU": 2}], **options)


class _Work:
    def key(self, config: Mapping[str, Any]) -> str:
        return f"key of {config['cell']}"


@pytest.fixture
def listener() -> _Listener:
    return _Listener()


@pytest.fixture
def bridge(listener: _Listener) -> tuning._Bridge:
    return tuning._Bridge(cast(Any, listener), cast(Any, _Work()), _slots())


@pytest.fixture
def odd(make_trial: Callable[..., _Trial]) -> _Trial:
    """A trial that failed."""
    return make_trial("a.OddError: why")


def test_tunes_events_reach_the_listener_under_the_key_of_the_cell(
    bridge: tuning._Bridge, listener: _Listener, odd: _Trial
) -> None:
    trial, details = odd, tuning._failure(odd)[1]
    bridge.on_trial_start(1, [], trial)
    bridge.on_trial_result(1, [], trial, REPORT.to_plain())
    bridge.on_trial_result(1, [], trial, {"done": True})
    bridge.on_trial_recover(1, [], trial)
    bridge.on_trial_error(1, [], trial)
    bridge.on_trial_complete(1, [], trial)
    bridge.on_step_end(1, [])
    assert listener.told == [
        ("started", {"cell": "a"}),
        ("reported", "key of a", REPORT),
        ("failed", "key of a", "OddError: why", details, False),
        ("failed", "key of a", "OddError: why", details, True),
        ("ended", "key of a"),
        ("tick",),
    ]


def test_a_cell_that_fails_before_it_begins_is_told_as_begun_and_failed(
    bridge: tuning._Bridge, listener: _Listener, odd: _Trial
) -> None:
    bridge.on_trial_recover(1, [], odd)
    bridge.on_trial_error(1, [], odd)
    told = [(name, *rest[-1:]) for name, *rest in listener.told]
    assert told == [("started", {"cell": "a"}), ("failed", False), ("failed", True)]


def test_a_worker_stands_in_no_folder_that_somebody_may_remove(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    stood: list[str] = []
    monkeypatch.setattr(tuning, "train_cell", lambda *_, **__: stood.append(os.getcwd()))
    job = Job(
        train={},
        data_dir=tmp_path,
        checkpoint_dir=tmp_path,
        checkpoints=CheckpointPolicy(),
        device="cpu",
        num_threads=1,
    )
    work = SimpleNamespace(job=lambda config: job)
    tuning._trainable({}, work=cast(Any, work), resources=Resources(), yields=False)
    assert stood == ["/"]


def test_a_bridge_that_was_pickled_tells_nobody(make_trial: Callable[..., _Trial]) -> None:
    bridge = tuning._Bridge(cast(Any, open), cast(Any, open), _slots())
    bridge = pickle.loads(pickle.dumps(bridge))
    trial = make_trial("a.OddError: why")
    bridge.on_trial_start(1, [], trial)
    bridge.on_trial_result(1, [], trial, REPORT.to_plain())
    bridge.on_trial_error(1, [], trial)
    bridge.on_trial_complete(1, [], trial)
    bridge.on_step_end(1, [])


def test_a_place_that_is_given_back_is_neither_an_end_nor_a_failure(
    make_trial: Callable[..., _Trial],
) -> None:
    slots = Slots(Resources(gpus=0.25), lambda: [{"CPU": 4, "GPU": 1}])
    listener, result = _Listener(), GivenBack("no memory").to_plain()
    bridge = tuning._Bridge(cast(Any, listener), cast(Any, _Work()), slots)
    for _ in range(2):
        trial = make_trial()
        trial.last_result = result
        bridge.on_trial_result(1, [], trial, result)
        bridge.on_trial_complete(1, [], trial)
    assert slots.is_draining
    gave_back = ("gave_back", "key of a", "no memory")
    assert listener.told == [("draining", 0.25, 0.5), gave_back, gave_back]


def test_nodes_that_come_and_leave_are_told_once_each() -> None:
    cpus, now = [2], [0.0]
    slots = Slots(Resources(), lambda: [{"CPU": cpus[0]}], moves=True, clock=lambda: now[0])
    listener = _Listener()
    bridge = tuning._Bridge(cast(Any, listener), cast(Any, _Work()), slots)
    for cpus[0], now[0] in [(4, 1.0), (4, 6.0), (4, 12.0), (1, 18.0)]:
        bridge.on_step_end(1, [])
    told = [told for told in listener.told if told[0] == "resized"]
    assert told == [("resized", 2, 4), ("resized", 4, 1)]
    assert len(listener.told) == 4 + 2


class _Told:
    """A listener that notes each stop request: whether to end at once."""

    def __init__(self) -> None:
        self.at_once: list[bool] = []

    def stopping(self, *, at_once: bool) -> None:
        self.at_once.append(at_once)


def _signalled(*numbers: int) -> tuple[bool, bool, list[bool]]:
    """Whether a stop was requested, whether Tune ends at once, and what the listener was told."""
    stop, told = StopRequest(), _Told()
    handlers = {number: signal.getsignal(number) for number in signals.ALL}
    usual = tune_run._setup_signal_catching
    with tuning._stopped_by_signals(stop, cast(Listener, told)):
        for number in numbers:
            signal.raise_signal(number)
        # As Tune does: it asks once, and looks at the answer before each step.
        at_once = tune_run._setup_signal_catching().is_set()
    assert handlers == {number: signal.getsignal(number) for number in handlers}
    assert tune_run._setup_signal_catching is usual
    return stop.is_made, at_once, told.at_once


@pytest.mark.parametrize("number", signals.WARNINGS)
def test_one_interrupt_is_a_wish_to_stop_at_the_end_of_the_epoch(number: int) -> None:
    assert _signalled(number) == (True, False, [False])
    assert _signalled() == (False, False, [])


@pytest.mark.parametrize("number", signals.WARNINGS)
def test_a_second_interrupt_ends_tune_at_once(number: int) -> None:
    assert _signalled(signal.SIGINT, number) == (True, True, [False, True])


@pytest.mark.parametrize("number", signals.ENDS)
def test_a_termination_ends_tune_at_once_also_before_it_began(number: int) -> None:
    assert _signalled(number) == (True, True, [True])
    # Such as a terminal that closes, and its shell.
    assert _signalled(number, signal.SIGHUP) == (True, True, [True, True])


def test_a_trial_ends_with_its_next_report_after_a_wish_to_stop() -> None:
    stop = StopRequest()
    stopper = tuning._AtEpochEnd(stop)
    assert not stopper("t1", {})
    stop.is_made = True
    assert stopper("t1", {})
    assert not stopper.stop_all()
