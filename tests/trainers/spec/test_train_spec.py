"""Trials written down: read, checked, made canonical, scaled."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainers.binarize.schedule import LayerSchedule
from trainers.binding import Component
from trainers.data import Augment
from trainers.data.gaussian import Gaussian
from trainers.errors import SpecError
from trainers.restore import identity
from trainers.spec.reading import keys_of
from trainers.spec.train_spec import DataSpec, TrainSpec

MakeMapping = Callable[..., dict[str, Any]]
MakeSpec = Callable[..., TrainSpec]


def _paths(mapping: object) -> list[str]:
    with pytest.raises(SpecError, match=r"\S") as raised:
        TrainSpec.from_mapping(mapping)
    return [fault.path for fault in raised.value.faults]


def test_a_mapping_becomes_typed_parts(make_spec: MakeSpec) -> None:
    spec = make_spec(lr_schedule={"name": "multistep", "milestones": [2, 4]})
    assert spec.model == Component("mlp", {"widths": (64, 20, 12, 10)})
    assert spec.data == DataSpec(source=Component("digits"), batch_size=64)
    assert spec.optimizer == Component("adam", {"lr": 0.01})
    assert spec.lr_schedule == Component("multistep", {"milestones": (2, 4)})
    assert spec.layers == LayerSchedule(order=("fc2", "fc1"), epochs_per_layer=2)
    assert (spec.epochs, spec.seed, spec.precision) == (5, 7, "float32")


def test_what_a_mapping_leaves_out_has_the_documented_defaults(make_spec: MakeSpec) -> None:
    spec = make_spec(
        weights=None, layers=None, seed=None, data="digits", optimizer={"name": "sgd", "lr": 1}
    )
    assert spec.lr_schedule == Component("constant")
    assert spec.loss == Component("cross_entropy")
    assert spec.weights == Component("sign")
    assert spec.layers == LayerSchedule()
    assert spec.data == DataSpec(source=Component("digits"), batch_size=100, eval_batch_size=1000)
    assert (spec.seed, spec.precision) == (316, "float32")
    assert spec.optimizer.options == {"lr": 1.0}


def test_layers_may_be_given_by_number_from_one(make_spec: MakeSpec) -> None:
    spec = make_spec(layers={"order": [3, "fc1", 2], "epochs_per_layer": 1})
    assert spec.layers.order == ("fc3", "fc1", "fc2")


def test_writing_a_default_down_does_not_make_another_spec(make_spec: MakeSpec) -> None:
    written = make_spec(
        optimizer={"name": "adam", "lr": 0.01, "betas": [0.9, 0.999], "weight_decay": 0},
        loss={"name": "cross_entropy", "label_smoothing": 0},
        weights={"name": "sign", "clip": None},
        lr_schedule="constant",
        precision="float32",
    )
    assert written == make_spec()
    assert written.to_mapping() == make_spec().to_mapping()


HIDDEN = st.lists(st.integers(1, 40), max_size=3)
MAPPINGS = st.builds(
    lambda hidden, source, order, per_layer, extra, sizes, tail: {
        "model": {"name": "mlp", "widths": [source[1], *hidden, 10]},
        "data": {"name": source[0], **sizes},
        "layers": {
            "order": [layer for layer in order if layer <= len(hidden) + 1],
            "epochs_per_layer": per_layer,
        },
        "epochs": 3 * per_layer + 1 + tail,
        **extra,
    },
    HIDDEN,
    st.sampled_from([("mnist", 784), ("digits", 64)]),
    st.permutations([1, 2, 3, 4]).flatmap(
        lambda order: st.integers(0, 4).map(lambda length: order[:length])
    ),
    st.integers(0, 4),
    st.fixed_dictionaries(
        {
            "optimizer": st.one_of(
                st.builds(lambda lr: {"name": "adam", "lr": lr}, st.floats(0, 10)),
                st.builds(
                    lambda lr, momentum: {"name": "sgd", "lr": lr, "momentum": momentum},
                    st.floats(0, 10),
                    st.floats(0, 1),
                ),
            )
        },
        optional={
            "seed": st.integers(0, 10**9),
            "precision": st.sampled_from(["float32", "float64", "bfloat16", "tf32"]),
            "weights": st.sampled_from(["sign", {"name": "sign", "clip": 0.5}]),
            "loss": st.just({"name": "cross_entropy", "label_smoothing": 0.1}),
            "lr_schedule": st.just({"name": "multistep", "milestones": [1, 5]}),
        },
    ),
    st.fixed_dictionaries({}, optional={"batch_size": st.just(100)}),
    st.integers(0, 5),
)


@settings(deadline=None, max_examples=40)
@given(mapping=MAPPINGS)
def test_a_spec_and_its_canonical_form_survive_being_written_down(
    mapping: dict[str, Any],
) -> None:
    spec = TrainSpec.from_mapping(mapping)
    assert TrainSpec.from_mapping(spec.to_mapping()) == spec
    # What came to the language later is written down only where it says something.
    assert set(spec.to_mapping()) == set(keys_of(TrainSpec).names) - {
        "init",
        "activations",
        "batch_norm",
        "lr_batch",
        "clip_gradient",
        "channels_last",
        "teacher",
        "distillation",
        "center_loss",
        "before",
    }
    canonical = spec.canonical()
    assert TrainSpec.from_mapping(canonical.to_mapping()) == canonical
    assert canonical.canonical() == canonical
    # Whatever the canonical form leaves out, the layers of each epoch stay.
    for epoch in range(spec.epochs):
        assert canonical.layers.binarized_at(epoch) == spec.layers.binarized_at(epoch)
    assert canonical.layers.final_from(epochs=spec.epochs) == spec.layers.final_from(
        epochs=spec.epochs
    )


def test_orders_of_layers_that_turn_binary_at_once_are_one_trial(make_spec: MakeSpec) -> None:
    first, second = (make_spec(layers={"order": order}) for order in ([3, 1], [1, 3]))
    assert first != second
    assert first.canonical() == second.canonical()
    assert first.canonical().layers.order == ("fc1", "fc3")


def test_orders_of_layers_that_turn_binary_in_turn_are_two_trials(make_spec: MakeSpec) -> None:
    first, second = (
        make_spec(layers={"order": order, "epochs_per_layer": 1}) for order in ([3, 1], [1, 3])
    )
    assert first.canonical() == first
    assert first.canonical() != second.canonical()


def test_a_single_layer_does_not_wait_for_others(make_spec: MakeSpec) -> None:
    first, second = (
        make_spec(layers={"order": [2], "epochs_per_layer": number}) for number in (0, 4)
    )
    assert first.canonical() == second.canonical()


def test_a_network_without_binary_layers_is_one_trial_whatever_its_binarizer(
    make_spec: MakeSpec,
) -> None:
    plain = make_spec(layers=None, weights=None)
    other = make_spec(
        layers={"order": [], "epochs_per_layer": 3}, weights={"name": "sign", "clip": 0.5}
    )
    assert plain != other
    assert plain.canonical() == other.canonical()


def test_what_changes_training_stays_in_the_canonical_form(make_spec: MakeSpec) -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"seed": 8},
        {"epochs": 6},
        {"precision": "float64"},
        {"data": {"name": "digits", "batch_size": 32}},
        {"weights": {"name": "sign", "clip": 1.0}},
        {"layers": {"order": ["fc2", "fc1"], "epochs_per_layer": 1}},
    ]
    mappings = [make_spec(**change).canonical().to_mapping() for change in changes]
    assert all(mappings.count(mapping) == 1 for mapping in mappings)


@pytest.mark.parametrize(
    ("changes", "path", "message"),
    [
        ({"model": {"name": "mpl", "widths": [64, 10]}}, "model.name", "did you mean 'mlp'"),
        ({"model": {"name": "mlp"}}, "model.widths", "is missing"),
        ({"model": {"name": "mlp", "widths": [64]}}, "model", "two positive numbers or more"),
        ({"model": {"name": "mlp", "widths": [64, "a"]}}, "model.widths.1", "a whole number"),
        ({"model": {"name": "mlp", "widths": [784, 9, 10]}}, "model", "take the 1x8x8 images"),
        ({"model": {"name": "mlp", "widths": [64, 20, 7]}}, "model", "7 outputs, but 'digits'"),
        ({"data": {"name": "minst"}}, "data.name", "did you mean 'mnist'"),
        ({"data": {"name": "digits", "batch_size": 0}}, "data.batch_size", "must be 1 or more"),
        (
            {"data": {"name": "digits", "eval_batch_size": -1}},
            "data.eval_batch_size",
            "must be 1 or more, got -1",
        ),
        ({"data": {"name": "digits", "batch_size": 1.5}}, "data.batch_size", "a whole number"),
        ({"data": {"name": "digits", "size": 3}}, "data.size", "known: batch_size"),
        ({"data": {"name": "digits", 3: 3}}, "data.3", "unknown option of data set"),
        (
            {"data": {"name": "digits", "test_batch_size": 3}},
            "data.test_batch_size",
            "unknown option of data set 'digits'",
        ),
        (
            {
                "data": {"name": "mnist", "validation": 60_000},
                "model": {"name": "mlp", "widths": [784, 9, 8, 10]},
            },
            "data.validation",
            "must be between 1 and 59999",
        ),
        ({"optimizer": {"name": "adam"}}, "optimizer.lr", "is missing"),
        ({"optimizer": {"name": "adam", "lr": "1e-3"}}, "optimizer.lr", "the text '1e-3'"),
        ({"optimizer": {"name": "adam", "lr": -1}}, "optimizer", "Invalid learning rate"),
        ({"optimizer": {"name": "sgd", "lr": 1, "nesterov": True}}, "optimizer", "Nesterov"),
        (
            {"lr_schedule": {"name": "multistep", "milestones": [2, 2]}},
            "lr_schedule.milestones",
            "positive and increasing",
        ),
        ({"loss": {"name": "cross_entropy", "label_smoothing": 2}}, "loss", "in \\[0, 1\\)"),
        ({"weights": {"name": "sign", "clip": 0}}, "weights", "clip must be positive"),
        ({"weights": "sing"}, "weights.name", "did you mean 'sign'"),
        ({"layers": ["fc1"]}, "layers", "expected {order"),
        ({"layers": {"order": ["fc1"], "epoch": 2}}, "layers.epoch", "unknown key"),
        ({"layers": {"order": ["fc1", "fc8"]}}, "layers.order.1", "unknown layer 'fc8'"),
        ({"layers": {"order": [1, 4]}}, "layers.order.1", "no layer 4; the model has 1 to 3"),
        ({"layers": {"order": [0]}}, "layers.order.0", "there is no layer 0"),
        ({"layers": {"order": [1, "fc1"]}}, "layers.order", "lists fc1 more than once"),
        ({"layers": {"order": "fc1"}}, "layers.order", "expected a list"),
        (
            {"layers": {"order": [1, 2, 3], "epochs_per_layer": 3}},
            "layers.order",
            "fc3 never turn binary in 5 epochs; set epochs to 7 or more",
        ),
        ({"layers": {"order": [1], "epochs_per_layer": -1}}, "layers.epochs_per_layer", "0 or"),
        ({"epochs": 0}, "epochs", "must be 1 or more, got 0"),
        ({"epochs": 2.0}, "epochs", "expected a whole number, got 2.0"),
        ({"seed": -1}, "seed", "must be 0 or more, got -1"),
        ({"precision": "float16"}, "precision", "unknown value the text 'float16'"),
        ({"epoch": 3}, "epoch", "unknown key, did you mean 'epochs'"),
        ({3: 3}, "3", "unknown key"),
    ],
)
def test_a_fault_says_where_and_what(
    changes: Mapping[Any, Any], path: str, message: str, make_mapping: MakeMapping
) -> None:
    mapping = make_mapping() | dict(changes)
    with pytest.raises(SpecError, match=message) as raised:
        TrainSpec.from_mapping(mapping)
    assert [fault.path for fault in raised.value.faults] == [path]


@pytest.mark.parametrize("key", ["model", "data", "optimizer", "epochs"])
def test_a_required_key_that_is_missing_is_named(key: str, make_mapping: MakeMapping) -> None:
    assert key in _paths(make_mapping(**{key: None}))


def test_all_faults_come_together(make_mapping: MakeMapping) -> None:
    mapping = make_mapping(
        data={"name": "digits", "batch_size": 0},
        optimizer={"name": "adam", "rate": 1},
        layers={"order": ["fc1", "fc9"]},
        weights={"name": "sign", "clip": -1},
        epochs="many",
        seed=-3,
    )
    assert sorted(_paths(mapping)) == [
        "data.batch_size",
        "epochs",
        "layers.order.1",
        "optimizer.lr",
        "optimizer.rate",
        "seed",
        "weights",
    ]


@pytest.mark.parametrize("value", [None, [], "digits", 3])
def test_what_is_no_mapping_is_no_trial(value: object) -> None:
    with pytest.raises(SpecError, match="expected a trial as a mapping, got"):
        TrainSpec.from_mapping(value)


def test_scaling_reaches_every_number_of_epochs(make_spec: MakeSpec) -> None:
    spec = make_spec(
        epochs=60,
        layers={"order": [1, 2], "epochs_per_layer": 20},
        lr_schedule={"name": "multistep", "milestones": [20, 24, 40], "gamma": 0.5},
    )
    scaled = spec.scaled(lambda epochs: max(1, epochs // 10))
    assert (scaled.epochs, scaled.layers.epochs_per_layer) == (6, 2)
    # Two milestones that fall together count as one.
    assert scaled.lr_schedule.options == {"gamma": 0.5, "milestones": (2, 4)}
    same = ("model", "data", "optimizer", "loss", "weights", "seed", "precision")
    assert all(getattr(scaled, name) == getattr(spec, name) for name in same)
    assert scaled.layers.order == spec.layers.order


def test_scaling_keeps_zero_epochs_per_layer_and_the_least_number(make_spec: MakeSpec) -> None:
    spec = make_spec(layers={"order": [1, 2]}, epochs=50)
    scaled = spec.scaled(lambda epochs: 1, least_epochs=3)
    assert (scaled.epochs, scaled.layers.epochs_per_layer) == (3, 0)
    assert spec.scaled(lambda epochs: epochs) == spec


def test_parts_may_be_given_as_the_plain_mappings_of_a_study_file() -> None:
    parts: dict[str, Any] = {
        "model": {"name": "mlp", "widths": [64, 16, 10]},
        "data": {"name": "digits", "batch_size": 32},
        "optimizer": {"name": "adam", "lr": 0.1},
        "layers": {"order": [2, 1], "epochs_per_layer": 1},
        "epochs": 2,
    }
    assert TrainSpec(**parts) == TrainSpec.from_mapping(parts)
    with pytest.raises(SpecError, match=r"weights\.name: unknown weight binarizer 'xnr'"):
        TrainSpec(**parts, weights={"name": "xnr"})


def test_scaled_drops_of_an_early_schedule_leave_the_first_epoch_its_rate(
    make_spec: MakeSpec,
) -> None:
    schedule = {"name": "multistep", "milestones": [200, 250], "early": True}
    spec = make_spec(layers={"order": [1, 2]}, epochs=300, lr_schedule=schedule)
    scaled = spec.scaled(lambda epochs: max(1, epochs // 100))
    assert scaled.lr_schedule.options == {"early": True, "milestones": (2,)}
    least = spec.scaled(lambda epochs: 1)
    assert least.lr_schedule.options["milestones"] == (2,)


FOLDER: dict[str, Any] = {
    "model": {"name": "mlp", "widths": [108, 10, 3]},
    "data": {"name": "image_folder", "folder": "tiny", "size": 6, "classes": 3},
    "optimizer": {"name": "adam", "lr": 0.01},
    "epochs": 1,
}


def _with_data(**data: Any) -> dict[str, Any]:
    return FOLDER | {"data": FOLDER["data"] | data}


def test_augmentation_is_part_of_the_data_and_written_only_where_it_does_something() -> None:
    spec = TrainSpec.from_mapping(_with_data(augment={"crop": 2, "flip": True}))
    assert spec.data.augment == Augment(crop=2, flip=True)
    assert spec.to_mapping()["data"]["augment"] == {"crop": 2, "flip": True}
    assert TrainSpec.from_mapping(spec.to_mapping()) == spec
    nothing = TrainSpec.from_mapping(_with_data(augment={"crop": 0, "flip": False}))
    assert nothing == TrainSpec.from_mapping(FOLDER)
    assert "augment" not in nothing.to_mapping()["data"]


@pytest.mark.parametrize(
    ("data", "path", "what"),
    [
        ({"augment": {"crop": -1}}, "data.augment.crop", "must be 0 or more, got -1"),
        ({"augment": {"crop": 6}}, "data.augment.crop", "must be below 6"),
        ({"augment": {"flip": 1}}, "data.augment.flip", "expected true or false"),
        ({"augment": {"flp": True}}, "data.augment.flp", "did you mean 'flip'"),
        ({"augment": "crop"}, "data.augment", "expected a mapping with augmix, auto"),
        ({"agment": {}}, "data.agment", "batch_size, eval_batch_size, augment"),
        ({"size": 0}, "data.size", "must be 1 or more"),
        ({"std": [0.1]}, "data.std", "has 1 numbers for 3 channels"),
        ({"validation": 50_000}, "data.validation", "between 1 and 49999"),
        ({"split": {"file": "x"}}, "data.split.file", "unknown option of split"),
        ({"split": {"seed": -1}}, "data.split.seed", "must be 0 or more"),
        ({"train_images": 10, "validation": 7, "batch_size": 2}, "data.batch_size", "of 3 images"),
    ],
)
def test_a_fault_of_the_data_says_where_and_what(
    data: dict[str, Any], path: str, what: str
) -> None:
    with pytest.raises(SpecError, match=what) as raised:
        TrainSpec.from_mapping(_with_data(**data))
    assert [fault.path for fault in raised.value.faults] == [path]


def test_a_split_of_cifar10_is_a_seed_or_a_file() -> None:
    mapping = FOLDER | {"model": {"name": "mlp", "widths": [3072, 10]}}

    def read(**data: Any) -> TrainSpec:
        return TrainSpec.from_mapping(mapping | {"data": {"name": "cifar10", **data}})

    assert read(split={"seed": 316}) == read()
    spec = read(split={"file": "split.json"})
    assert spec.to_mapping()["data"]["split"] == {"file": "split.json"}
    assert TrainSpec.from_mapping(spec.to_mapping()) == spec
    with pytest.raises(SpecError, match=r"data\.split: expected either"):
        read(split={"seed": 1, "file": "split.json"})


def test_whether_the_test_part_is_measured_is_true_or_false(make_mapping: MakeMapping) -> None:
    assert TrainSpec.from_mapping(make_mapping()).measure_test
    assert not TrainSpec.from_mapping(make_mapping(measure_test=False)).measure_test
    with pytest.raises(SpecError, match="measure_test: expected true or false, got the text"):
        TrainSpec.from_mapping(make_mapping(measure_test="no"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Later(TrainSpec):
    """The language with two more keys, as one adds them: a field each."""

    novelty: float = 1.0
    noise: Gaussian = field(default=Gaussian())


@settings(deadline=None, max_examples=20)
@given(mapping=MAPPINGS)
def test_a_key_that_is_added_later_changes_no_trial_that_does_without_it(
    mapping: dict[str, Any],
) -> None:
    before, after = TrainSpec.from_mapping(mapping), Later.from_mapping(mapping)
    assert after.to_mapping() == before.to_mapping()
    assert after.without_defaults() == before.without_defaults()
    assert after.canonical().without_defaults() == before.canonical().without_defaults()
    assert identity(after) == identity(before)
    # Nor does it when the default is written down.
    assert Later.from_mapping(mapping | {"novelty": 1, "noise": {"std": 0.1}}) == after


def test_a_key_that_is_added_later_is_read_checked_and_written_by_its_field(
    make_mapping: Callable[..., dict[str, Any]],
) -> None:
    spec = Later.from_mapping(make_mapping(novelty=2, noise={"clean": 0.5}))
    assert (spec.novelty, spec.noise) == (2.0, Gaussian(clean=0.5))
    for written in (spec.to_mapping(), spec.canonical().without_defaults()):
        assert (written["novelty"], written["noise"]) == (2.0, {"clean": 0.5})
    assert Later.from_mapping(spec.to_mapping()) == spec
    assert spec.scaled(lambda epochs: epochs).novelty == 2.0
    with pytest.raises(SpecError, match=r"novelty: expected a number.*\nnoise\.std: must be pos"):
        Later.from_mapping(make_mapping(novelty="much", noise={"std": -1.0}))
    with pytest.raises(SpecError, match=r"^novelty: expected a number, got True$"):
        replace(spec, novelty=True)
    with pytest.raises(SpecError, match=r"^novelt: unknown key, did you mean 'novelty'"):
        Later.from_mapping(make_mapping(novelt=2))


def test_what_was_in_ids_before_defaults_were_left_out_stays_there(make_spec: MakeSpec) -> None:
    spec = make_spec(weights=None, layers=None, seed=None, data="digits", lr_schedule=None)
    assert spec.without_defaults() == {
        "model": {"name": "mlp", "widths": [64, 20, 12, 10]},
        "data": {"name": "digits", "batch_size": 100},
        "optimizer": {"name": "adam", "lr": 0.01},
        "layers": {"order": [], "epochs_per_layer": 0},
        "epochs": 5,
        "seed": 316,
    }
    assert spec.to_mapping() == spec.without_defaults() | {
        "data": {"name": "digits", "batch_size": 100, "eval_batch_size": 1000},
        "lr_schedule": {"name": "constant"},
        "loss": {"name": "cross_entropy"},
        "weights": {"name": "sign"},
        "precision": "float32",
        "latent_at_eval": "keep",
        "measure_test": True,
    }


def _trial(size: int, **changes: Any) -> dict[str, Any]:
    return {
        "model": {"name": "mlp", "widths": [64, 8, 10]},
        "data": {"name": "digits", "batch_size": size},
        "optimizer": {"name": "adam", "lr": 0.01},
        "epochs": 1,
        **changes,
    }


def test_one_image_in_a_batch_is_refused_only_where_a_normalisation_needs_two() -> None:
    plain = {"name": "mlp", "widths": [64, 8, 10], "norm": False}
    assert TrainSpec.from_mapping(_trial(1, model=plain)).data.batch_size == 1
    with pytest.raises(SpecError, match="alone in a batch; a batch normalisation") as raised:
        TrainSpec.from_mapping(_trial(1))
    assert [fault.path for fault in raised.value.faults] == ["data.batch_size"]


def test_views_of_one_image_are_enough_for_a_normalisation() -> None:
    folder = {
        "name": "image_folder", "folder": "x", "size": 8, "train_images": 10, "validation": 3,
    }  # fmt: skip
    data = {**folder, "batch_size": 2, "augment": {"gaussian": {"std": 0.1}}}
    model = {"name": "mlp", "widths": [192, 8, 10]}
    views = {"name": "cross_entropy", "jensen_shannon": 12}
    TrainSpec.from_mapping(_trial(2, data=data, model=model, loss=views))
    with pytest.raises(SpecError, match="leaves one of 7 images alone"):
        TrainSpec.from_mapping(_trial(2, data=data, model=model))


@pytest.mark.parametrize("key", ["batch_size", "eval_batch_size"])
def test_more_images_than_torch_can_count_are_refused(key: str) -> None:
    data = {"name": "digits", "batch_size": 2**40, key: 2**70}
    with pytest.raises(SpecError, match=f"data.{key}: must be"):
        TrainSpec.from_mapping(_trial(1, data=data))
    TrainSpec.from_mapping(_trial(2**40))
