"""Recorded steps, on a tape that stands in for CUDA graphs: it repeats without Python too."""

from collections.abc import Callable, Hashable
from contextlib import nullcontext
from functools import partial
from typing import Any
from unittest import mock

import pytest
import torch
from recorded import WAYS, changed_by, network, run, same, short_trial
from setting import Setting
from tape import Tape
from torch import Tensor

from trainers.binarize.attach import set_binary
from trainers.binarize.schedule import LayerSchedule
from trainers.binarize.weights import WEIGHT_BINARIZERS, SignBinarizer
from trainers.engine.captured import WARM_UP, Captured, CudaGraphs, refusal, step_of
from trainers.engine.fit import train_one_epoch
from trainers.engine.ranks import Ranks
from trainers.engine.step import Step
from trainers.engine.task import Task
from trainers.spec.train_spec import TrainSpec

AT_ONCE = LayerSchedule(order=("fc1", "fc2"))
CPU = torch.device("cpu")
MakeTask = Callable[..., Task]


@pytest.fixture
def here(tmp_path: Any) -> Setting:
    return Setting(device=CPU, quick=False, folder=tmp_path)


@pytest.mark.parametrize("name", sorted(WEIGHT_BINARIZERS))
def test_every_weight_binarizer_ends_with_the_same_bits(name: str, here: Setting) -> None:
    # By far the most of them learn; `biprop_global` keeps another share in each epoch.
    options = {"ramp_epochs": 2, "keep": 0.3} if name == "biprop_global" else {}
    same(short_trial(weights={"name": name, **options}), here)


@pytest.mark.parametrize("way", sorted(WAYS))
def test_every_way_to_train_ends_with_the_same_bits(way: str, here: Setting) -> None:
    same(short_trial(**WAYS[way]), here)


def test_dropout_draws_in_each_step(here: Setting) -> None:
    same(network("nin"), here)


@pytest.mark.parametrize(
    "more",
    [
        {"loss": {"name": "cross_entropy", "label_smoothing": 0.1}},
        {"center_loss": {"weight": 0.01}},
        {"batch_norm": {"tuned_from": 2}},
        {"activations": {"name": "sign"}},
    ],
    ids=lambda more: next(iter(more)),
)
def test_parts_of_a_trial_end_with_the_same_bits(more: dict[str, Any], here: Setting) -> None:
    same(short_trial(**more), here)


def _steps_of(task: Task) -> tuple[Captured, Tape]:
    tape = Tape(partial(changed_by, task))
    return Captured(task, tape, rate=torch.zeros(())), tape


def _epochs(task: Task, step: Step, num: int, first: int = 0) -> None:
    for epoch in range(first, first + num):
        set_binary(task.model, task.schedule.binarized_at(epoch))
        train_one_epoch(task, epoch, step=step)


def test_a_step_is_recorded_once_and_the_smaller_batch_is_trained_as_usual(
    make_task: MakeTask,
) -> None:
    task = make_task(batch_size=3, epochs=4, schedule=AT_ONCE)
    step, tape = _steps_of(task)
    _epochs(task, step, 4)
    # Of 20 images, six whole batches an epoch.
    assert tape.num_recorded == 1
    assert tape.num_replayed == 4 * 6 - WARM_UP


def test_another_layer_that_turns_binary_is_recorded_anew(make_task: MakeTask) -> None:
    schedule = LayerSchedule(order=("fc2", "fc1"), epochs_per_layer=2)
    task = make_task(batch_size=4, epochs=4, schedule=schedule)
    step, tape = _steps_of(task)
    _epochs(task, step, 4)
    assert tape.num_recorded == 2


def test_a_parameter_that_lies_elsewhere_is_recorded_anew(make_task: MakeTask) -> None:
    task = make_task(batch_size=4, epochs=4, schedule=AT_ONCE)
    step, tape = _steps_of(task)
    _epochs(task, step, 2)
    parameter = next(task.model.parameters())
    parameter.data = parameter.data.clone()
    _epochs(task, step, 1, first=2)
    assert tape.num_recorded == 2


class _Counting(SignBinarizer):
    """Clamps in each second step."""

    def __init__(self, latent: Tensor) -> None:
        super().__init__(latent)
        self.num = 0

    def after_step(self, latent: Tensor) -> None:
        self.num += 1
        if self.num % 2:
            latent.clamp_(-0.01, 0.01)


class _Listing(SignBinarizer):
    """Has another clip in each epoch, in a place of its own."""

    def __init__(self, latent: Tensor) -> None:
        super().__init__(latent)
        self.clips = [1.0]

    @property
    def in_effect(self) -> Hashable:
        return tuple(self.clips)

    def begin_epoch(self, epoch: int, generator: Any) -> None:
        self.clips = [0.01 / (epoch + 1)]

    def after_step(self, latent: Tensor) -> None:
        latent.clamp_(-self.clips[0], self.clips[0])


def test_a_binarizer_that_counts_steps_in_python_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(WEIGHT_BINARIZERS, "sign", _Counting)
    found, steps = run(short_trial(), CPU)
    assert steps.refusals == ["steps change what a binarizer keeps in Python"]
    assert found.weights_sha256 == run(short_trial(), CPU, graphs=False)[0].weights_sha256


