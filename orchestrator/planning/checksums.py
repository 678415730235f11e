"""Loads the data sets of a study and computes their checksums."""

from pathlib import Path

from orchestrator.study.spec import StudySpec
from trainers.binding import Component
from trainers.data import SOURCES
from trainers.spec.train_spec import TrainSpec

Part = tuple[Component, bool]
"""A data set, and whether its test part is read."""


def part_of(train: TrainSpec) -> Part:
    """What a trial reads."""
    return train.data.source, train.measure_test


def data_checksums(study: StudySpec, data_dir: Path) -> dict[Part, str]:
    """Loads the trials' data sets and returns the SHA-256 of each.

    Raises:
        MissingDataError: If a data set is missing and cannot be downloaded.
    """
    return {
        (source, test): SOURCES[source.name].load(data_dir, test, **source.options).checksum()
        for source, test in sorted({part_of(cell.train) for cell in study.trials}, key=str)
    }
