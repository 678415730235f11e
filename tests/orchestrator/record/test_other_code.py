"""Results of other code beside those of this one."""

import json
from dataclasses import replace

import pytest

from orchestrator import vocabulary
from orchestrator.fingerprint.code import Code, Origin
from orchestrator.mlflow_reader.cells import RecordedCell
from orchestrator.record.other_code import accepted_tags, of_other_code, refuse_other_code
from orchestrator.study.catalog import StudyError
from orchestrator.study.cells import Cell
from orchestrator.study.spec import StudySpec
from orchestrator.vocabulary import State

COMMIT = "b" * 40
FIT = str(Origin(1, {"engine/fit.py": "0" * 16}))


@pytest.fixture
def recorded(cells: tuple[Cell, ...]) -> list[RecordedCell]:
    """Finished cells of this code."""
    return [
        RecordedCell(
            run_id=f"run {cell.id}",
            key=cell.name,
            trial=cell.id,
            labels=cell.labels,
            state=State.FINISHED,
            name=cell.name,
            code="results-1",
            train=json.dumps(cell.train.to_mapping()),
        )
        for cell in cells
    ]


def _refused(study: StudySpec, recorded: list[RecordedCell], code: Code) -> tuple[str, str]:
    with pytest.raises(StudyError, match="trained by other code") as raised:
        refuse_other_code(study, recorded, code=code, commit=COMMIT)
    [fault] = raised.value.faults
    return fault.what, fault.hint


@pytest.mark.parametrize("origin", ["", "results-1", "2c97e19b258dc8e2"])
def test_results_of_the_same_code_pass(
    origin: str, study: StudySpec, recorded: list[RecordedCell], code: Code
) -> None:
    same = [replace(cell, code=origin) for cell in recorded]
    refuse_other_code(study, same, code=code, commit=COMMIT)
    assert of_other_code(same, code) == []
    assert accepted_tags(same, code) == {}


def test_other_code_is_refused_with_the_files_that_changed(
    study: StudySpec, recorded: list[RecordedCell], code: Code
) -> None:
    theirs = replace(recorded[0], code=FIT, commit=f"{'d' * 40}-dirty")
    what, hint = _refused(study, [theirs, *recorded[1:]], code)
    assert what == (
        f"1 cells were trained by other code (commit {'d' * 12}-dirty) than this "
        f"(commit {'b' * 12}): trainers/engine/fit.py changed"
    )
    assert "--accept-code" in hint
    assert "--apart NAME" in hint


def test_of_many_files_some_are_shown(
    study: StudySpec, recorded: list[RecordedCell], code: Code
) -> None:
    names = (
        "build.py",
        "losses/entropy.py",
        "seeding.py",
        "storage.py",
        "training.py",
        "models/mlp.py",
    )
    theirs = [
        replace(cell, code=str(Origin(1, {name: "0" * 16})))
        for cell, name in zip(recorded, names, strict=False)
    ]
    what, _ = _refused(study, theirs, code)
    shown = ("build.py", "losses/entropy.py", "models/mlp.py", "seeding.py")
    assert ", ".join(f"trainers/{name}" for name in shown) in what
    assert what.endswith(", 2 more changed")


def test_it_is_said_where_it_is_not_known_what_changed(
    study: StudySpec, recorded: list[RecordedCell], code: Code
) -> None:
    theirs = [replace(cell, code="f00df00df00df00d") for cell in recorded]
    what, _ = _refused(study, theirs, code)
    assert f"{len(recorded)} cells were trained by other code than this" in what
    assert what.endswith("it is not recorded which of its files changed")


def test_what_is_accepted_is_said(recorded: list[RecordedCell], code: Code) -> None:
    theirs = [
        replace(cell, code=text) for cell, text in zip(recorded, (FIT, "f00d"), strict=False)
    ]
    tags = accepted_tags([*theirs, *recorded[2:]], code)
    assert json.loads(tags[vocabulary.ACCEPTED_CODE]) == ["f00d", FIT]
