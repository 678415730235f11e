"""A study as a typed record: a question, a base trial, and the axes that vary it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from orchestrator import vocabulary
from orchestrator.study.axes import Axis, seed_axis
from orchestrator.study.cells import Cell, content_hash, study_key
from orchestrator.study.checkpointing import Checkpointing
from orchestrator.study.product import multiplied, scaled_epochs
from orchestrator.study.reading import read_study
from orchestrator.study.shown import (
    MatrixShape,
    Metric,
)
from orchestrator.study.teachers import taught_cells
from orchestrator.study.together import Together
from orchestrator.study.variant import Variant
from trainers.binding import Component
from trainers.spec.added import Teacher
from trainers.spec.train_spec import TrainSpec


@dataclass(frozen=True, kw_only=True)
class StudySpec:
    """A question, a base trial, and the axes that vary it.

    Args:
        name: The name of the study and of its MLflow experiment.
        question: The question it answers, in one sentence.
        base: The base trial.
        base_mapping: The base trial as plain values, in which the axes set theirs.
        axes: The axes, slowest varying first.
        metric: The metric that the matrix shows.
        matrix: The layout of the matrix.
        search: The searcher; None: no axis is searched.
        scheduler: Stops bad trials early; None: every trial trains all its epochs.
        retries: How often a failed trial is retried.
        checkpoint: Which checkpoints trials keep, where, and which MLflow gets.
        together: How many processes train each trial.
        variant: How the study differs from its file.
        source: The file it was read from.
        text: The content of that file, merged with the shared file that it extends.
        teachers: What a teacher with the key `run` is, by that key; one that is not here has not
            been looked up.
    """

    name: str
    question: str
    base: TrainSpec
    base_mapping: Mapping[str, Any] = field(repr=False)
    axes: tuple[Axis, ...]
    metric: Metric
    matrix: MatrixShape
    search: Component | None = None
    scheduler: Component | None = None
    retries: int = 1
    checkpoint: Checkpointing = field(default_factory=Checkpointing)
    together: Together = field(default_factory=Together)
    variant: Variant = field(default_factory=Variant)
    source: Path | None = None
    text: str = field(default="", repr=False)
    teachers: Mapping[str, Teacher] = field(default_factory=dict)

    @property
    def is_searched(self) -> bool:
        """Whether a searcher chooses the trials."""
        return self.search is not None

    @cached_property
    def trials(self) -> tuple[Cell, ...]:
        """All cells of the study, the last axis varying fastest; for a search its extremes.

        Raises:
            SpecError: With every fault of every trial.
        """
        cells = multiplied(self.axes, self.base_mapping, epoch_scale=self.variant.epoch_scale)
        return taught_cells(cells, self.teachers)

    @property
    def most_epochs(self) -> int:
        """Most epochs of a trial; for a search, of all that it may draw."""
        most = max(cell.train.all_epochs for cell in self.trials)
        scale = scaled_epochs(self.variant.epoch_scale or "1")
        ends = [axis.domain.high for axis in self.axes if axis.domain and axis.sets == "epochs"]
        return max([most, *(scale(int(end)) for end in ends)])

    def __getstate__(self) -> dict[str, Any]:
        """Omits the cached trials, because a worker receives only those that it may train."""
        return {name: value for name, value in self.__dict__.items() if name != "trials"}

    @cached_property
    def variant_id(self) -> str:
        """Hash of what all cells have in common: it stays if a study grows, not if it changes.

        It covers the base without what the axes set, the epoch scale, the name of `--apart`, and
        the results given by an earlier study: if those differ, rows of the same name are other
        trials. A matrix shows cells of one variant only.
        """
        return content_hash({"base": self.common, **self.variant.content})

    @cached_property
    def key(self) -> str:
        """The unique key of the study's variant."""
        return study_key(self.name, self.variant_id)

    @property
    def title(self) -> str:
        """The name of the study's run: the study's name, and how it differs from its file."""
        return self.variant.title(self.name)

    @property
    def is_plain(self) -> bool:
        """Whether the study is exactly as in its file."""
        return self.variant.is_plain

    @cached_property
    def common(self) -> dict[str, Any]:
        """The base as plain values, without keys that axes set and keys at their default."""
        # Not the canonical form: without an order, that form drops the layer schedule.
        common = self.base.without_defaults()
        for path in sorted(set().union(*(axis.own_paths for axis in self.axes))):
            parent: Any = common
            *folders, last = path.split(".")
            for folder in folders:
                parent = parent.get(folder, {}) if isinstance(parent, dict) else {}
            if isinstance(parent, dict):
                parent.pop(last, None)
        return common

    @classmethod
    def from_mapping(
        cls, mapping: object, *, source: Path | None = None, changed: Collection[str] = ()
    ) -> "StudySpec":
        """Reads a study from plain values.

        Args:
            mapping: The study.
            source: Its file.
            changed: Paths of keys that are not as in the file. Changed axes may lack the control
                that the file names; then there is none.

        Raises:
            SpecError: With every fault, each with its key path.
        """
        return cls(**read_study(mapping, changed), source=source)

    def with_seeds(self, seeds: tuple[int, ...]) -> "StudySpec":
        """The same study with these seeds; adds a seed axis if it has none."""
        axis = seed_axis(seeds)
        if any(old.paths == {"seed"} for old in self.axes):
            axes = [axis if old.paths == {"seed"} else old for old in self.axes]
            named = [
                replace(axis, name=old.name) if axis is new else new
                for old, new in zip(self.axes, axes, strict=True)
            ]
            return replace(self, axes=tuple(named))
        over = self.matrix.over or axis.name
        return replace(self, axes=(*self.axes, axis), matrix=replace(self.matrix, over=over))


def cell_key(study: StudySpec, cell: Cell) -> str:
    """The unique key of a cell: study, variant, labels (a hash, if they are long) and trial id."""
    labels = ",".join(f"{axis}={label}" for axis, label in cell.labels.items())
    if len(labels) > vocabulary.LONGEST_LABELS:
        labels = content_hash(dict(cell.labels))
    return f"{study.key}/{labels}/{cell.id}"
