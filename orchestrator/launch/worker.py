"""Trains one cell in a worker process and reports its progress."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.launch.metrics import began_from, curve_points, objective, summary_points
from orchestrator.launch.report import EpochReport, GivenBack
from orchestrator.process.foothold import keep_foothold
from orchestrator.process.trimming import Trimming
from trainers.engine.checkpoint import CheckpointPolicy
from trainers.engine.handover import is_available
from trainers.engine.memory import release
from trainers.engine.ranks import ALONE, Ranks
from trainers.engine.result import EpochMetrics
from trainers.errors import OutOfMemoryError
from trainers.spec.train_spec import TrainSpec
from trainers.storage import Place
from trainers.training import RunOptions, run

# Tune asks for the current folder before a worker has its first cell.
keep_foothold()
TRIMMING = Trimming()


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A worker's instructions; specs travel as plain values, modules never.

    Args:
        train: The trial, from `TrainSpec.to_mapping`.
        data_dir: Where data sets are stored.
        checkpoint_dir: The trial's own folder.
        checkpoints: Which checkpoints it keeps.
        device: As for `RunOptions`.
        num_threads: torch's threads.
        deterministic: As for `RunOptions`.
        graphs: As for `RunOptions`.
        report_every_s: Least seconds between two reports; one report may hold several epochs.
        name: The cell's name, for cells that start from its stems.
        begins_from: As for `RunOptions.start`.
        leaves: As for `RunOptions.leave`.
        timeout_s: Of several processes: longest wait for another one.
        memory_share: As for `RunOptions`.
        yields: If the device has too little memory, give the place back; else fail.
    """

    train: Mapping[str, Any]
    data_dir: Path
    checkpoint_dir: Place
    checkpoints: CheckpointPolicy
    device: str
    num_threads: int
    deterministic: bool = False
    graphs: bool = True
    report_every_s: float = 0.5
    name: str = ""
    begins_from: Place | None = None
    leaves: Mapping[int, Place] = field(default_factory=dict)
    timeout_s: float = 600.0
    memory_share: float = 1.0
    yields: bool = False


def train_cell(
    job: Job,
    report: Callable[[EpochReport | GivenBack], None],
    *,
    group: AbstractContextManager[Ranks] | None = None,
) -> None:
    """Trains a cell to its end; continues from its checkpoint or a stem if there is one.

    Or gives its place back, if memory runs out and the job says so.

    Args:
        job: The worker's instructions.
        report: Called with the measurements since the last call; may stop the process.
        group: The processes that train the cell together, of which this is the first; None: this
            one alone.
    """
    # By now nothing holds the tensors of the cell before.
    TRIMMING.trim()
    try:
        _train_to_the_end(job, report, group)
    except OutOfMemoryError as error:
        if not job.yields:
            raise
        given_back = GivenBack(str(error))
    else:
        return
    # Only here: within the block the error's traceback holds the tensors of the trial.
    release()
    report(given_back)


def _train_to_the_end(
    job: Job,
    report: Callable[[EpochReport], None],
    group: AbstractContextManager[Ranks] | None,
) -> None:
    spec = TrainSpec.from_mapping(job.train)
    reporter = _Reporter(report, spec=spec, every_s=job.report_every_s, leaves=job.leaves)
    with group or nullcontext(ALONE) as ranks:
        options = _options(job, ranks)
        result = run(spec, [reporter], options=options, note=reporter.note)
    reporter.send(weights_sha256=result.weights_sha256)


def train_part(job: Job, ranks: Ranks) -> None:
    """Trains a cell as one of several processes that is not the first; reports nothing."""
    run(TrainSpec.from_mapping(job.train), options=_options(job, ranks))


def _options(job: Job, ranks: Ranks) -> RunOptions:
    return RunOptions(
        device=job.device,
        num_threads=job.num_threads,
        data_dir=job.data_dir,
        checkpoint_dir=job.checkpoint_dir,
        checkpoints=job.checkpoints,
        deterministic=job.deterministic,
        graphs=job.graphs,
        start=job.begins_from,
        leave=job.leaves,
        name=job.name,
        ranks=ranks,
        memory_share=job.memory_share,
    )


class _Reporter:
    """Collects epochs and sends them, at most once every `every_s` seconds."""

    def __init__(
        self,
        report: Callable[[EpochReport], None],
        *,
        spec: TrainSpec,
        every_s: float,
        leaves: Mapping[int, Place],
    ) -> None:
        self.report = report
        self.every_s = every_s
        self.num_epochs = spec.all_epochs
        self.epochs_before = spec.epochs_before
        self.final_from = spec.epochs_before + spec.final_from
        self.stages = spec.stages
        self.leaves = leaves
        self.available: list[int] = []
        self.notes: list[str] = []
        self.epochs: list[EpochMetrics] = []
        self.inherited: Counter[str] = Counter()
        self.num_sent = 0
        self.sent_at = -float("inf")

    def on_epoch_end(self, metrics: EpochMetrics) -> None:
        self.epochs.append(metrics)
        if metrics.source:
            self.inherited[metrics.source] += 1
        if len(self.epochs) == self.num_epochs:
            # The last epoch is sent with the final report, so no scheduler can stop in between.
            return
        folder = self.leaves.get(len(self.epochs))
        is_shared = folder is not None and is_available(folder)
        if is_shared:
            self.available.append(len(self.epochs))
        # Other cells may be waiting for this stem.
        if is_shared or time.monotonic() - self.sent_at >= self.every_s:
            self.send()

    def note(self, text: str) -> None:
        """Adds a note to the next report."""
        if text not in self.notes:
            self.notes.append(text)

    def send(self, *, weights_sha256: str = "") -> None:
        new = self.epochs[self.num_sent :]
        self.report(
            EpochReport(
                epoch=len(self.epochs),
                points=tuple(curve_points(metrics) for metrics in new),
                summary=summary_points(
                    self.epochs, final_from=self.final_from, epochs_before=self.epochs_before
                ),
                objective=objective(self.epochs, final_from=self.final_from),
                inherited=dict(self.inherited),
                available=tuple(self.available),
                notes=tuple(self.notes),
                began_from=began_from(self.epochs, self.stages),
                weights_sha256=weights_sha256,
            )
        )
        self.num_sent = len(self.epochs)
        self.sent_at = time.monotonic()
