"""Results of data that changed, beside those of the data that are here."""

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.mlflow_reader.cells import RecordedCell
from orchestrator.planning.checksums import Part, part_of
from orchestrator.record.other_data import StudyData, refuse_other_data
from orchestrator.study.catalog import StudyError
from orchestrator.study.cells import Cell
from orchestrator.study.spec import StudySpec
from orchestrator.vocabulary import State
from trainers.errors import MissingDataError

NOW, BEFORE = "n" * 64, "b" * 64


@pytest.fixture
def recorded(cells: tuple[Cell, ...]) -> list[RecordedCell]:
    """Finished cells of the data of now."""
    return [
        RecordedCell(run_id="r", name=cell.name, trial=cell.id, state=State.FINISHED, data=NOW)
        for cell in cells
    ]


@pytest.fixture
def data(study: StudySpec) -> StudyData:
    sums: dict[Part, str] = {part_of(cell.train): NOW for cell in study.trials}
    return StudyData(study, lambda: sums)


def test_cells_of_the_same_data_pass_and_those_that_do_not_say(
    study: StudySpec, recorded: list[RecordedCell], data: StudyData, tmp_path: Path
) -> None:
    # A study that had two data sets names both.
    others = [replace(recorded[0], data=""), replace(recorded[1], data=f"{BEFORE} {NOW}")]
    refuse_other_data(study, [*recorded, *others], data=data, folder=tmp_path)
    assert data.load() == NOW


def test_cells_of_data_that_changed_are_refused_by_name(
    study: StudySpec, recorded: list[RecordedCell], data: StudyData, tmp_path: Path
) -> None:
    theirs = replace(recorded[0], data=BEFORE, key="elsewhere/v/seed=7/t")
    with pytest.raises(
        StudyError, match="1 cells were trained with other data than are in"
    ) as raised:
        refuse_other_data(study, [theirs, *recorded[1:]], data=data, folder=tmp_path)
    [fault] = raised.value.faults
    assert str(tmp_path) in fault.what
    assert f"{theirs.name} of 'elsewhere'" in fault.what
    assert "--home FOLDER" in fault.hint


def test_many_cells_are_counted(
    study: StudySpec, recorded: list[RecordedCell], data: StudyData, tmp_path: Path
) -> None:
    theirs = [replace(recorded[0], data=BEFORE, name=f"cell {place}") for place in range(5)]
    with pytest.raises(StudyError, match="cell 0; cell 1; cell 2; 2 more"):
        refuse_other_data(study, theirs, data=data, folder=tmp_path)


def test_a_trial_that_the_study_does_not_list_has_its_only_data_set(
    recorded: list[RecordedCell], data: StudyData
) -> None:
    drawn = replace(recorded[0], trial="drawn by a search")
    assert data.has_trained(drawn)
    assert not data.has_trained(replace(drawn, data=BEFORE))


def test_data_are_read_once_and_only_for_cells_that_name_theirs(
    study: StudySpec, recorded: list[RecordedCell]
) -> None:
    reads = []

    def load() -> dict[Part, str]:
        reads.append("read")
        return {part_of(cell.train): NOW for cell in study.trials}

    data = StudyData(study, load)
    assert data.has_trained(replace(recorded[0], data=""))
    assert reads == []
    assert data.has_trained(recorded[0])
    assert data.load() == NOW
    assert reads == ["read"]


def test_without_the_data_results_count(study: StudySpec, recorded: list[RecordedCell]) -> None:
    def load() -> dict[Part, str]:
        raise MissingDataError("there are none")

    assert StudyData(study, load).has_trained(replace(recorded[0], data=BEFORE))
