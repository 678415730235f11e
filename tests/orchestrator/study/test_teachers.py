"""Runs that a study names as teachers."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from orchestrator.study.expansion import expand, pick
from orchestrator.study.spec import StudySpec
from orchestrator.study.teachers import runs_named
from trainers.spec.added import Teacher

FOUND = Teacher(file="/teachers/one", sha256=32 * "a1")
AXIS = {
    "name": "how",
    "values": {
        "alone": {"distillation": "none"},
        "taught": {"teacher": {"run": "best:other"}, "distillation": "kl"},
        "first": {"before": {"teacher": {"run": "abc"}, "distillation": "kl"}},
    },
}
CHANGES: dict[str, Any] = {"axes": [AXIS], "matrix": {"rows": "how"}}


def test_a_study_names_runs_on_axes_and_in_stages(make_study: Callable[..., StudySpec]) -> None:
    study = make_study(**CHANGES)
    assert runs_named(expand(study)) == ("best:other", "abc")
    assert len({cell.id for cell in expand(study)}) == 3


def test_a_run_that_was_found_is_a_file_in_the_trial(make_study: Callable[..., StudySpec]) -> None:
    study = make_study(**CHANGES)
    file = {"file": FOUND.file, "sha256": FOUND.sha256}
    axis: Any = {
        **AXIS,
        "values": {**AXIS["values"], "taught": {"teacher": file, "distillation": "kl"}},
    }
    by_file = make_study(**{**CHANGES, "axes": [axis]})
    found = replace(study, teachers={"best:other": FOUND})
    assert runs_named(expand(found)) == ("abc",)
    assert pick(found, "how=taught") == pick(by_file, "how=taught") == expand(found)[1]
    # The study is the same one, whatever its teachers are found to be.
    assert found.variant_id == study.variant_id
    assert replace(study, teachers={"abc": FOUND}).trials[2].train.stages[0].teacher == FOUND
