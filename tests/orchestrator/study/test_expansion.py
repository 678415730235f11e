"""A study multiplied out: which trials, in which order, with which epochs."""

import copy
import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.study.axes import label_of
from orchestrator.study.expansion import expand, pick, scaled_scheduler, trial_at
from orchestrator.study.spec import StudySpec
from orchestrator.study.variant import Variant
from trainers.binding import Component
from trainers.errors import SpecError
from trainers.spec.train_spec import TrainSpec

MakeStudy = Callable[..., StudySpec]
MakeMapping = Callable[..., dict[str, Any]]


def _base(make_mapping: MakeMapping, **changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = copy.deepcopy(make_mapping()["base"])
    return base | changes


def test_cells_are_the_product_of_the_axes_the_last_varying_fastest(study: StudySpec) -> None:
    places = [tuple(cell.labels.values()) for cell in expand(study)]
    orders = ("float", "binary", "forward", "reverse")
    assert places == list(itertools.product(orders, ("1", "2")))
    assert all(list(cell.labels) == ["order", "seed"] for cell in expand(study))


def test_each_cell_trains_what_its_labels_say(study: StudySpec) -> None:
    cells = {cell.name: cell.train for cell in expand(study)}
    reverse = cells["reverse · seed 2"]
    assert reverse.layers.order == ("fc2", "fc1")
    assert reverse.layers.epochs_per_layer == 1
    assert reverse.seed == 2
    assert cells["float · seed 1"].layers.order == ()
    assert cells["binary · seed 1"].layers.binarized_at(0) == {"fc1", "fc2"}


def test_expansion_leaves_the_study_as_it_was(study: StudySpec) -> None:
    before = copy.deepcopy(study.base_mapping)
    expand(study)
    assert study.base_mapping == before


def test_trials_are_made_once_and_anew_for_a_changed_study(study: StudySpec) -> None:
    assert expand(study)[0] is expand(study)[0]
    scaled = replace(study, variant=Variant(epoch_scale="0.5"))
    assert [cell.epoch_scale for cell in expand(scaled)] == ["0.5"] * len(expand(study))


def test_what_one_axis_sets_inside_anothers_value_stays_in_its_cell(
    make_mapping: MakeMapping,
) -> None:
    mapping = make_mapping(
        axes=[
            {"name": "data", "values": {"digits": {"data": {"name": "digits", "batch_size": 64}}}},
            {"name": "size", "sets": "data.batch_size", "values": [32, 16]},
            {"name": "rate", "values": {"low": {"optimizer.lr": 0.1}}},
        ],
        matrix={"rows": "size"},
    )
    study = StudySpec.from_mapping(mapping)
    assert [cell.train.data.batch_size for cell in expand(study)] == [32, 16]
    assert study.axes[0].points["digits"] == {"data": {"name": "digits", "batch_size": 64}}


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(0, 10**6), min_size=1, max_size=4, unique=True),
    st.lists(st.floats(1e-4, 10), min_size=1, max_size=4, unique_by=label_of),
    st.lists(st.integers(2, 50), min_size=1, max_size=3, unique=True),
)
def test_there_is_one_trial_of_its_own_for_each_point(
    seeds: list[int], rates: list[float], epochs: list[int]
) -> None:
    mapping = {
        "study": "any",
        "question": "Any?",
        "base": {
            "model": {"name": "mlp", "widths": [64, 10]},
            "data": {"name": "digits"},
            "optimizer": {"name": "sgd", "lr": 0.1},
            "epochs": 2,
        },
        "axes": [
            {"name": "lr", "sets": "optimizer.lr", "values": rates},
            {"name": "epochs", "sets": "epochs", "values": epochs},
            {"name": "seed", "seeds": seeds},
        ],
        "metric": {"name": "last/test_error"},
        "matrix": {"rows": "lr"},
    }
    cells = expand(StudySpec.from_mapping(mapping))
    assert len(cells) == len(seeds) * len(rates) * len(epochs)
    assert len({cell.id for cell in cells}) == len(cells)
    assert len({tuple(cell.labels.values()) for cell in cells}) == len(cells)


def test_a_fault_that_all_cells_share_is_told_once(make_study: MakeStudy) -> None:
    axes = [
        {"name": "epochs", "sets": "epochs", "values": [1]},
        {"name": "seed", "seeds": [1, 2, 3]},
    ]
    with pytest.raises(SpecError, match="never turn binary in 1 epochs") as raised:
        expand(make_study(axes=axes, matrix={"rows": "epochs"}))
    assert len(raised.value.faults) == 1
    assert raised.value.faults[0].path.startswith("axes.epochs (epochs=1)")


