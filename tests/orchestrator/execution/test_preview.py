"""What a sweep would do, from what is recorded."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.execution.options import SweepOptions
from orchestrator.execution.preview import Previews
from orchestrator.fingerprint.code import this_code
from orchestrator.home import Home
from orchestrator.launch import ResourceError, Resources
from orchestrator.record.describe import describe
from orchestrator.record.journal import Journal
from orchestrator.study.cells import Cell
from orchestrator.study.spec import StudySpec
from orchestrator.study.variant import Variant
from orchestrator.vocabulary import State


@pytest.fixture
def options(tmp_path: Path) -> SweepOptions:
    return SweepOptions(data_dir=tmp_path / "data", resources=Resources(concurrency=1))


@pytest.fixture
def ended(home: Home) -> Callable[..., None]:
    """Journals that a cell has ended."""

    def put(cell: Cell, study: StudySpec, state: State, **tags: str) -> None:
        with closing(Journal(home.journal)) as journal:
            named = {name.replace("_", "."): text for name, text in tags.items()}
            description = describe(cell, study, tags=named)
            journal.begin(description)
            journal.end(description.cell, state)

    return put


def test_trials_that_another_study_has_finished_with_this_code_count(
    home: Home, study: StudySpec, options: SweepOptions, ended: Callable[..., None]
) -> None:
    other = replace(study, name="other", variant=Variant(apart="mine"))
    first, second, *_ = study.trials
    code = this_code().of(first.train.to_mapping())
    ended(first, other, State.FINISHED, bnn_code=code)
    ended(second, other, State.FINISHED, bnn_code="results-0 of other code")
    assert Previews(home, options).of(study).plan.finished == {first.id}
    accepting = Previews(home, replace(options, accept_code=True))
    assert accepting.of(study).plan.finished == {first.id, second.id}


def test_failed_cells_alone_can_be_planned(
    home: Home, study: StudySpec, options: SweepOptions, ended: Callable[..., None]
) -> None:
    ended(study.trials[0], study, State.FAILED)
    ended(study.trials[1], study, State.FINISHED)
    found = Previews(home, replace(options, only_failed=True)).of(study)
    assert [cell.id for cell in found.plan.todo] == [study.trials[0].id]
    assert Previews(home, options).of(study).plan.num_todo == 7


def test_what_is_wrong_is_noted_or_refused(
    home: Home, study: StudySpec, options: SweepOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Previews(home, options).of(study).notes == ()
    with pytest.raises(ResourceError, match="4096 CPUs"):
        Previews(home, replace(options, resources=Resources(cpus=4096))).of(study)
    monkeypatch.setattr("orchestrator.planning.disk_check.free_bytes", lambda folder: 1_000)
    (note,) = Previews(home, options).of(study).notes
    assert "this needs about" in note
    assert Previews(home, replace(options, force=True)).of(study).notes == ()


def test_slots_that_this_machine_has_not_are_noted(
    home: Home, study: StudySpec, options: SweepOptions
) -> None:
    many = Previews(home, replace(options, resources=Resources(concurrency=4096))).of(study)
    assert many.slots < 4096
    what = f"this machine has room for {many.slots} at a time, not for --concurrency 4096"
    assert many.notes == (what,)


def test_nothing_is_made_where_nothing_is(
    tmp_path: Path, study: StudySpec, options: SweepOptions
) -> None:
    home = Home.at(tmp_path / "new")
    assert Previews(home, options).of(study).plan.num_todo == 8
    assert not home.root.exists()


def test_other_options_are_planned_from_the_same_records(
    home: Home, study: StudySpec, options: SweepOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Previews(home, options)
    first.of(study)

    def never(*arguments: Any) -> None:
        raise AssertionError("it was read before")

    monkeypatch.setattr("orchestrator.execution.preview.Reader", never)
    alone = first.with_options(replace(options, share=False))
    assert alone.of(study).plan.share is False
    assert first.most_slots(study) >= 1
