"""What is known of a network before it is trained."""

import subprocess
import sys
import textwrap
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trainers.binding import Component
from trainers.errors import SpecError
from trainers.models import MODELS
from trainers.spec import probe
from trainers.spec.probe import (
    MOST_PARAMETERS,
    blank_model,
    fit_faults,
    model_layers,
    model_on_meta,
    normalises_single_values,
)

HUGE = Component("mlp", {"widths": (10**6, 10**6, 10)})
# Beyond what a tensor can have: torch refuses it in its own words.
IMPOSSIBLE = Component("mlp", {"widths": (64, 2**62, 10)})


def _mlp(*widths: int) -> Component:
    return Component("mlp", {"widths": widths})


def test_a_model_on_meta_has_no_memory() -> None:
    model = model_on_meta(HUGE)
    assert all(parameter.is_meta for parameter in model.parameters())


@pytest.mark.parametrize("function", [model_on_meta, blank_model, model_layers])
def test_a_model_that_cannot_be_made_is_refused_in_one_line(function: Any) -> None:
    with pytest.raises(SpecError, match=r"cannot be made \(.+\)") as raised:
        function(IMPOSSIBLE)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("function", [model_on_meta, blank_model, model_layers])
def test_options_that_a_model_refuses_are_told_in_its_own_words(function: Any) -> None:
    with pytest.raises(SpecError, match="two positive numbers or more"):
        function(_mlp(64))


def test_a_blank_model_is_all_zeros_on_the_cpu() -> None:
    state = blank_model(_mlp(64, 20, 10)).state_dict()
    assert state.keys() == MODELS["mlp"](widths=[64, 20, 10]).state_dict().keys()
    for tensor in state.values():
        assert tensor.device.type == "cpu"
        assert torch.equal(tensor, torch.zeros_like(tensor))


def test_a_blank_model_computes() -> None:
    with torch.no_grad():
        assert blank_model(_mlp(64, 20, 10))(torch.zeros(2, 1, 8, 8)).shape == (2, 10)


def test_a_model_above_the_most_parameters_is_refused_without_taking_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def allocate(*arguments: object, **options: object) -> nn.Module:
        raise AssertionError("memory was taken")

    monkeypatch.setattr(nn.Module, "to_empty", allocate)
    with pytest.raises(SpecError, match=f"has 1,000,0.* parameters; {MOST_PARAMETERS:,} is the"):
        blank_model(HUGE)


def test_a_model_of_exactly_the_most_parameters_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    # Weights, biases, and two numbers a unit of the normalisation.
    size = 9 * 5 + 5 + 2 * 5
    monkeypatch.setattr(probe, "MOST_PARAMETERS", size)
    assert sum(parameter.numel() for parameter in blank_model(_mlp(9, 5)).parameters()) == size
    monkeypatch.setattr(probe, "MOST_PARAMETERS", size - 1)
    with pytest.raises(SpecError, match="has 60 parameters; 59 is the most"):
        blank_model(_mlp(9, 5))


def test_layers_come_in_forward_order() -> None:
    assert model_layers(_mlp(64, 20, 12, 10)) == ("fc1", "fc2", "fc3")
    # By name, fc10 would come before fc2.
    assert model_layers(_mlp(*[3] * 12)) == tuple(f"fc{number}" for number in range(1, 12))


def test_layers_of_a_model_too_large_to_train_are_known() -> None:
    assert model_layers(HUGE) == ("fc1", "fc2")


@pytest.mark.parametrize(
    ("model", "data"), [(_mlp(64, 20, 10), "digits"), (_mlp(784, 20, 10), "mnist")]
)
def test_a_model_that_takes_the_images_has_no_fault(model: Component, data: str) -> None:
    assert fit_faults(model, Component(data)) == ()


@pytest.mark.parametrize(
    ("model", "data", "what"),
    [
        (_mlp(784, 20, 10), "digits", "does not take the 1x8x8 images of data set 'digits' ("),
        (_mlp(64, 20, 10), "mnist", "does not take the 1x28x28 images of data set 'mnist' ("),
        (_mlp(64, 20, 7), "digits", "gives 7 outputs, but 'digits' has 10 classes"),
        (_mlp(64, 20, 11), "digits", "gives 11 outputs, but 'digits' has 10 classes"),
        (HUGE, "digits", f"parameters; {MOST_PARAMETERS:,} is the most"),
        (IMPOSSIBLE, "digits", "cannot be made ("),
        (_mlp(64), "digits", "two positive numbers or more"),
    ],
)
def test_a_model_that_does_not_fit_has_one_fault_of_one_line(
    model: Component, data: str, what: str
) -> None:
    [fault] = fit_faults(model, Component(data))
    assert fault.path == ""
    assert what in fault.what
    assert "\n" not in fault.what


def test_the_shape_follows_the_options_of_the_data_set() -> None:
    model = _mlp(3 * 6 * 6, 20, 4)
    options = {"folder": "tiny", "size": 6, "classes": 4}
    assert fit_faults(model, Component("image_folder", options)) == ()
    [fault] = fit_faults(model, Component("image_folder", {**options, "size": 8}))
    assert "does not take the 3x8x8 images" in fault.what
    # Told where the data set is checked.
    assert fit_faults(model, Component("image_folder", {**options, "size": 0})) == ()


def test_checking_a_model_records_no_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []

    class Watching(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            seen.append(torch.is_grad_enabled())
            return images.new_zeros(len(images), 10)

    monkeypatch.setitem(MODELS, "watching", Watching)
    assert fit_faults(Component("watching"), Component("digits")) == ()
    assert seen == [False]


def test_reading_a_spec_loads_neither_torchs_compiler_nor_torchvision() -> None:
    code = """
        import sys
        from trainers.spec.train_spec import TrainSpec

        TrainSpec.from_mapping(
            {
                "model": {"name": "mlp", "widths": [784, 300, 100, 10]},
                "data": {"name": "mnist"},
                "optimizer": {"name": "adam", "lr": 0.01},
                "layers": {"order": ["fc2", "fc1"], "epochs_per_layer": 2},
                "epochs": 5,
            }
        )
        sys.exit(", ".join({"torch._dynamo", "torchvision"} & set(sys.modules)) or 0)
        """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("name", "options", "data", "expected"),
    [
        ("mlp", {"widths": (64, 8, 10)}, "digits", True),
        ("mlp", {"widths": (64, 8, 10), "norm": False}, "digits", False),
        ("conv", {"depth": 2}, "cifar10", False),
        ("vgg5", {}, "cifar10", True),
        ("wrn", {"depth": 20}, "cifar10", False),
        ("resnet20", {}, "cifar10", False),
        ("resnet_cifar", {"depth": 18}, "cifar10", False),
        ("vgg_small", {}, "cifar10", False),
    ],
)
def test_a_normalisation_of_single_values_needs_two_images(
    name: str, options: dict[str, Any], data: str, expected: bool
) -> None:
    assert normalises_single_values(Component(name, options), Component(data)) == expected


@pytest.mark.parametrize("expected", [True, False])
def test_that_is_where_torch_refuses_to_train_on_one_image(expected: bool) -> None:
    model = Component("mlp", {"widths": (64, 8, 10), "norm": expected})
    made = blank_model(model).train()
    with pytest.raises(ValueError, match="more than 1 value") if expected else nullcontext():
        made(torch.zeros(1, 1, 8, 8))
    assert normalises_single_values(model, Component("digits")) == expected
