"""Studies as typed records: what is read, what is refused, and what makes a trial the same."""

import copy
import json
import pickle
import random
import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.study.cells import Cell, content_hash, minimal
from orchestrator.study.checkpointing import Checkpointing
from orchestrator.study.expansion import expand
from orchestrator.study.product import multiplied
from orchestrator.study.reading import KEYS
from orchestrator.study.shown import MatrixShape, Metric
from orchestrator.study.spec import StudySpec, cell_key
from orchestrator.study.variant import Variant
from trainers.binding import Component
from trainers.errors import SpecError
from trainers.spec.train_spec import TrainSpec

MakeMapping = Callable[..., dict[str, Any]]
MakeStudy = Callable[..., StudySpec]

TRAIN: dict[str, Any] = {
    "model": {"name": "mlp", "widths": [64, 8, 10]},
    "data": {"name": "digits", "batch_size": 64},
    "optimizer": {"name": "adam", "lr": 0.01},
    "weights": {"name": "sign"},
    "layers": {"order": ["fc1", "fc2"], "epochs_per_layer": 1},
    "epochs": 2,
    "seed": 7,
}
WRITTEN_DEFAULTS: dict[str, Any] = {
    "lr_schedule": "constant",
    "loss": {"name": "cross_entropy", "label_smoothing": 0.0},
    "precision": "float32",
    "optimizer": {"name": "adam", "lr": 0.01, "betas": [0.9, 0.999], "eps": 1e-8},
    "data": {"name": "digits", "batch_size": 64, "eval_batch_size": 1000},
}


def _trial(**changes: Any) -> Cell:
    return Cell(train=TrainSpec.from_mapping(copy.deepcopy(TRAIN) | changes), labels={})


def _shuffled(value: Any, source: random.Random) -> Any:
    """The same content, keys of every mapping in another order."""
    if isinstance(value, Mapping):
        keys = list(value)
        source.shuffle(keys)
        return {key: _shuffled(value[key], source) for key in keys}
    return [_shuffled(item, source) for item in value] if isinstance(value, list) else value


@pytest.fixture
def faults(make_mapping: MakeMapping) -> Callable[..., dict[str, str]]:
    """What is said about a study, by path."""

    def read(**changes: Any) -> dict[str, str]:
        with pytest.raises(SpecError, match=r"\S") as raised:
            StudySpec.from_mapping(make_mapping(**changes))
        return {fault.path: f"{fault.what}; {fault.hint}" for fault in raised.value.faults}

    return read


Faults = Callable[..., dict[str, str]]


def test_a_mapping_becomes_a_typed_study(study: StudySpec) -> None:
    assert study.name == "tiny"
    assert study.question.endswith("?")
    assert [axis.name for axis in study.axes] == ["order", "seed"]
    assert study.metric == Metric(name="selected/test_error", better="lower")
    assert study.matrix == MatrixShape(rows="order", over="seed", also=("last/test_error",))
    assert study.base == TrainSpec.from_mapping(TRAIN)
    assert (study.retries, study.checkpoint) == (1, Checkpointing())
    assert study.search is None
    assert study.scheduler is None
    assert not study.is_searched


def test_a_searched_study_has_a_searcher_and_a_scheduler(make_search: MakeStudy) -> None:
    study = make_search()
    assert study.is_searched
    assert study.search == Component("optuna", {"num_samples": 5})
    assert study.scheduler == Component("asha", {"grace_period": 2})


def test_everything_that_is_missing_is_said_at_once() -> None:
    with pytest.raises(SpecError, match="is missing") as raised:
        StudySpec.from_mapping({"study": "tiny", "axes": [{"name": "seed", "seeds": [1]}]})
    paths = {fault.path for fault in raised.value.faults}
    assert {"question", "base", "metric.name", "matrix.rows"} <= paths


@pytest.mark.parametrize("value", [None, 5, "a study", [1, 2], ["study"]])
def test_a_study_is_a_mapping(value: object) -> None:
    with pytest.raises(SpecError, match="expected a study as a mapping"):
        StudySpec.from_mapping(value)


