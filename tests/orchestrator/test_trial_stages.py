"""The stages of a trial as plain values."""

from typing import Any

import pytest

from orchestrator.planning.workload import work_of
from orchestrator.study.catalog import load_study, study_files
from orchestrator.trial_stages import stages_of
from trainers import TrainSpec

ABLATION = load_study("tricks-ablation").trials
STAGED = {cell.id: cell.train for cell in ABLATION if cell.train.before is not None}


def test_a_trial_without_stages_before_is_its_only_stage() -> None:
    train = {"epochs": 3, "data": {"name": "digits"}, "before": None}
    assert stages_of(train) == (train,)


def test_a_stage_has_what_it_does_not_say_from_the_stage_after_it() -> None:
    train: dict[str, Any] = {
        "epochs": 3,
        "data": {"name": "digits", "batch_size": 32, "augment": {"crop": 4}},
        "seed": 1,
        "before": {"data": {"batch_size": 8}, "before": {"epochs": 5}},
    }
    data = {"name": "digits", "batch_size": 8, "augment": {"crop": 4}}
    assert stages_of(train) == (
        {"epochs": 5, "data": data, "seed": 1, "before": None},
        {"epochs": 3, "data": data, "seed": 1, "before": {"epochs": 5}},
        train,
    )


@pytest.mark.parametrize("before", [None, {}, "none", 3])
def test_what_is_no_stage_is_none(before: object) -> None:
    assert len(stages_of({"epochs": 3, "before": before})) == 1


@pytest.mark.parametrize("train", STAGED.values(), ids=STAGED)
def test_stages_are_those_that_are_trained(train: TrainSpec) -> None:
    found = [TrainSpec.from_mapping(stage) for stage in stages_of(train.to_mapping())[:-1]]
    assert found == list(train.stages[:-1])
    assert len(found) in (1, 2)


@pytest.mark.parametrize("name", study_files())
def test_the_work_of_a_shipped_trial_has_the_epochs_of_all_its_stages(name: str) -> None:
    for cell in load_study(name).trials:
        work = work_of(cell.train.to_mapping())
        assert sum(stretch.epochs for stretch in work) == cell.train.all_epochs
