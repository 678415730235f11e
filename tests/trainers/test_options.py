"""What the public functions say to options that nobody has, from a notebook."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import trainers
from trainers import SpecError, UnknownNameError
from trainers.binarize.attach import activation_binarizers, binarizers
from trainers.binding import options_of

Table = Mapping[str, Callable[..., Any]]
Call = Callable[..., Any]


def _attached(attach: Callable[..., None]) -> Call:
    """Attaches to a model of its own, which is still plain where that is refused."""

    def call(name: str, **options: object) -> nn.Module:
        model = trainers.build_model("mlp", widths=[4, 3, 2])
        try:
            attach(model, ["fc2"], name, **options)
        except SpecError:
            assert not [*binarizers(model), *activation_binarizers(model)]
            raise
        return model

    return call


TAKES: dict[str, tuple[Table, Call]] = {
    "binarize_activations": (
        trainers.ACTIVATION_BINARIZERS,
        _attached(trainers.binarize_activations),
    ),
    "binarize_weights": (trainers.WEIGHT_BINARIZERS, _attached(trainers.binarize_weights)),
    "build_model": (trainers.MODELS, trainers.build_model),
    "lr_schedule": (
        trainers.LR_SCHEDULES,
        lambda name, **options: trainers.lr_schedule(name, lr=0.1, epochs=100, **options),
    ),
    "make_activation_binarizer": (
        trainers.ACTIVATION_BINARIZERS,
        trainers.make_activation_binarizer,
    ),
    "make_weight_binarizer": (
        trainers.WEIGHT_BINARIZERS,
        lambda name, **options: trainers.make_weight_binarizer(name, torch.ones(2, 2), **options),
    ),
}
"""Each public function that takes a name and its options: the table, and a call."""

NEEDED: dict[str, dict[str, object]] = {
    "mlp": {"widths": [4, 3, 2]},
    "conv": {"depth": 2},
    "resnet_cifar": {"depth": 18},
    "resnet_imagenet": {"depth": 18},
}
"""Options without a default."""

ENTRIES = [(function, name) for function, (table, _) in TAKES.items() for name in table]
every_entry = pytest.mark.parametrize(("function", "name"), ENTRIES)
every_function = pytest.mark.parametrize("function", TAKES)


def _faults(function: str, name: Any, **options: object) -> list[str]:
    with pytest.raises(SpecError, match=r"\S") as raised:
        TAKES[function][1](name, **options)
    return [str(fault) for fault in raised.value.faults]


def _own(function: str, name: str) -> dict[str, inspect.Parameter]:
    return options_of(TAKES[function][0][name])


def _needed(function: str, name: str) -> dict[str, object]:
    return NEEDED.get(name, {}) if TAKES[function][0] is trainers.MODELS else {}


def test_every_public_function_that_takes_options_is_tried() -> None:
    public = {name: getattr(trainers, name) for name in trainers.__all__}
    signatures = {
        name: inspect.signature(item) for name, item in public.items() if inspect.isfunction(item)
    }
    takes = {
        name
        for name, signature in signatures.items()
        for part in signature.parameters.values()
        if part.kind is part.VAR_KEYWORD
    }
    assert takes == TAKES.keys()


@every_function
@pytest.mark.parametrize("name", ["no_such_name", "", None, 3, ["sign"]])
def test_an_unknown_name_is_told_with_those_that_are_known(function: str, name: Any) -> None:
    table, call = TAKES[function]
    with pytest.raises(UnknownNameError, match=r"unknown .*; known: ") as raised:
        call(name)
    assert set(raised.value.options) == set(table)


@every_entry
def test_an_unknown_option_is_told_with_those_that_are_known(function: str, name: str) -> None:
    known = ", ".join(sorted(_own(function, name))) or "none"
    [fault] = _faults(function, name, no_such_option=1, **_needed(function, name))
    assert fault.startswith("no_such_option: unknown option of ")
    assert fault.endswith(f"'{name}'; known: {known}")


@every_entry
def test_a_slip_in_an_option_is_told_with_the_nearest_one(function: str, name: str) -> None:
    for option in _own(function, name):
        slip = option[:-1] + "xx"
        [fault] = [
            fault
            for fault in _faults(function, name, **_needed(function, name), **{slip: 1})
            if fault.startswith(f"{slip}: ")
        ]
        # `gammas` cut short is nearer to `gamma`.
        near = {option, option.removesuffix("s")} & _own(function, name).keys()
        assert any(f"did you mean '{one}'?" in fault for one in near)


@every_entry
def test_a_value_of_another_type_is_told_at_its_option(function: str, name: str) -> None:
    for option in _own(function, name):
        [fault] = _faults(function, name, **(_needed(function, name) | {option: {1, 2}}))
        assert fault.startswith(f"{option}: expected ") or "unknown value" in fault


@every_entry
def test_an_option_without_a_default_is_missed(function: str, name: str) -> None:
    needed = {
        key
        for key, part in _own(function, name).items()
        if part.default is inspect.Parameter.empty
    }
    assert needed == _needed(function, name).keys()
    if needed:
        faults = _faults(function, name)
        assert {fault.partition(": is missing: ")[0] for fault in faults} == needed


@every_entry
def test_several_faults_are_told_at_once(function: str, name: str) -> None:
    faults = _faults(function, name, one=1, two=2, **_needed(function, name))
    assert [fault.partition(": ")[0] for fault in faults] == ["one", "two"]


@every_function
def test_only_our_own_error_leaves_them(function: str) -> None:
    for name in TAKES[function][0]:
        for value in (None, "a", b"a", -1, 0.5, [], {}, [None], object(), nn.Linear):
            for option in _own(function, name):
                try:
                    TAKES[function][1](name, **_needed(function, name) | {option: value})
                except SpecError:
                    continue


def test_published_names_of_options_are_taken_and_told() -> None:
    schedule = trainers.lr_schedule("multistep", lr=1.0, epochs=9, lr_adjust=3, lr_gamma=0.5)
    assert [schedule(epoch) for epoch in (2, 3, 6)] == [1.0, 0.5, 0.25]
    with pytest.raises(SpecError, match=r"^lr_gama: .*multistep', did you mean 'gamma'\?"):
        trainers.lr_schedule("multistep", lr=1.0, epochs=9, lr_gama=0.5)
    with pytest.raises(SpecError, match=r"^lr_gamma: unknown option of lr schedule 'cosine'; kn"):
        trainers.lr_schedule("cosine", lr=1.0, epochs=9, lr_gamma=0.5)
    with pytest.raises(SpecError, match=r"^lr_gamma: is 'gamma' under its published name: give"):
        trainers.lr_schedule("multistep", lr=1.0, epochs=9, gamma=0.1, lr_gamma=0.5)


def test_a_rate_or_a_number_of_epochs_of_another_type_is_told() -> None:
    with pytest.raises(SpecError, match=r"^lr: expected a number, got .*\nepochs: expected a who"):
        trainers.lr_schedule("cosine", lr="0.1", epochs=2.5)  # type: ignore[arg-type]


def test_numbers_of_other_libraries_are_taken() -> None:
    keep, widths = np.float64(0.25), np.arange(2, 5)
    assert trainers.make_weight_binarizer("biprop", torch.ones(2, 2), keep=keep).keep == 0.25
    model = trainers.build_model("mlp", widths=[*widths, np.int32(7)])
    assert trainers.weight_layers(model) == ("fc1", "fc2", "fc3")
    assert trainers.build_model("mlp", widths=range(2, 5)) is not None
    schedule = trainers.lr_schedule("constant", lr=np.float32(0.5), epochs=np.int64(2))
    assert schedule(1) == 0.5


@pytest.mark.parametrize(
    "attach",
    [
        lambda model, layers: trainers.binarize_weights(model, layers, "sign"),
        lambda model, layers: trainers.binarize_activations(model, layers, "sign"),
        trainers.set_binary,
    ],
)
@pytest.mark.parametrize("layers", ["fc1", None, 3])
def test_layers_are_a_list_of_names(attach: Callable[..., None], layers: object) -> None:
    model = trainers.build_model("mlp", widths=[4, 3, 2])
    with pytest.raises(SpecError, match=r"expected a list of names, each of a layer.*, got"):
        attach(model, layers)


def test_an_order_is_a_list_and_a_policy_one_that_there_is() -> None:
    with pytest.raises(SpecError, match="order: expected a list of layers, got the text 'fc1'"):
        trainers.LayerSchedule(order="fc1")  # type: ignore[arg-type]
    with pytest.raises(SpecError, match=r"policy: unknown value .*did you mean 'every'"):
        trainers.CheckpointPolicy(policy="evry")  # type: ignore[arg-type]
