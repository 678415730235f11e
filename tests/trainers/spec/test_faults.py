"""What is wrong with a trial whose parts could be read."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch

from trainers.binarize.schedule import LayerSchedule
from trainers.binding import Component
from trainers.data import AUGMENTATIONS, Augment
from trainers.data.gaussian import Gaussian
from trainers.data.mixup import Mixup
from trainers.errors import SpecError
from trainers.spec.faults import faults_between
from trainers.spec.parts import ActivationSpec, BatchNorm
from trainers.spec.reading import keys_of
from trainers.spec.train_spec import DataSpec, TrainSpec

PICTURES = Component(
    "image_folder",
    {"folder": "pictures", "size": 8, "channels": 1, "mean": (0.5,), "std": (0.5,)},
)
"""As large as those of `digits`, and bytes."""
MakeSpec = Callable[..., TrainSpec]
Told = Callable[..., list[str]]


@pytest.fixture
def told(make_spec: MakeSpec) -> Told:
    """The faults of a small trial of five epochs with some of its parts replaced."""

    def tell(**changes: Any) -> list[str]:
        spec = make_spec()
        parts = {name: getattr(spec, name) for name in keys_of(TrainSpec).names} | changes
        return [str(fault) for fault in faults_between(parts)]

    return tell


def test_a_replaced_part_is_checked_again(make_spec: MakeSpec) -> None:
    spec = make_spec()
    with pytest.raises(SpecError, match=r"layers\.order: fc1 never turn binary in 2 epochs"):
        dataclasses.replace(spec, epochs=2)
    with pytest.raises(SpecError, match="unknown layer 'fc3'"):
        dataclasses.replace(
            spec,
            model=Component("mlp", {"widths": (64, 10, 10)}),
            layers=LayerSchedule(order=("fc3",)),
        )
    assert dataclasses.replace(spec, epochs=9).epochs == 9


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": Component("mpl", {"widths": (64, 10)})}, "model.*unknown model 'mpl'"),
        ({"optimizer": Component("adma", {"lr": 0.1})}, "optimizer.*unknown optimizer 'adma'"),
        ({"optimizer": Component("adam")}, "optimizer.*lr"),
        ({"data": DataSpec(source=Component("digit"))}, "data.*unknown data set 'digit'"),
        ({"precision": "float16"}, "precision.*float16"),
        ({"epochs": 5.0}, "^epochs: expected a whole number, got 5.0$"),
        ({"seed": True}, "^seed: expected a whole number, got True$"),
        (
            {"clip_gradient": "1"},
            r"^clip_gradient: expected a number or nothing, got the text '1'$",
        ),
    ],
)
def test_a_replaced_name_is_checked_like_one_in_a_file(
    changes: dict[str, Any], message: str, make_spec: MakeSpec
) -> None:
    spec = make_spec()
    with pytest.raises(SpecError, match=message):
        dataclasses.replace(spec, **changes)


def test_parts_that_go_together_have_no_fault(told: Told, make_spec: MakeSpec) -> None:
    assert told() == []
    assert faults_between({}) == []
    for name in keys_of(TrainSpec).names:
        assert faults_between({name: getattr(make_spec(), name)}) == []


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"clip_gradient": 0.0}, "clip_gradient: must be positive, got 0.0"),
        ({"lr_batch": 0}, "lr_batch: must be 1 or more, got 0; 256 is usual for ImageNet"),
        (
            {"loss": Component("cross_entropy", {"jensen_shannon": 12.0})},
            "loss.jensen_shannon: compares views of an image that would all be the same; "
            "set " + " or ".join(f"data.augment.{key}" for key in sorted(AUGMENTATIONS)) + " too",
        ),
        (
            {"weights": Component("biprop"), "latent_at_eval": "reset"},
            "latent_at_eval: overwrites latent weights, but 'biprop' needs them unchanged; "
            "remove it",
        ),
        (
            {"weights": Component("biprop_global", {"ramp_epochs": 5})},
            "weights.ramp_epochs: the final share would not be reached in 5 epochs; "
            "set epochs to 6 or more, or ramp_epochs to 4 or less",
        ),
        (
            {"batch_norm": BatchNorm(tuned_from=5)},
            "batch_norm.tuned_from: must be below the number of epochs, 5, got 5; "
            "epochs count from 0",
        ),
        ({"seed": -1}, "seed: must be 0 or more, got -1"),
        ({"optimizer": Component("adam", {"lr": -1.0})}, "optimizer: Invalid learning rate: -1.0"),
        (
            {"lr_schedule": Component("cosine", {"warmup": 5})},
            "lr_schedule.warmup: must be 0 or more and below the 5 epochs of the trial, got 5",
        ),
    ],
)
def test_options_that_do_not_go_together_are_told(
    changes: dict[str, Any], fault: str, told: Told
) -> None:
    assert told(**changes) == [fault]


def test_mixtures_of_two_images_have_no_views_of_one(told: Told) -> None:
    augment = Augment(variation=Gaussian(), mixup=Mixup())
    mixed = DataSpec(source=PICTURES, batch_size=64, augment=augment)
    assert told(data=mixed) == []
    assert told(loss=Component("cross_entropy", {"jensen_shannon": 12.0}), data=mixed) == [
        "loss.jensen_shannon: compares views of one image, but mix-up makes one of two; "
        "remove it, or data.augment.mixup"
    ]


def test_the_same_options_are_well_where_nothing_stands_against_them(told: Told) -> None:
    noisy = DataSpec(source=PICTURES, batch_size=64, augment=Augment(variation=Gaussian()))
    views = Component("cross_entropy", {"jensen_shannon": 12.0})
    assert told(loss=views, data=noisy) == []
    # The share of a ticket is reached in the last epoch; nothing is pruned without layers.
    assert told(weights=Component("biprop_global", {"ramp_epochs": 4})) == []
    none = LayerSchedule[str]()
    ticket = Component("biprop_global", {"ramp_epochs": 50})
    assert told(weights=ticket, layers=none, latent_at_eval="reset") == []
    assert told(batch_norm=BatchNorm(tuned_from=4)) == []


def test_layers_that_the_model_has_not_are_told_by_their_place(told: Told) -> None:
    activations = ActivationSpec(binarizer=Component("sign"), layers=("fc2", "fc7"))
    faults = told(layers=LayerSchedule(order=("fc8", "fc1")), activations=activations)
    assert [fault.partition("; ")[0] for fault in faults] == [
        "activations.layers.1: unknown layer 'fc7', did you mean 'fc3'?",
        "layers.order.0: unknown layer 'fc8', did you mean 'fc3'?",
    ]


def test_faults_of_several_parts_come_together(told: Told) -> None:
    faults = told(
        epochs=0,
        data=DataSpec(source=Component("digits"), batch_size=0),
        weights=Component("sign", {"clip": -1.0}),
        model=Component("mlp", {"widths": (64, 20, 12, 7)}),
    )
    paths = [fault.partition(": ")[0] for fault in faults]
    assert paths == ["epochs", "data.batch_size", "weights", "model"]


def test_what_a_table_does_not_know_is_told_before_all_else(told: Told) -> None:
    [fault] = told(optimizer=Component("adma", {"lr": 0.1}), epochs=0, seed=-1)
    assert fault.startswith("optimizer.name: unknown optimizer 'adma', did you mean 'adam'?")


def test_the_global_generator_is_not_drawn_from(told: Told) -> None:
    before = torch.get_rng_state()
    assert told(weights=Component("biprop_global", {"ramp_epochs": 2})) == []
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("weights", "faults"),
    [
        (
            Component("dab"),
            ["layers.order.1: conv1 has one input channel per group; centred over"],
        ),
        (Component("xnor"), ["layers.order.1: conv1 has one input channel per group; its p"]),
        (Component("xnor", {"gradient": "straight_through"}), []),
        (Component("sign"), []),
    ],
    ids=str,
)
def test_a_layer_that_a_binarizer_would_empty_or_never_train_is_refused(
    weights: Component, faults: list[str]
) -> None:
    options = {"depth": 2, "in_channels": 1, "image_size": 28}
    parts = {
        "model": Component("conv", options),
        "layers": LayerSchedule(order=("conv2", "conv1")),
        "weights": weights,
    }
    found = [str(fault) for fault in faults_between(parts)]
    assert [text[: len(start)] for text, start in zip(found, faults, strict=True)] == faults