def test_a_fault_of_two_axes_together_names_both(make_study: MakeStudy) -> None:
    axes = [
        {"name": "epochs", "sets": "epochs", "values": [2, 10]},
        {"name": "each", "sets": "layers.epochs_per_layer", "values": [1, 3]},
        {"name": "seed", "seeds": [1, 2]},
    ]
    base = {"layers": {"order": ["fc1", "fc2"], "epochs_per_layer": 1}, "epochs": 4}
    study = make_study(axes=axes, matrix={"rows": "epochs"})
    mapping = {**study.base_mapping, **base}
    with pytest.raises(SpecError, match="never turn binary") as raised:
        expand(replace(study, base=TrainSpec.from_mapping(mapping), base_mapping=mapping))
    assert {fault.path.split(".")[0] for fault in raised.value.faults} == {
        "base (epochs=2, each=3, seed=1)"
    }


def test_faults_of_different_cells_all_come(make_study: MakeStudy) -> None:
    axes = [{"name": "lr", "sets": "optimizer.lr", "values": [-1, 0.1, "x"]}]
    with pytest.raises(SpecError, match="lr=-1") as raised:
        expand(make_study(axes=axes, matrix={"rows": "lr"}))
    first, second = raised.value.faults
    assert first.path.startswith("axes.lr (lr=-1)")
    assert second.path == "axes.lr (lr=x).optimizer.lr"


def test_an_axis_that_sets_an_unknown_key_is_refused(make_study: MakeStudy) -> None:
    axes = [{"name": "lr", "sets": "optimizer.rl", "values": [0.1]}]
    with pytest.raises(SpecError, match="unknown option of optimizer 'adam', did you mean 'lr'"):
        expand(make_study(axes=axes, matrix={"rows": "lr"}))


def test_a_searched_study_is_checked_at_its_extremes(make_search: MakeStudy) -> None:
    cells = expand(make_search())
    labels = [tuple(cell.labels.values()) for cell in cells]
    assert labels == [("0.001", "32"), ("0.001", "64"), ("1", "32"), ("1", "64")]
    axes = [{"name": "lr", "sets": "optimizer.lr", "range": {"low": -1, "high": 1}}]
    with pytest.raises(SpecError, match="lr=-1"):
        expand(make_search(axes=axes))


def test_all_cells_of_a_scaled_study_train_as_long_and_every_layer_turns_binary(
    make_study: MakeStudy, make_mapping: MakeMapping
) -> None:
    layers = {"order": ["fc1", "fc2"], "epochs_per_layer": 5}
    study = make_study(base=_base(make_mapping, epochs=10, layers=layers))
    # A tenth of 10 epochs is 1, and two layers at an epoch each need 2.
    cells = expand(replace(study, variant=Variant(epoch_scale="0.1")))
    assert {cell.train.epochs for cell in cells} == {2}
    forward = next(cell for cell in cells if cell.labels["order"] == "forward").train
    assert forward.layers.epochs_per_layer == 1
    assert forward.layers.binarized_at(forward.epochs - 1) == {"fc1", "fc2"}
    assert {cell.epoch_scale for cell in cells} == {"0.1"}
    assert not {cell.id for cell in cells} & {cell.id for cell in expand(study)}


def test_milestones_are_scaled_too(make_study: MakeStudy, make_mapping: MakeMapping) -> None:
    schedule = {"name": "multistep", "milestones": [50, 60, 90]}
    study = make_study(base=_base(make_mapping, epochs=100, lr_schedule=schedule))
    cell = expand(replace(study, variant=Variant(epoch_scale="0.1")))[0]
    assert cell.train.lr_schedule.options["milestones"] == (5, 6, 9)


def test_a_schedulers_grace_is_scaled_and_its_factor_is_not(make_search: MakeStudy) -> None:
    scheduler = {"name": "asha", "grace_period": 150, "reduction_factor": 3}
    study = make_search(scheduler=scheduler)
    assert scaled_scheduler(study) == study.scheduler
    scaled = scaled_scheduler(replace(study, variant=Variant(epoch_scale="0.02")))
    assert scaled == Component("asha", {"grace_period": 3, "reduction_factor": 3})
    assert scaled_scheduler(make_search(scheduler=None)) is None