def test_faults_of_every_part_come_with_their_paths(faults: Faults) -> None:
    base = copy.deepcopy(TRAIN)
    base["optimizer"]["lr"] = "fast"
    base["weights"]["name"] = "sing"
    found = faults(
        base=base,
        quesiton="Why?",
        metric={"name": "test/eror"},
        matrix={"rows": "ordr", "over": "sed", "also": ["last/epohc"]},
        retries=-1,
        checkpoint={"policy": "lats"},
        scheduler={"name": "ahsa"},
    )
    for path, near in {
        "base.optimizer.lr": "expected a number",
        "base.weights.name": "did you mean 'sign'",
        "quesiton": "did you mean 'question'",
        "metric.name": "did you mean 'test/error'",
        "matrix.rows": "did you mean 'order'",
        "matrix.over": "did you mean 'seed'",
        "matrix.also": "did you mean 'last/epoch'",
        "retries": "0 or more",
        "checkpoint.policy": "did you mean 'last'",
        "scheduler.name": "did you mean 'asha'",
    }.items():
        assert near in found[path]


@pytest.mark.parametrize("name", ["", "a b", "a/b", "ä.b", "../a", 5, None])
def test_a_study_has_a_plain_name(name: object, make_mapping: MakeMapping) -> None:
    with pytest.raises(SpecError, match="study: "):
        StudySpec.from_mapping(make_mapping() | {"study": name})


def test_a_name_that_mlflow_has_taken_is_refused(
    make_mapping: MakeMapping, faults: Faults
) -> None:
    assert "every MLflow store has" in faults(study="Default")["study"]
    for name in ("default", "0", "mlflow", "Défaut"):
        StudySpec.from_mapping(make_mapping() | {"study": name})


def test_names_have_an_end(make_mapping: MakeMapping, faults: Faults) -> None:
    StudySpec.from_mapping(make_mapping() | {"study": "x" * 60})
    assert "has 61 characters" in faults(study="x" * 61)["study"]
    found = faults(axes=[{"name": "x" * 61, "seeds": [1]}])
    assert any("has 61 characters" in what for what in found.values())


@pytest.mark.parametrize("axes", [[], None, {}, "seed"])
def test_a_study_varies_something(axes: object, make_mapping: MakeMapping) -> None:
    with pytest.raises(SpecError, match=r"axes: (is empty|expected a list)"):
        StudySpec.from_mapping(make_mapping() | {"axes": axes})


def test_faults_of_axes_go_by_their_names(faults: Faults) -> None:
    axes = [{"name": "order", "sets": "layers.order", "permutations": [99]}, "seed", {"seeds": 1}]
    found = faults(axes=axes)
    assert {"axes.order.permutations.0", "axes.1", "axes.2.name"} <= set(found)


def test_two_axes_have_different_names_and_keys(faults: Faults) -> None:
    axes = [{"name": "seed", "seeds": [1]}, {"name": "seed", "sets": "epochs", "values": [2]}]
    assert "two axes have this name" in faults(axes=axes, matrix={"rows": "seed"})["axes.seed"]
    axes[1] = {"name": "again", "sets": "seed", "values": [2]}
    assert "axis seed sets too" in faults(axes=axes, matrix={"rows": "seed"})["axes.again"]


def test_a_searched_axis_wants_a_searcher(make_search: MakeStudy) -> None:
    with pytest.raises(SpecError, match="search: is missing: axis lr is searched"):
        make_search(search=None)


def test_a_searcher_wants_a_searched_axis(faults: Faults) -> None:
    found = faults(search={"name": "random", "num_samples": 2})
    assert "searches nothing" in found["search"]


def test_a_searched_study_goes_through_no_axis(make_search: MakeStudy, faults: Faults) -> None:
    lr = {"name": "lr", "sets": "optimizer.lr", "range": {"low": 0.1, "high": 1}}
    seeds = {"name": "seed", "seeds": [1, 2]}
    changes = {"search": {"name": "random", "num_samples": 2}, "matrix": {"rows": "lr"}}
    assert "does not train each of them" in faults(axes=[lr, seeds], **changes)["axes.seed"]
    assert make_search(axes=[lr, seeds | {"seeds": [1]}], **changes).is_searched


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"search": {"name": "optuna"}}, "search.num_samples"),
        ({"search": {"name": "optuna", "num_samples": 0}}, "search.num_samples"),
        ({"search": {"name": "optuna", "num_samples": 2, "sed": 1}}, "search.sed"),
        ({"search": {"name": "hyperopt", "num_samples": 2}}, "search.name"),
        ({"scheduler": {"name": "asha", "reduction_factor": 1}}, "scheduler.reduction_factor"),
        ({"scheduler": {"name": "median", "grace_period": 0}}, "scheduler.grace_period"),
        ({"checkpoint": {"every": 0}}, "checkpoint.every"),
        ({"checkpoint": "last"}, "checkpoint"),
        ({"metric": {"name": "last/test_error", "better": "smaller"}}, "metric.better"),
        ({"retries": 1.5}, "retries"),
        ({"question": 5}, "question"),
    ],
)
def test_a_wrong_option_is_a_fault_at_its_path(
    changes: dict[str, Any], path: str, make_search: MakeStudy
) -> None:
    with pytest.raises(SpecError, match=r"\S") as raised:
        make_search(**changes)
    assert [fault.path for fault in raised.value.faults] == [path]


