"""A training step that is recorded once on a GPU and then replayed, without Python.

A small network's step is hundreds of short kernels, and Python takes longer to start each of them
than the GPU takes to run it. A CUDA graph starts all of them at once. It repeats exactly what was
recorded: the same kernels on the same memory, with the same numbers from Python. So a step is
recorded anew when one of those may have changed, and is not recorded where they change in every
step. Draws on the device (dropout) go on as in steps that are not recorded.
"""

import logging
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from trainers.binarize.attach import binarizers
from trainers.binarize.weights import WeightBinarizer
from trainers.data.splits import Split
from trainers.engine.step import Step
from trainers.engine.task import Task
from trainers.optim.rate import capturable

log = logging.getLogger(__name__)
T = TypeVar("T")
PLAIN = (bool, int, float, str)
WARM_UP = 3
"""Steps before one is recorded, in which libraries choose kernels and the optimizer its state."""


class Recorder(Protocol):
    """Records work on a device."""

    def during(self) -> AbstractContextManager[object]:
        """Surrounds all work of an epoch, recorded or not."""

    def recorded(self, work: Callable[[], T]) -> tuple[Callable[[], None], T]:
        """Records work without doing it.

        Args:
            work: Anything whose operations all run on the device.

        Returns:
            What does the work, and the work's result, whose tensors that fills.

        Raises:
            RuntimeError: If the work waits for the device, or does what cannot be repeated.
        """


class CudaGraphs:
    """Records with CUDA graphs, on a stream of its own.

    Args:
        device: The GPU.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    @contextmanager
    def during(self) -> Iterator[None]:
        """Runs everything on the stream: gradients would otherwise wait for the default one."""
        before = torch.cuda.current_stream(self.device)
        self._stream.wait_stream(before)
        try:
            with torch.cuda.stream(self._stream):
                yield
        finally:
            before.wait_stream(self._stream)

    def recorded(self, work: Callable[[], T]) -> tuple[Callable[[], None], T]:
        """As in `Recorder`."""
        graph = torch.cuda.CUDAGraph()
        torch.cuda.synchronize(self.device)
        # A recording has memory of its own; what the steps before it used is needed no more.
        torch.cuda.empty_cache()
        try:
            # Threads that decode images ahead may go on meanwhile.
            graph.capture_begin(capture_error_mode="thread_local")
            try:
                result = work()
            finally:
                graph.capture_end()
        except RuntimeError:
            with suppress(RuntimeError):
                graph.reset()
            self._forget_recording()
            raise
        return graph.replay, result

    def _forget_recording(self) -> None:
        """After a failure torch's generator still believes to be recorded; a copy does not."""
        drawn = torch.cuda.default_generators[self.device.index or 0]
        drawn.graphsafe_set_state(drawn.clone_state())


@dataclass(frozen=True, slots=True)
class _Recording:
    batch: Split
    replay: Callable[[], None]
    logits: Tensor
    loss: Tensor


class Captured(Step):
    """Replays a recorded step for each whole batch; trains on other batches as usual.

    Args:
        task: The trial.
        recorder: What records.
        rate: As for `Step`: a recorded step would keep a rate in Python.
    """

    def __init__(self, task: Task, recorder: Recorder, *, rate: Tensor) -> None:
        super().__init__(task, rate=rate)
        self.recorder = recorder
        self._binarizers = tuple(binarizer for _, binarizer in binarizers(task.model))
        self._epoch: Hashable = None
        self._known: Hashable = None
        self._num_warm = 0
        self._recording: _Recording | None = None
        self.refusal: str | None = None
        """Why steps are not recorded; None: they are."""
        if (reason := refusal(task)) is not None:
            self._refuse(reason)

    @contextmanager
    def epoch(self, epoch: int) -> Iterator[None]:
        """As in `Step`; a recording lasts as long as epochs change nothing that it depends on."""
        with self.recorder.during(), super().epoch(epoch):
            self._epoch = self._of_epoch()
            yield

    def __call__(
        self,
        batch: Split,
        *,
        begins: bool = True,
        ends: bool = True,
        share: float = 1.0,
        used: dict[str, Tensor] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """As in `Step`."""
        recording = self._recorded(batch) if used is None else None
        if recording is None:
            return super().__call__(batch, begins=begins, ends=ends, share=share, used=used)
        recording.batch.images.copy_(batch.images)
        recording.batch.labels.copy_(batch.labels)
        recording.replay()
        # The next step overwrites them.
        return recording.logits.clone(), recording.loss.clone()

    def _recorded(self, batch: Split) -> _Recording | None:
        """The recording for a batch; None if the batch is trained as usual."""
        if self.refusal is not None or len(batch) < self.task.batch_size:
            return None
        known = (self._epoch, batch.images.shape, batch.images.dtype)
        if known != self._known:
            self._known, self._num_warm, self._recording = known, 0, None
        if self._num_warm < WARM_UP:
            self._num_warm += 1
        elif self._recording is None:
            self._recording = self._record(batch)
        return self._recording

    def _record(self, batch: Split) -> _Recording | None:
        if self._of_epoch() != self._epoch:
            self._refuse("steps change what a binarizer keeps in Python")
            return None
        images = batch.images.clone(memory_format=self.task.memory_format)
        own = Split(images=images, labels=batch.labels.clone())
        work = partial(super().__call__, own)
        try:
            with capturable(self.task.optimizer):
                replay, (logits, loss) = self.recorder.recorded(work)
        except RuntimeError as error:
            lines = str(error).strip().splitlines() or [type(error).__name__]
            self._refuse(f"recording failed: {lines[0]}", is_news=True)
            return None
        return _Recording(batch=own, replay=replay, logits=logits, loss=loss)

    def _refuse(self, reason: str, *, is_news: bool = False) -> None:
        """Trains as usual from now on; what nobody could foresee is noted with the trial."""
        self.refusal, self._recording = reason, None
        text = f"trained without recorded steps: {reason}"
        log.info("%s", text)
        if is_news and self.task.note is not None:
            self.task.note(text)

    def _of_epoch(self) -> Hashable:
        """What a recording depends on, and epochs may change."""
        return (
            tuple((part.data_ptr(), part.requires_grad) for part in self.parameters),
            tuple(part.data_ptr() for part in self.task.model.buffers()),
            tuple((binarizer.in_effect, _plain(binarizer)) for binarizer in self._binarizers),
        )


def _plain(binarizer: WeightBinarizer) -> Hashable:
    """The numbers and words among a binarizer's attributes."""
    values = vars(binarizer).items()
    return tuple((name, value) for name, value in values if isinstance(value, PLAIN))


def refusal(task: Task) -> str | None:
    """Why no step of a trial can be repeated without Python; None: it may be tried."""
    fixed = [name for name, binarizer in binarizers(task.model) if not binarizer.capturable]
    if fixed:
        return f"the weights of {fixed[0]} are drawn in Python in each step"
    if task.augment.mixup is not None:
        return "each batch is mixed by a share of its own"
    if task.accumulate > 1:
        return "a step has several batches"
    if task.ranks.world > 1:
        return "several processes train the trial"
    return None


def step_of(task: Task) -> Step:
    """What is done with the batches of a trial, by its device."""
    first = next(task.model.parameters())
    if first.device.type != "cuda" or first.dtype != torch.float32:
        return Step(task)
    # Also without recordings: so a rate is rounded alike, and recorded steps change no bit.
    rate = torch.zeros((), device=first.device)
    if not task.graphs:
        return Step(task, rate=rate)
    return Captured(task, CudaGraphs(first.device), rate=rate)
