"""Loads the data sets of a study and computes their checksums."""

from pathlib import Path

from orchestrator.study.spec import StudySpec
from trainers.data import SOURCES


def data_checksum(study: StudySpec, data_dir: Path) -> str:
    """Loads the trials' data sets and returns the SHA-256 of each.

    Raises:
        MissingDataError: If a data set is missing and cannot be downloaded.
    """
    sources = {(cell.train.data.source, cell.train.measure_test) for cell in study.trials}
    return " ".join(
        SOURCES[source.name].load(data_dir, test, **source.options).checksum()
        for source, test in sorted(sources, key=str)
    )