def test_orders_are_counted_even_where_other_parts_of_the_base_are_wrong(faults: Faults) -> None:
    base = copy.deepcopy(TRAIN)
    base["optimizer"] = {"name": "adam"}
    assert set(faults(base=base)) == {"base.optimizer.lr"}


def test_a_study_without_a_seed_axis_gets_one(make_study: MakeStudy) -> None:
    axes = [{"name": "lr", "sets": "optimizer.lr", "values": [0.1, 0.2]}]
    study = make_study(axes=axes, matrix={"rows": "lr"}).with_seeds((5, 6))
    assert [axis.name for axis in study.axes] == ["lr", "seed"]
    assert study.matrix.over == "seed"
    assert {cell.train.seed for cell in expand(study)} == {5, 6}


def test_other_seeds_keep_the_name_and_place_of_the_axis(make_study: MakeStudy) -> None:
    axes = [
        {"name": "start", "seeds": [1]},
        {"name": "lr", "sets": "optimizer.lr", "values": [0.1, 0.2]},
    ]
    study = make_study(axes=axes, matrix={"rows": "lr", "over": "start"}).with_seeds((5, 6))
    assert [axis.name for axis in study.axes] == ["start", "lr"]
    assert list(study.axes[0].points) == ["5", "6"]
    assert study.matrix.over == "start"


def test_a_study_may_grow_without_becoming_another_variant(make_study: MakeStudy) -> None:
    study = make_study()
    assert study.with_seeds((8, 9)).variant_id == study.variant_id
    axes = [
        {"name": "order", "sets": "layers.order", "permutations": ["forward"]},
        {"name": "seed", "seeds": [1]},
    ]
    controls = axes[0] | {"controls": ["float"]}
    assert make_study(axes=[controls, axes[1]]).variant_id == study.variant_id
    assert make_study(question="Another?", retries=3).variant_id == study.variant_id


ORDER_AXIS: dict[str, Any] = {
    "name": "order",
    "sets": "layers.order",
    "permutations": ["forward"],
}


@pytest.mark.parametrize(
    "grown",
    [
        {"controls": ["float"]},
        {"controls": ["binary"]},
        {"controls": ["float", "binary"]},
        {"permutations": ["forward", "reverse"]},
        {"permutations": "all", "controls": ["binary", "float"]},
    ],
)
def test_controls_and_labels_added_to_an_axis_leave_the_variant(
    grown: dict[str, Any], make_study: MakeStudy
) -> None:
    before = make_study(axes=[ORDER_AXIS, {"name": "seed", "seeds": [1]}])
    after = make_study(axes=[ORDER_AXIS | grown, {"name": "seed", "seeds": [1, 2, 3]}])
    assert after.variant_id == before.variant_id


@pytest.mark.parametrize("controls", [[], ["float", "binary"]])
def test_other_epochs_per_layer_are_another_variant_with_and_without_controls(
    controls: list[str], make_study: MakeStudy
) -> None:
    axes = [ORDER_AXIS | {"controls": controls}, {"name": "seed", "seeds": [1]}]
    bases = [
        copy.deepcopy(TRAIN) | {"epochs": 9, "layers": {**TRAIN["layers"], "epochs_per_layer": n}}
        for n in (0, 1, 2)
    ]
    assert len({make_study(base=base, axes=axes).variant_id for base in bases}) == 3


def test_values_added_to_an_axis_leave_the_variant(make_study: MakeStudy) -> None:
    def variant(values: object) -> str:
        axes = [{"name": "lr", "sets": "optimizer.lr", "values": values}]
        return make_study(axes=axes, matrix={"rows": "lr"}).variant_id

    assert variant([0.1]) == variant([0.1, 0.2]) == variant({"slow": 0.1, "fast": 0.5})


