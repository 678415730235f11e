"""The pure parts of a sweep: what it says of itself, and what it refuses."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from orchestrator import vocabulary
from orchestrator.mlflow_reader.cells import RecordedCell
from orchestrator.planning.planning import plan
from orchestrator.planning.sharing import stems
from orchestrator.record.conflicts import (
    parent_tags,
    plan_content,
    refuse_changed_labels,
    refuse_other_values,
    study_record,
)
from orchestrator.record.describe import flat_params
from orchestrator.study.catalog import StudyError
from orchestrator.study.cells import Cell
from orchestrator.study.expansion import expand
from orchestrator.study.spec import StudySpec, cell_key
from orchestrator.study.variant import Variant
from orchestrator.vocabulary import State
from trainers.spec.train_spec import TrainSpec

MakeStudy = Callable[..., StudySpec]


def test_the_run_of_a_study_says_how_its_matrix_is_laid_out(study: StudySpec) -> None:
    changed = replace(
        study, variant=Variant(epoch_scale="0.5", overrides=("base.weight_decay=0", "retries=2"))
    )
    tags = parent_tags(changed)
    assert tags[vocabulary.ROWS_AXIS] == "order"
    assert json.loads(tags[vocabulary.ROWS]) == ["float", "binary", "forward", "reverse"]
    assert tags[vocabulary.OVER_AXIS] == "seed"
    assert tags[vocabulary.SORT] == "study"
    assert json.loads(tags[vocabulary.ALSO]) == ["last/test_error"]
    assert tags[vocabulary.METRIC_NAME] == "selected/test_error"
    assert tags[vocabulary.METRIC_BETTER] == "lower"
    assert tags[vocabulary.EPOCH_SCALE] == "0.5"
    assert json.loads(tags[vocabulary.OVERRIDES]) == ["base.weight_decay=0"]
    assert tags[vocabulary.AS_PUBLISHED] == ""
    published = parent_tags(replace(study, variant=Variant(as_published=True)))
    assert published[vocabulary.AS_PUBLISHED] == "true"
    assert tags["mlflow.note.content"] == study.question
    assert study.name in tags["mlflow.source.name"]


def test_the_run_of_a_study_says_what_its_rows_are_compared_with(study: StudySpec) -> None:
    assert parent_tags(study)[vocabulary.CONTROL] == ""
    shape = replace(study.matrix, control="binary", margin=0.5, sort="effect")
    tags = parent_tags(replace(study, matrix=shape))
    assert tags[vocabulary.SORT] == "effect"
    assert tags[vocabulary.CONTROL] == "binary"
    assert json.loads(tags[vocabulary.CONTROLS]) == ["binary", "float"]
    assert tags[vocabulary.MARGIN] == "0.5"
    assert tags[vocabulary.PLANNED] == "2"


def test_a_searched_row_axis_has_no_labels_beforehand(make_search: MakeStudy) -> None:
    tags = parent_tags(make_search())
    assert json.loads(tags[vocabulary.ROWS]) == []
    assert tags[vocabulary.OVER_AXIS] == ""
    assert all(isinstance(value, str) for value in tags.values())


def test_a_plan_as_plain_values_names_every_cell_and_what_it_trains(
    study: StudySpec, cells: tuple[Cell, ...]
) -> None:
    content = plan_content(
        plan(replace(study, variant=Variant(overrides=("a=b",))), finished=[cells[0].id])
    )
    content = json.loads(json.dumps(content))
    assert content["study"] == "tiny"
    assert content["overrides"] == ["a=b"]
    assert content["epoch_scale"] == ""
    assert content["as_published"] is False
    assert (content["num_cells"], content["num_todo"]) == (8, 7)
    assert (content["epochs"], content["epochs_todo"]) == (16, 14)
    assert [cell["trial"] for cell in content["cells"]] == [cell.id for cell in cells]
    assert content["cells"][3]["labels"] == {"order": "binary", "seed": "2"}
    assert TrainSpec.from_mapping(content["cells"][3]["train"]) == cells[3].train


def test_a_plan_says_what_is_shared_and_who_begins_with_whose_epochs(
    make_study: MakeStudy,
) -> None:
    base = make_study().base.to_mapping() | {
        "model": {"name": "mlp", "widths": [64, 8, 8, 10]},
        "layers": {"order": [1, 2, 3], "epochs_per_layer": 4},
        "epochs": 12,
    }
    order = {"name": "order", "sets": "layers.order", "permutations": ["forward", "132"]}
    study = make_study(base=base, axes=[order], matrix={"rows": "order"})
    content = json.loads(json.dumps(plan_content(plan(study))))
    assert content["shared"] == "5 stage trainings instead of 6, 20 epochs instead of 24"
    assert (content["epochs"], content["epochs_alone"]) == (20, 24)
    assert (content["stage_trainings"], content["stage_trainings_alone"]) == (5, 6)
    forward, other = content["cells"]
    assert (forward["leaves"], other["leaves"]) == ([4], [])
    assert other["inherits"] == {"epochs": 4, "from": "forward"}
    assert "inherits" not in forward
    available = [stems(expand(study)[1].train)[0].id]
    content = plan_content(plan(study, finished=[expand(study)[0].id], available=available))
    assert content["cells"][1]["inherits"] == {"epochs": 4, "from": "an earlier sweep"}  # type: ignore[index]
    assert plan_content(plan(study, share=False))["shared"] == "nothing"


@pytest.fixture
def recorded(study: StudySpec, cells: tuple[Cell, ...]) -> list[RecordedCell]:
    return [
        RecordedCell(
            run_id=f"run {cell.id}",
            key=cell_key(study, cell),
            trial=cell.id,
            labels=cell.labels,
            state=State.FINISHED,
            name=cell.name,
        )
        for cell in cells
    ]


def test_a_study_that_only_grew_is_welcome(
    study: StudySpec, recorded: list[RecordedCell], make_study: MakeStudy
) -> None:
    refuse_changed_labels(study, recorded)
    refuse_changed_labels(study, recorded[:3])
    refuse_changed_labels(study.with_seeds((1, 2, 3)), recorded)
    refuse_changed_labels(study.with_seeds((8,)), recorded)


def test_labels_that_come_to_mean_other_trials_are_refused_with_both(
    study: StudySpec, cells: tuple[Cell, ...], recorded: list[RecordedCell]
) -> None:
    changed = [replace(recorded[0], trial="f" * 16), *recorded[1:]]
    with pytest.raises(StudyError, match="now means trial") as raised:
        refuse_changed_labels(study, changed)
    [fault] = raised.value.faults
    assert raised.value.source == "tiny"
    assert cells[0].name in fault.path
    assert cells[0].id in fault.what
    assert "f" * 16 in fault.what
    assert "another label" in fault.hint


def test_what_a_search_drew_is_never_refused(
    make_search: MakeStudy, recorded: list[RecordedCell]
) -> None:
    refuse_changed_labels(make_search(), [replace(recorded[0], trial="f" * 16)])


def test_labels_whose_values_are_known_are_refused_with_what_differs(
    cells: tuple[Cell, ...], study: StudySpec, recorded: list[RecordedCell]
) -> None:
    theirs = {**flat_params(cells[0]), "optimizer.lr": "0.5"}
    changed = [replace(recorded[0], trial="f" * 16, params=theirs), *recorded[1:]]
    with pytest.raises(StudyError, match=r"\(optimizer.lr 0.01\), but .* \(optimizer.lr 0.5\)"):
        refuse_changed_labels(study, changed)


def test_what_mlflow_is_to_say_of_a_study(study: StudySpec) -> None:
    record = study_record(
        replace(study, variant=Variant(apart="v2")),
        state=State.RUNNING,
        texts={"a.txt": "b"},
    )
    assert (record.name, record.variant) != (study.name, study.variant_id)
    assert record.title == "tiny · apart: v2"
    assert record.tags[vocabulary.APART] == "v2"
    assert json.loads(record.tags[vocabulary.BASE]) == study.common
    assert (record.state, record.texts) == ("running", {"a.txt": "b"})


def _with_rate(make_study: MakeStudy, rate: float, **more: object) -> StudySpec:
    base = make_study().base.to_mapping() | {"optimizer": {"name": "adam", "lr": rate}, **more}
    return make_study(base=base)


def test_other_values_under_the_name_of_a_study_are_refused_with_both(
    study: StudySpec, make_study: MakeStudy
) -> None:
    before = [study_record(study)]
    changed = _with_rate(make_study, 0.5)
    refuse_other_values(study, [])
    refuse_other_values(study, before)
    with pytest.raises(StudyError, match="changed since the first sweep") as raised:
        refuse_other_values(changed, before)
    [fault] = raised.value.faults
    assert fault.path == "base"
    assert "(optimizer.lr 0.5)" in fault.what
    assert "(optimizer.lr 0.01)" in fault.what
    assert "restore the values" in fault.hint
    assert "--apart NAME" in fault.hint
    # Those that were put back are known still.
    refuse_other_values(
        study, [*before, study_record(replace(changed, variant=Variant(apart="v2")))]
    )


@pytest.mark.parametrize(
    "asked",
    [{"apart": "v2"}, {"overrides": ("base.optimizer.lr=0.5",)}, {"epoch_scale": "0.5"}],
    ids=["apart", "overridden", "scaled"],
)
def test_other_values_that_are_asked_for_are_cells_of_their_own(
    asked: dict[str, Any], study: StudySpec, make_study: MakeStudy
) -> None:
    changed = replace(_with_rate(make_study, 0.5), variant=Variant(**asked))
    refuse_other_values(changed, [study_record(study)])
    # Under the same request they are compared again.
    with pytest.raises(StudyError, match="changed since the first sweep"):
        refuse_other_values(replace(study, variant=Variant(**asked)), [study_record(changed)])


def test_many_values_that_differ_are_not_all_shown(
    study: StudySpec, make_study: MakeStudy
) -> None:
    more = {
        "epochs": 4,
        "loss": {"name": "cross_entropy", "label_smoothing": 0.1},
        "data": {"name": "digits", "batch_size": 32},
        "layers": {"order": ["fc1", "fc2"], "epochs_per_layer": 2},
    }
    changed = _with_rate(make_study, 0.5, **more)
    with pytest.raises(StudyError, match=r"[0-9]+ more\), is now"):
        refuse_other_values(changed, [study_record(study)])


def test_values_of_a_study_that_did_not_record_them_are_refused_without(
    study: StudySpec, make_study: MakeStudy
) -> None:
    record = study_record(study)
    tags = {key: value for key, value in record.tags.items() if key != vocabulary.BASE}
    with pytest.raises(StudyError, match="first sweep under this name; restore"):
        refuse_other_values(_with_rate(make_study, 0.5), [replace(record, tags=tags)])
