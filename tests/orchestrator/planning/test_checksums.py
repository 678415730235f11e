"""Whether what the trials of a study train on is here."""

from pathlib import Path

from orchestrator.planning.checksums import data_checksum
from orchestrator.study.expansion import expand
from orchestrator.study.spec import StudySpec
from trainers.data import SOURCES


def test_the_checksum_is_that_of_each_data_set_once(study: StudySpec, tmp_path: Path) -> None:
    assert len(expand(study)) > 1
    splits = SOURCES["digits"].load(tmp_path, True)
    assert data_checksum(study, tmp_path) == splits.checksum()