def test_what_only_some_values_set_stays_in_the_variant(make_study: MakeStudy) -> None:
    values = {"short": {"optimizer.lr": 0.1, "epochs": 2}, "usual": {"optimizer.lr": 0.1}}
    axes = [{"name": "pace", "values": values}]

    def variant(**changes: Any) -> str:
        base = copy.deepcopy(TRAIN) | changes
        return make_study(base=base, axes=axes, matrix={"rows": "pace"}).variant_id

    assert variant(optimizer={"name": "adam", "lr": 0.5}) == variant()
    assert variant(epochs=5) != variant()


def test_what_the_axes_set_is_no_part_of_the_variant(make_study: MakeStudy) -> None:
    base = copy.deepcopy(TRAIN) | {"seed": 99}
    assert make_study(base=base).variant_id == make_study().variant_id


@pytest.mark.parametrize(
    "change", [{"epochs": 3}, {"optimizer": {"name": "sgd", "lr": 0.01}}, {"precision": "float64"}]
)
def test_another_base_is_another_variant(change: dict[str, Any], make_study: MakeStudy) -> None:
    assert make_study(base=copy.deepcopy(TRAIN) | change).variant_id != make_study().variant_id


def test_scaled_epochs_are_another_variant(study: StudySpec) -> None:
    assert replace(study, variant=Variant(epoch_scale="0.5")).variant_id != study.variant_id


def test_the_minimal_trial_holds_no_default() -> None:
    spec = TrainSpec.from_mapping(copy.deepcopy(TRAIN) | WRITTEN_DEFAULTS)
    mapping = minimal(spec)
    assert set(mapping) == {"model", "data", "optimizer", "layers", "epochs", "seed"}
    assert mapping["data"] == {"name": "digits", "batch_size": 64}
    assert TrainSpec.from_mapping(mapping) == spec.canonical()


def test_the_id_of_a_trial_stays_what_it_was() -> None:
    # Stored results are found by this id: if it changes, ID_VERSION is to be raised knowingly.
    assert _trial().id == "b9e52b5e22390d94"


def test_controls_are_one_trial_however_their_schedule_is_written() -> None:
    def identity(order: list[str], per_layer: int, **more: Any) -> str:
        layers = {"order": order, "epochs_per_layer": per_layer}
        return _trial(layers=layers, **more).id

    assert identity([], 0) == identity([], 5)
    assert identity([], 0) == identity([], 0, weights={"name": "sign", "clip": 1.0})
    assert identity(["fc1", "fc2"], 0) == identity(["fc2", "fc1"], 0)
    assert identity(["fc1", "fc2"], 1) != identity(["fc2", "fc1"], 1)
    assert identity([], 0) != identity(["fc1", "fc2"], 0)


def test_labels_are_no_part_of_the_id_and_the_epoch_scale_is() -> None:
    trial = _trial()
    assert replace(trial, labels={"order": "x"}).id == trial.id
    assert replace(trial, epoch_scale="0.5").id != trial.id


def test_a_cell_is_called_by_its_labels() -> None:
    trial = replace(_trial(), labels={"order": "reverse", "seed": "316", "lr": "1e-05"})
    assert trial.name == "reverse · seed 316 · lr 1e-05"


_NESTED = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=10,
)


@given(_NESTED, st.randoms(use_true_random=False))
def test_the_hash_does_not_depend_on_the_order_of_keys(
    content: object, source: random.Random
) -> None:
    assert content_hash(_shuffled(content, source)) == content_hash(content)


@given(_NESTED, _NESTED)
def test_different_content_has_different_hashes(one: object, other: object) -> None:
    # JSON keeps True and 1 apart, Python does not.
    assert (content_hash(one) == content_hash(other)) == (repr(one) == repr(other)) or one == other


@settings(deadline=None)
@given(
    st.sets(st.sampled_from(sorted(WRITTEN_DEFAULTS))),
    st.randoms(use_true_random=False),
    st.integers(0, 2**40),
)
def test_the_id_depends_on_what_is_trained_and_not_on_how_it_is_written(
    written: set[str], source: random.Random, seed: int
) -> None:
    changes = {key: copy.deepcopy(WRITTEN_DEFAULTS[key]) for key in written}
    mapping = _shuffled(copy.deepcopy(TRAIN) | changes | {"seed": seed}, source)
    trial = Cell(train=TrainSpec.from_mapping(mapping), labels={"seed": str(seed)})
    assert trial.id == _trial(seed=seed).id
    assert trial.id != _trial(seed=seed + 1).id
    assert len(trial.id) == 16
    assert int(trial.id, 16) >= 0


_JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-10, 3000)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([*KEYS, "name", "sets", "values", "all", "fc1", "mlp", "seed", "digits"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from([*KEYS, "name", "sets", "seeds", "order", "lr"])
            | st.text(max_size=4)
            | st.integers(),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


def _has_faults_or_none(read: Callable[[], object]) -> bool:
    """Whether something is made, or refused with a fault; any other exception goes through."""
    try:
        return bool(read())
    except SpecError as error:
        return bool(error.faults)


@settings(max_examples=200, deadline=None)
@given(_JUNK)
def test_any_plain_data_is_a_study_or_refused(data: object) -> None:
    assert _has_faults_or_none(lambda: StudySpec.from_mapping(data))


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    found: list[tuple[Any, ...]] = []
    for key, item in items:
        found.append((*path, key))
        if isinstance(item, dict | list):
            found += _places(item, (*path, key))
    return found


WHOLE: dict[str, Any] = {
    "study": "tiny",
    "question": "Why?",
    "base": TRAIN | {"lr_schedule": {"name": "multistep", "milestones": [1]}},
    "axes": [
        {
            "name": "order",
            "sets": "layers.order",
            "permutations": ["forward", 21],
            "controls": ["float"],
        },
        {"name": "pace", "values": {"slow": {"optimizer.lr": 0.1}}},
        {"name": "seed", "seeds": [1, 2]},
    ],
    "metric": {"name": "selected/test_error", "better": "lower"},
    "matrix": {"rows": "order", "over": "seed", "also": ["last/test_error"]},
    "scheduler": {"name": "median", "grace_period": 1},
    "retries": 1,
    "checkpoint": {"policy": "every", "every": 2, "keep": 1, "interval_s": 3},
}


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(_places(WHOLE)), _JUNK)
def test_a_study_with_one_part_replaced_by_anything_works_or_is_refused(
    place: tuple[Any, ...], junk: object
) -> None:
    mapping = copy.deepcopy(WHOLE)
    here: Any = mapping
    for key in place[:-1]:
        here = here[key]
    here[place[-1]] = junk
    assert _has_faults_or_none(lambda: expand(StudySpec.from_mapping(mapping)))


def test_the_study_of_the_test_above_is_right_before_anything_is_replaced() -> None:
    assert len(expand(StudySpec.from_mapping(WHOLE))) == 6


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("base", "optimizer", "lr"), 10**400),
        (("base", "model", "widths"), [64, 10**30, 10]),
        (("base", "model", "widths"), [64, 2**62, 10]),
    ],
    ids=["rate", "width of more than 64 bits", "width of 63 bits"],
)
def test_numbers_beyond_all_measure_are_refused(place: tuple[Any, ...], value: object) -> None:
    mapping = copy.deepcopy(WHOLE)
    here: Any = mapping
    for key in place[:-1]:
        here = here[key]
    here[place[-1]] = value
    with pytest.raises(SpecError, match=f"{'.'.join(place[:2])}"):
        StudySpec.from_mapping(mapping)


def test_reading_a_study_loads_neither_torchs_compiler_nor_torchvision(
    make_mapping: MakeMapping,
) -> None:
    code = """
        import json
        import sys
        from orchestrator.study.expansion import expand
        from orchestrator.study.spec import StudySpec

        expand(StudySpec.from_mapping(json.loads(sys.argv[1])))
        sys.exit(", ".join({"torch._dynamo", "torchvision"} & set(sys.modules)) or 0)
        """
    mapping = make_mapping(
        base=copy.deepcopy(TRAIN)
        | {"model": {"name": "mlp", "widths": [784, 300, 10]}, "data": {"name": "mnist"}}
    )
    command = [sys.executable, "-c", textwrap.dedent(code), json.dumps(mapping)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("shown", "paths"),
    [
        ({"metric": {"name": "selected/test_error"}}, ["metric.name"]),
        ({"metric": {"name": "test/loss"}}, ["metric.name"]),
        ({"metric": {"name": "best_on_test/validation_error"}}, ["metric.name"]),
        (
            {"matrix": {"rows": "order", "also": ["last/test_accuracy", "last/epoch"]}},
            ["matrix.also"],
        ),
        ({}, []),
    ],
)
def test_a_study_that_leaves_out_the_test_part_shows_nothing_of_it(
    shown: dict[str, Any], paths: list[str], make_mapping: MakeMapping
) -> None:
    given = {"metric": {"name": "selected/validation_error"}, "matrix": {"rows": "order"}} | shown
    mapping = make_mapping(base=TRAIN | {"measure_test": False}, **given)
    if not paths:
        assert not StudySpec.from_mapping(mapping).base.measure_test
        return
    with pytest.raises(SpecError, match=r"base\.measure_test is false") as raised:
        StudySpec.from_mapping(mapping)
    assert [fault.path for fault in raised.value.faults] == paths


