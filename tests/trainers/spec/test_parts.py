"""Binary inputs, and what normalisations learn."""

from typing import Any

import pytest

from trainers.binarize.activations import ActivationBinarizer
from trainers.binding import Component
from trainers.errors import SpecError
from trainers.spec.parts import (
    ActivationSpec,
    BatchNorm,
    activation_faults,
    binarizer_of,
    read_activations,
)

SIGN = ActivationSpec(binarizer=Component("sign"))


@pytest.mark.parametrize("value", [None, "none", {"name": "none"}])
def test_without_a_name_no_input_is_binary(value: object) -> None:
    assert read_activations(value) is None


@pytest.mark.parametrize(
    "value", ["sign", {"name": "sign"}, {"name": "sign", "layers": "all"}, SIGN]
)
def test_wherever_relu_is_inputs_are_binary_unless_layers_are_named(value: object) -> None:
    read = read_activations(value)
    assert read == SIGN
    assert read is not None
    assert read.to_mapping() == {"name": "sign"}


def test_layers_and_options_survive_being_written_down() -> None:
    written = {"name": "sign", "clip": 0.5, "layers": ["fc2", "fc3"]}
    read = read_activations(written)
    assert read == ActivationSpec(
        binarizer=Component("sign", {"clip": 0.5}), layers=("fc2", "fc3")
    )
    assert read.to_mapping() == written
    assert read_activations(read.to_mapping()) == read


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (3, r"expected {name: \.\.\., layers: \[\.\.\.\]}, got 3"),
        (["sign"], r"expected {name: \.\.\., layers: \[\.\.\.\]}, got the list"),
        ({"name": "sgn"}, "name: unknown activation binarizer 'sgn', did you mean 'sign'"),
        ({"layers": ["fc2"]}, "name: is missing"),
        ({"name": "sign", "clip": -1.0}, "clip: must be positive"),
        ({"name": "sign", "clp": 1.0}, "clp: unknown option .*did you mean 'clip'.*or none"),
        ({"name": "sign", "layers": []}, "layers: expected different layers, one or more, or all"),
        ({"name": "sign", "layers": ["fc2", "fc2"]}, "layers: expected different layers"),
        ({"name": "sign", "layers": [2]}, r"layers\.0: expected"),
    ],
)
def test_binary_inputs_that_cannot_be_are_refused(value: object, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        read_activations(value)


def test_all_faults_of_binary_inputs_come_together() -> None:
    with pytest.raises(SpecError, match=r"\S") as raised:
        read_activations({"name": "sign", "clip": "one", "layers": []})
    assert [fault.path for fault in raised.value.faults] == ["layers", "clip"]


def test_a_mapping_that_was_read_stays_as_it_was() -> None:
    written = {"name": "sign", "layers": ["fc2"]}
    read_activations(written)
    assert written == {"name": "sign", "layers": ["fc2"]}


def test_a_binarizer_is_made_of_its_options() -> None:
    made = binarizer_of(Component("sign", {"clip": 0.5}))
    assert isinstance(made, ActivationBinarizer)
    with pytest.raises(SpecError, match="clip: must be positive"):
        binarizer_of(Component("sign", {"clip": 0.0}))


def test_layers_that_the_model_has_not_are_told_by_their_place() -> None:
    spec = ActivationSpec(binarizer=Component("sign"), layers=("fc2", "fc9", "fc8"))
    faults = activation_faults(spec, ["fc1", "fc2"])
    assert [fault.path for fault in faults] == ["layers.1", "layers.2"]
    assert "unknown layer 'fc9'" in faults[0].what
    assert activation_faults(SIGN, []) == []


def test_normalisations_learn_along_with_all_else_unless_told() -> None:
    usual = BatchNorm()
    assert (usual.learn, usual.tuned_from, usual.decay) == ("all", None, True)
    assert (usual.weight, usual.bias) == ("one", 0.0)
    assert usual.to_mapping() == {}
    assert BatchNorm(learn="bias", tuned_from=0).to_mapping() == {"learn": "bias", "tuned_from": 0}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tuned_from": -1}, "tuned_from: must be 0 or more, got -1"),
        ({"tuned_from": 0, "learn": "none"}, "tuned_from: with learn: none, nothing would learn"),
        ({"momentum": 0.0}, r"momentum: must be above 0 and at most 1, got 0\.0"),
        ({"momentum": 1.5}, r"momentum: must be above 0 and at most 1, got 1\.5"),
    ],
)
def test_normalisations_that_cannot_be_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        BatchNorm(**options)