def test_what_a_binarizer_says_is_in_effect_is_recorded_anew(
    monkeypatch: pytest.MonkeyPatch, here: Setting
) -> None:
    monkeypatch.setitem(WEIGHT_BINARIZERS, "sign", _Listing)
    same(short_trial(), here)


def test_a_recording_that_fails_is_noted_once_and_theshort_trial_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Looking(SignBinarizer):
        def after_step(self, latent: Tensor) -> None:
            if latent.abs().max().item() > 0.1:
                latent.mul_(0.5)

    monkeypatch.setitem(WEIGHT_BINARIZERS, "sign", Looking)
    found, steps = run(short_trial(), CPU)
    reason = "recording failed: _local_scalar_dense waits for the device"
    assert steps.notes == [f"trained without recorded steps: {reason}"]
    assert found.weights_sha256 == run(short_trial(), CPU, graphs=False)[0].weights_sha256


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        (
            short_trial(weights={"name": "biprop_sampled"}),
            "the weights of conv1 are drawn",
        ),
        (short_trial(data={"batch_size": 4, "accumulate": 2}), "a step has several batches"),
        (
            short_trial(data={"batch_size": 4, "augment": {"mixup": {}}}),
            "each batch is mixed by a share of its own",
        ),
    ],
    ids=["drawn", "accumulated", "mixed"],
)
def test_what_cannot_be_repeated_is_not_recorded(spec: TrainSpec, reason: str) -> None:
    found, steps = run(spec, CPU)
    assert len(steps.refusals) == 1
    assert str(steps.refusals[0]).startswith(reason)
    assert not steps.notes
    assert found.weights_sha256 == run(spec, CPU, graphs=False)[0].weights_sha256


def test_on_a_cpu_steps_are_started_by_python(make_task: MakeTask) -> None:
    assert type(step_of(make_task())) is Step


def test_several_processes_start_their_steps_from_python(make_task: MakeTask) -> None:
    class Two(Ranks):
        world = 2

    assert refusal(make_task(ranks=Two())) == "several processes train the trial"
    assert refusal(make_task()) is None


class _Cuda:
    """Plays torch's functions for a GPU, which is not here; what they do, `make gpu` tries."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[str] = []
        log = self.calls

        class Stream:
            def __init__(self, device: Any = None) -> None:
                self.name = "own" if device is not None else "default"

            def wait_stream(self, other: Any) -> None:
                log.append(f"{self.name} waits for {other.name}")

        class Graph:
            def capture_begin(self, *, capture_error_mode: str) -> None:
                log.append(f"begin {capture_error_mode}")

            def capture_end(self) -> None:
                log.append("end")

            def reset(self) -> None:
                log.append("reset")

            def replay(self) -> None:
                log.append("replay")

        generator = mock.Mock()
        generator.clone_state.return_value = "a copy"
        generator.graphsafe_set_state = lambda state: log.append(f"draws from {state}")
        default = Stream()
        for name, played in {
            "Stream": Stream,
            "CUDAGraph": Graph,
            "current_stream": lambda device: default,
            "stream": lambda stream: nullcontext(),
            "synchronize": lambda device: None,
            "empty_cache": lambda: None,
            "default_generators": (generator,),
        }.items():
            monkeypatch.setattr(torch.cuda, name, played)


def test_a_cuda_graph_is_recorded_on_its_own_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = _Cuda(monkeypatch)
    graphs = CudaGraphs(torch.device("cuda", 0))
    with graphs.during():
        replay, result = graphs.recorded(lambda: cuda.calls.append("work") or 7)
        replay()
    assert result == 7
    around = ["own waits for default", "default waits for own"]
    recorded = ["begin thread_local", "work", "end", "replay"]
    assert cuda.calls == [around[0], *recorded, around[1]]


def test_after_a_failure_the_graph_is_dropped_and_dropout_can_draw(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cuda = _Cuda(monkeypatch)
    graphs = CudaGraphs(torch.device("cuda", 0))

    def work() -> None:
        raise RuntimeError("not permitted when stream is capturing")

    with pytest.raises(RuntimeError, match="not permitted"):
        graphs.recorded(work)
    assert cuda.calls == ["begin thread_local", "end", "reset", "draws from a copy"]


def test_on_a_gpu_the_task_and_the_precision_decide(
    make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainers.engine.captured.CudaGraphs", lambda device: mock.Mock())
    zeros = torch.zeros

    def made(dtype: torch.dtype, **options: Any) -> Step:
        task = make_task(dtype=dtype, **options)
        first = mock.Mock(device=torch.device("cuda", 0), dtype=dtype)
        monkeypatch.setattr(task.model, "parameters", lambda: iter([first]))
        with mock.patch("torch.zeros", lambda *shape, device: zeros(*shape)):
            return step_of(task)

    assert isinstance(made(torch.float32), Captured)
    eager, precise = made(torch.float32, graphs=False), made(torch.float64)
    assert (type(eager), type(precise)) == (Step, Step)
    assert eager.rate is not None
    assert precise.rate is None
