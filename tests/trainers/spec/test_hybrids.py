"""Whose inputs are binary in a trial, and in the published hybrids."""

from typing import Any

import pytest

from trainers import MODELS, TrainSpec
from trainers.binding import Component
from trainers.spec.hybrids import (
    binary_places,
    forms_of,
    inner_places,
    norm_before,
    not_binary,
    published_hybrids,
    real_form,
)
from trainers.spec.probe import conv_layers

EXPANDING = [number for fire in range(2, 8) for number in (3 * fire, 3 * fire + 1)]
PUBLISHED = {
    ("alexnet", "hybrid"): range(2, 6),
    ("alexnet", "v2"): range(2, 7),
    ("sketchanet", "hybrid"): range(2, 6),
    ("sketchanet", "v2"): range(2, 7),
    ("resnet18_sketch", "hybrid"): range(2, 19),
    ("resnet18_sketch", "v2"): range(2, 14),
    ("resnet18_sketch", "v3"): (2, *range(4, 9), *range(11, 14)),
    ("squeezenet", "hybrid"): range(5, 26),
    ("squeezenet", "v2"): range(5, 23),
    ("squeezenet", "v3"): EXPANDING,
}
"""Numbers of the convolutions with binary inputs, from 1 and in registration order."""


def _spec(**changes: Any) -> TrainSpec:
    mapping = {
        "model": {"name": "mlp", "widths": [64, 12, 8, 10]},
        "data": {"name": "digits", "batch_size": 64},
        "optimizer": {"name": "adam", "lr": 0.01},
        "layers": {"order": "all"},
        "activations": {"name": "sign"},
        "epochs": 1,
    }
    return TrainSpec.from_mapping(mapping | changes)


@pytest.mark.parametrize("network", sorted(MODELS))
def test_every_published_hybrid_and_no_other_is_known(network: str) -> None:
    numbered = {form: nums for (name, form), nums in PUBLISHED.items() if name == network}
    convs = conv_layers(Component(network, {})) if numbered else ()
    expected = {
        form: tuple(convs[number - 1] for number in nums) for form, nums in numbered.items()
    }
    assert published_hybrids(network) == expected


def test_inner_places_are_those_of_the_fully_binary_network_whatever_the_form() -> None:
    for form in forms_of("alexnet"):
        places = inner_places(Component("alexnet", {"form": form}))
        assert places == tuple(f"conv{number}" for number in range(2, 8))
    assert inner_places(Component("mlp", {"widths": (64, 12, 8, 10)})) == ("fc2",)


@pytest.mark.parametrize(
    ("network", "form", "expected"),
    [
        ("alexnet", "fbin", "wbin"),
        ("alexnet", "v2", "wbin"),
        ("googlenet", "fbin", "wbin"),
        ("resnet18_sketch", "fbin", "float"),
        ("bincifar", "fbin", "float"),
        ("alexnet", "wbin", None),
        ("nin", None, None),
    ],
)
def test_a_form_for_binary_inputs_has_one_for_real_ones(
    network: str, form: str | None, expected: str | None
) -> None:
    assert real_form(Component(network, {"form": form} if form else {})) == expected


def test_norms_in_front_are_named_where_a_hybrid_can_choose_them() -> None:
    assert norm_before(Component("alexnet", {"form": "v2"})) == tuple(
        f"conv{number}" for number in range(2, 7)
    )
    assert norm_before(Component("alexnet", {"form": "wbin"})) == ()
    assert norm_before(Component("bincifar", {"form": "fbin"})) == ()
    assert norm_before(Component("mlp", {"widths": (64, 12, 10)})) == ()


def test_a_network_whose_classifier_takes_real_inputs_is_fully_binary() -> None:
    assert not_binary(_spec()) is None
    assert not_binary(_spec(activations={"name": "sign", "layers": ["fc2"]})) is None
    assert not_binary(_spec(layers={"order": ["fc2"]})) is None


def test_the_blocks_of_a_residual_network_are_binary_with_their_layers() -> None:
    spec = _spec(model={"name": "resnet20"}, data={"name": "cifar10", "batch_size": 64})
    assert not_binary(spec) is None
    assert binary_places(spec)[:2] == ("stage1.0", "stage1.0.conv2")
    assert set(binary_places(spec)) - set(inner_places(spec.model)) == {"pool"}


@pytest.mark.parametrize(
    ("changes", "path", "what"),
    [
        ({"activations": "none"}, "activations", "all inputs of layers are real"),
        ({"activations": {"name": "hard_clip"}}, "activations", "bounded, not binary"),
        (
            {"activations": {"name": "sign", "layers": ["fc3"]}},
            "activations.layers",
            "is a hybrid: the inputs of fc2 are real",
        ),
        ({"layers": {"order": []}}, "layers.order", "the weights of fc2 are real"),
        ({"layers": {"order": ["fc1"]}}, "layers.order", "the weights of fc2 are real"),
    ],
)
def test_what_is_not_fully_binary_is_told_with_its_reason(
    changes: dict[str, Any], path: str, what: str
) -> None:
    fault = not_binary(_spec(**changes))
    assert fault is not None
    assert fault.path == path
    assert what in fault.what


def test_a_published_hybrid_is_not_fully_binary_though_all_its_places_are() -> None:
    spec = _spec(
        model={"name": "resnet18_sketch", "form": "hybrid", "num_classes": 10},
        layers={"published_range": [2, 100]},
    )
    fault = not_binary(spec)
    assert fault is not None
    assert "layer4.1.conv1, layer4.1.conv2 are real" in fault.what