def test_whether_the_test_part_is_measured_is_part_of_the_id_only_where_it_is_not() -> None:
    def id_of(**changes: Any) -> str:
        return Cell(train=TrainSpec.from_mapping(TRAIN | changes), labels={}).id

    assert id_of(measure_test=True) == id_of()
    assert id_of(measure_test=False) != id_of()


def test_a_study_expands_once(study: StudySpec, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []

    def counted(*arguments: Any, **options: Any) -> tuple[Cell, ...]:
        made.append(arguments)
        return multiplied(*arguments, **options)

    monkeypatch.setattr("orchestrator.study.spec.multiplied", counted)
    assert expand(study) is study.trials
    assert study.trials is study.trials
    assert len(made) == 1
    # One that was changed has others.
    short = replace(study, variant=Variant(epoch_scale="0.5"))
    assert {cell.epoch_scale for cell in short.trials} == {"0.5"}
    assert len(study.with_seeds((1, 2, 3)).trials) == 1.5 * len(study.trials)
    assert len(made) == 3


def test_a_study_travels_without_its_trials(study: StudySpec) -> None:
    bare = len(pickle.dumps(study))
    ids = [cell.id for cell in study.trials]
    assert len(pickle.dumps(study)) == bare
    there = pickle.loads(pickle.dumps(study))
    assert there == study
    assert there.key == study.key
    assert [cell.id for cell in there.trials] == ids


def test_faults_of_trials_are_found_however_often_they_are_asked_for(
    make_study: MakeStudy,
) -> None:
    epochs = {"name": "epochs", "sets": "epochs", "values": [1, 2]}
    study = make_study(axes=[epochs], matrix={"rows": "epochs"})
    for _ in range(2):
        with pytest.raises(SpecError, match="never turn binary in 1 epochs"):
            expand(study)


def test_a_question_has_an_end(faults: Faults) -> None:
    assert "has 4,001 characters" in faults(question="x" * 4001)["question"]


@pytest.mark.parametrize("value", [5, 1.5, True])
def test_a_text_that_yaml_reads_as_something_else_is_to_be_quoted(
    value: object, make_mapping: MakeMapping
) -> None:
    with pytest.raises(SpecError, match=r"question: expected a text.*quote it"):
        StudySpec.from_mapping(make_mapping() | {"question": value})


def test_the_key_of_a_cell_fits_a_tag_and_stays_its_own(make_study: MakeStudy) -> None:
    values = {"a" * 4900 + end: number for number, end in enumerate("xy", start=1)}
    axes = [
        {"name": "seed", "sets": "seed", "values": values},
        {"name": "epochs", "sets": "epochs", "values": {"b" * 4900: 2}},
    ]
    study = make_study(axes=axes, matrix={"rows": "seed"})
    keys = [cell_key(study, cell) for cell in study.trials]
    assert len(set(keys)) == 2
    assert all(len(key) < 200 for key in keys)
    # Where they fit, labels are there to be read.
    short = make_study()
    assert cell_key(short, short.trials[0]).split("/")[2] == "order=float,seed=1"


@pytest.mark.parametrize(("scale", "most"), [("", 9), ("0.5", 5)])
def test_a_search_may_draw_as_many_epochs_as_its_range_has(
    scale: str, most: int, make_search: MakeStudy
) -> None:
    axes = [
        {"name": "n", "sets": "epochs", "range": {"low": 2, "high": 9, "integer": True}},
    ]
    study = make_search(axes=axes, matrix={"rows": "n"})
    assert replace(study, variant=Variant(epoch_scale=scale)).most_epochs == most
