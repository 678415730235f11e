"""What the trials of a study train on, and whether it is here."""

from pathlib import Path

from orchestrator.study.expansion import expand
from orchestrator.study.spec import StudySpec
from trainers.data import SOURCES


def data_checksum(study: StudySpec, data_dir: Path) -> str:
    """Loads what the trials train on; SHA-256 of each data set.

    Raises:
        MissingDataError: If one is neither there nor to be downloaded.
    """
    sources = {(cell.train.data.source, cell.train.measure_test) for cell in expand(study)}
    return " ".join(
        SOURCES[source.name].load(data_dir, test, **source.options).checksum()
        for source, test in sorted(sources, key=str)
    )
