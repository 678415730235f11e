"""The checksums of what the trials of a study train on."""

from pathlib import Path

from orchestrator.planning.checksums import data_checksums, part_of
from orchestrator.study.expansion import expand
from orchestrator.study.spec import StudySpec
from trainers.data import SOURCES


def test_the_checksum_is_that_of_each_data_set_once(study: StudySpec, tmp_path: Path) -> None:
    assert len(expand(study)) > 1
    splits = SOURCES["digits"].load(tmp_path, True)
    part = part_of(expand(study)[0].train)
    assert data_checksums(study, tmp_path) == {part: splits.checksum()}
