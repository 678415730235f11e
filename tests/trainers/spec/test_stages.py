"""The stage before a trial, in a spec."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from trainers.binding import Component
from trainers.errors import SpecError
from trainers.spec.train_spec import TrainSpec

MakeSpec = Callable[..., TrainSpec]
TWO: dict[str, Any] = {
    "optimizer": {"name": "adam", "lr": 0.02, "weight_decay": 1e-5},
    "layers": {"order": []},
    "data": {"augment": {"mixup": {}}},
    "loss": {"name": "cross_entropy", "label_smoothing": 0.1},
    "activations": {"name": "hard_clip"},
    "epochs": 3,
}


def test_a_stage_before_is_the_trial_with_what_differs(make_spec: MakeSpec) -> None:
    spec = make_spec(before=TWO, activations="sign", epochs=8)
    before = spec.before
    assert before is not None
    data = {"name": "digits", "batch_size": 64, **TWO["data"]}
    assert before == make_spec(**{**TWO, "data": data})
    assert spec.stages == (before, spec)
    assert (spec.epochs_before, spec.all_epochs) == (3, 11)
    assert before.all_epochs == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"before": TWO},
        {"before": {**TWO, "before": {"activations": {"name": "leaky_clip"}, "epochs": 2}}},
        # What the trial has and the stage before has not.
        {
            "before": {
                "activations": None,
                "teacher": None,
                "distillation": "none",
                "batch_norm": {},
                "data": {"augment": {}},
                "clip_gradient": None,
            },
            "activations": "sign",
            "teacher": {"file": "t", "sha256": 64 * "0"},
            "distillation": "kl",
            "batch_norm": {"momentum": 0.2},
            "data": {"name": "digits", "augment": {"mixup": {}}, "one_batch": True},
            "clip_gradient": 1.0,
        },
    ],
)
def test_stages_survive_being_written_down(make_spec: MakeSpec, changes: dict[str, Any]) -> None:
    spec = make_spec(**changes)
    assert TrainSpec.from_mapping(spec.to_mapping()) == spec
    canonical = spec.canonical()
    assert TrainSpec.from_mapping(canonical.to_mapping()) == canonical == canonical.canonical()


def test_stages_are_another_trial_and_what_has_no_effect_in_them_is_not(
    make_spec: MakeSpec,
) -> None:
    def minimal(before: Any) -> Any:
        return make_spec(before=before).canonical().without_defaults()

    assert minimal(TWO) != minimal(None) == make_spec().canonical().without_defaults()
    assert "before" not in make_spec().to_mapping()
    assert minimal(TWO) == minimal({**TWO, "weights": "xnor", "latent_at_eval": "keep"})
    assert minimal(TWO) != minimal({**TWO, "epochs": 4})


def test_all_stages_are_scaled_and_turn_all_their_layers_binary(make_spec: MakeSpec) -> None:
    layered = {"layers": {"order": ["fc1", "fc2", "fc3"], "epochs_per_layer": 4}, "epochs": 12}
    spec = make_spec(before=layered, epochs=40).scaled(lambda epochs: -(-epochs // 10))
    assert spec.before is not None
    assert (spec.before.layers.epochs_per_layer, spec.before.epochs, spec.epochs) == (1, 3, 4)


def test_a_changed_trial_needs_a_changed_stage(make_spec: MakeSpec) -> None:
    spec = make_spec(before=TWO)
    assert replace(spec, epochs=9).before == spec.before
    with pytest.raises(SpecError, match=r"^before.seed: is 7, but the trial has 8$"):
        replace(spec, seed=8)
    plain: Any = {"name": "sgd", "lr": 0.5}
    assert replace(spec, optimizer=plain).optimizer == Component("sgd", {"lr": 0.5})
    assert replace(spec, optimizer=plain).before == spec.before


@pytest.mark.parametrize(
    ("before", "message"),
    [
        (5, "before: expected what differs in the stage before, got 5"),
        ({"seed": 3}, "before.seed: is the same in all stages of a trial; remove it"),
        (
            {"data": {"name": "mnist"}},
            "before.data.name: is another data set than the trial's; name it once",
        ),
        ({"epoch": 3}, "before.epoch: unknown key, did you mean 'epochs'?"),
        ({"epochs": 0}, "before.epochs: must be 1 or more, got 0"),
        ({"optimizer": "adam"}, "before.optimizer.lr: is missing: optimizer 'adam' needs it"),
        (
            {"weights": "biprop", "layers": {"order": ["fc1"]}},
            "before.weights: 'biprop' leaves weights as they are, so there is none to take over",
        ),
        (
            {"layers": {"order": ["fc1", "fc2"], "epochs_per_layer": 9}},
            "before.layers.order: fc2 never turn binary in 5 epochs",
        ),
    ],
)
def test_a_stage_that_makes_no_sense_is_refused_with_the_reason(
    make_mapping: Callable[..., dict[str, Any]], before: object, message: str
) -> None:
    with pytest.raises(SpecError, match=f"(?m)^{re.escape(message)}"):
        TrainSpec.from_mapping(make_mapping(before=before))


def test_faults_of_the_trial_are_not_repeated_for_the_stage_before(
    make_mapping: Callable[..., dict[str, Any]],
) -> None:
    with pytest.raises(SpecError, match=r"^optimizer: is missing$"):
        TrainSpec.from_mapping(make_mapping(before=TWO, optimizer=None))


@pytest.mark.parametrize(
    ("changes", "paths"),
    [
        ({"distillation": {"name": "kl"}}, ["teacher"]),
        ({"center_loss": {"weight": 0.1, "layer": "fc9"}}, ["center_loss.layer"]),
        ({"epochs": 0}, ["epochs"]),
        ({"data": {"name": "digits", "augment": {"lighting": {"std": -1}}}}, None),
    ],
)
def test_what_is_wrong_once_is_told_once_and_where_it_is_written(
    changes: dict[str, Any], paths: list[str] | None, make_mapping: Callable[..., dict[str, Any]]
) -> None:
    mapping = make_mapping(**changes)
    with pytest.raises(SpecError) as alone:
        TrainSpec.from_mapping(mapping)
    with pytest.raises(SpecError) as staged:
        TrainSpec.from_mapping(mapping | {"before": {"layers": {"order": []}}})
    assert staged.value.faults == alone.value.faults
    if paths is not None:
        assert [fault.path for fault in alone.value.faults] == paths


def test_a_misspelled_key_of_a_stage_is_told_beside_faults_of_the_trial(
    make_mapping: Callable[..., dict[str, Any]],
) -> None:
    with pytest.raises(SpecError) as raised:
        TrainSpec.from_mapping(make_mapping(epochs=0, before={"epoch": 3}))
    assert {fault.path for fault in raised.value.faults} == {"epochs", "before.epoch"}