def test_a_drawn_trial_trains_what_its_labels_say(make_search: MakeStudy) -> None:
    trial = trial_at(make_search(), {"lr": 0.0123456789, "size": "32"})
    assert trial.labels == {"lr": "0.0123457", "size": "32"}
    assert trial.train.optimizer.options["lr"] == 0.0123457
    assert trial.train.data.batch_size == 32


def test_a_drawn_trial_is_the_same_as_the_one_of_its_label(make_search: MakeStudy) -> None:
    study = make_search()
    drawn = trial_at(study, {"lr": 0.0123456789, "size": "32"})
    assert trial_at(study, {"lr": float(drawn.labels["lr"]), "size": "32"}).id == drawn.id
    assert pick(study, "lr=0.0123457,size=32").id == drawn.id


def test_whole_numbers_are_drawn_whole(make_search: MakeStudy) -> None:
    axes = [
        {"name": "n", "sets": "epochs", "range": {"low": 2, "high": 9, "integer": True}},
    ]
    trial = trial_at(make_search(axes=axes, matrix={"rows": "n"}), {"n": 5})
    assert trial.train.epochs == 5
    assert trial.labels == {"n": "5"}


def test_a_drawn_trial_that_cannot_be_is_refused(make_search: MakeStudy) -> None:
    with pytest.raises(SpecError, match="learning rate"):
        trial_at(make_search(), {"lr": -1.0, "size": "32"})


def test_a_trial_is_picked_by_its_labels(study: StudySpec) -> None:
    trial = pick(study, "order=reverse, seed=2")
    assert trial in expand(study)
    assert trial.labels == {"order": "reverse", "seed": "2"}


def test_axes_with_one_value_need_not_be_named(make_study: MakeStudy) -> None:
    axes = [
        {"name": "lr", "sets": "optimizer.lr", "values": [0.1, 0.2]},
        {"name": "seed", "seeds": [5]},
    ]
    study = make_study(axes=axes, matrix={"rows": "lr"})
    assert pick(study, "lr=0.2").labels == {"lr": "0.2", "seed": "5"}


@pytest.mark.parametrize(
    ("choice", "texts"),
    [
        ("ordr=reverse,seed=1", ["no axis 'ordr'", "known: order, seed"]),
        ("order=revers,seed=1", ["axis order has no value 'revers'", "reverse"]),
        ("order=reverse", ["axis seed has several values", "seed=...", "1, 2"]),
        ("", ["axis order has several values", "axis seed has several values"]),
        ("reverse", ["expected axis=label, got 'reverse'", "order=reverse,seed=316"]),
        ("order=reverse,seed=1,", ["expected axis=label"]),
    ],
)
def test_a_choice_that_names_no_trial_is_refused(
    choice: str, texts: list[str], study: StudySpec
) -> None:
    with pytest.raises(SpecError, match="--trial") as raised:
        pick(study, choice)
    for text in texts:
        assert text in str(raised.value)


def test_a_searched_axis_wants_a_number(make_search: MakeStudy) -> None:
    with pytest.raises(SpecError, match="lr expects a number, got 'fast'"):
        pick(make_search(), "lr=fast,size=32")
    with pytest.raises(SpecError, match="any number of its range"):
        pick(make_search(), "size=32")


def _searched(make_search: MakeStudy, sets: str, **bounds: object) -> StudySpec:
    axes = [{"name": "n", "sets": sets, "range": {**bounds, "integer": True}}]
    return make_search(axes=axes, matrix={"rows": "n"})


@pytest.mark.parametrize(
    ("sets", "low", "high", "ends"),
    [
        ("data.batch_size", 16, 64, ["16", "64"]),
        ("epochs", 2, 9, ["2", "9"]),
        ("seed", 0, 2**53, ["0", str(2**53)]),
        # No network becomes binary in no epoch, nor in two epochs if a layer takes nine.
        ("epochs", 0, 9, ["9"]),
        ("layers.epochs_per_layer", 0, 9, ["0"]),
    ],
)
def test_whole_numbers_are_searched_on_every_key_that_takes_them(
    sets: str, low: int, high: int, ends: list[str], make_search: MakeStudy
) -> None:
    study = _searched(make_search, sets, low=low, high=high)
    assert [cell.labels["n"] for cell in expand(study)] == ends
    trial = trial_at(study, {"n": int(ends[0])})
    assert trial.labels == {"n": ends[0]}
    assert pick(study, f"n={ends[0]}").id == trial.id


def test_a_range_whose_ends_are_no_trials_is_checked_beside_them(make_search: MakeStudy) -> None:
    alone = [n for n in range(2, 700) if _leaves_one(make_search, n)]
    low, high = alone[0], alone[-1]
    study = _searched(make_search, "data.batch_size", low=low, high=high)
    assert [cell.labels["n"] for cell in expand(study)] == [str(low + 1), str(high - 1)]


def _leaves_one(make_search: MakeStudy, size: int) -> bool:
    try:
        trial_at(_searched(make_search, "data.batch_size", low=16, high=64), {"n": size})
    except SpecError:
        return True
    return False


def test_a_range_without_any_trial_is_refused(make_search: MakeStudy) -> None:
    with pytest.raises(SpecError, match="n=-9"):
        expand(_searched(make_search, "epochs", low=-9, high=0))


def test_choices_that_do_not_go_together_are_left_to_the_search(make_search: MakeStudy) -> None:
    axes = [
        {"name": "epochs", "sets": "epochs", "choices": [2, 9]},
        {"name": "each", "sets": "layers.epochs_per_layer", "choices": [1, 5]},
    ]
    labels = [
        list(cell.labels.values())
        for cell in expand(make_search(axes=axes, matrix={"rows": "each"}))
    ]
    assert labels == [["2", "1"], ["9", "1"], ["9", "5"]]
    axes[1]["choices"] = [1, 50]
    with pytest.raises(SpecError, match="each=50"):
        expand(make_search(axes=axes, matrix={"rows": "each"}))


LABELS = [
    "on", "a,b", "a=b", "x,seed=1", "rate=1,order=2", " a", "1e3", "0.10", "~", "a, b=c", "'",
]  # fmt: skip


@pytest.mark.parametrize("label", LABELS)
def test_a_trial_is_picked_by_any_label(label: str, make_study: MakeStudy) -> None:
    values = {text: 0.001 * number for number, text in enumerate(LABELS, start=1)}
    axes = [
        {"name": "rate", "sets": "optimizer.lr", "values": values},
        {"name": "seed", "seeds": [1, 2]},
    ]
    study = make_study(axes=axes, matrix={"rows": "rate"})
    for choice in (f"rate={label},seed=2", f"seed=2,rate={label}"):
        assert pick(study, choice).labels == {"rate": label, "seed": "2"}


@pytest.mark.parametrize("text", ["true", "on", "yes"])
def test_a_trial_is_picked_by_the_value_that_is_meant(text: str, make_study: MakeStudy) -> None:
    axes = [{"name": "norm", "sets": "model.norm", "values": [True, False]}]
    study = make_study(axes=axes, matrix={"rows": "norm"})
    assert pick(study, f"norm={text}").labels == {"norm": "true"}
    with pytest.raises(SpecError, match=r"has no value 'maybe'.*known: true, false"):
        pick(study, "norm=maybe")


def test_a_whole_number_is_picked_whole(make_search: MakeStudy) -> None:
    study = _searched(make_search, "epochs", low=2, high=9)
    with pytest.raises(SpecError, match=r"expects a whole number, got 2\.5"):
        pick(study, "n=2.5")


def test_more_trials_than_can_be_checked_are_refused_with_their_number(
    make_study: MakeStudy,
) -> None:
    axes = [
        {"name": "rate", "sets": "optimizer.lr", "values": [n / 1e6 for n in range(1, 5001)]},
        {"name": "seed", "seeds": list(range(1000))},
    ]
    with pytest.raises(SpecError, match="5,000,000 trials, more than 100,000"):
        expand(make_study(axes=axes, matrix={"rows": "rate"}))


def test_a_search_over_very_many_choices_is_checked_at_each_of_them(
    make_search: MakeStudy,
) -> None:
    paths = ["optimizer.lr", "optimizer.weight_decay", "optimizer.eps", "clip_gradient", "seed"]
    axes: list[dict[str, Any]] = [
        {"name": f"x{n}", "sets": path, "choices": list(range(1, 13))}
        for n, path in enumerate(paths)
    ]
    cells = expand(make_search(axes=axes, matrix={"rows": "x0"}))
    assert len(cells) == len(paths) * 11 + 1
    axes[3]["choices"][5] = -1
    with pytest.raises(SpecError, match="x3=-1"):
        expand(make_search(axes=axes, matrix={"rows": "x0"}))
