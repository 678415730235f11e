"""Parts of a trial, read from plain values."""

from typing import Any

import pytest

from trainers.spec.reading import keys_of, read_parts
from trainers.spec.train_spec import TrainSpec

MODEL = {"name": "mlp", "widths": [64, 16, 8, 10]}


def _read(**mapping: Any) -> tuple[dict[str, Any], list[str]]:
    parts, faults = read_parts(keys_of(TrainSpec), mapping)
    return parts, [f"{fault.path}: {fault.what}" for fault in faults]


def test_a_part_that_cannot_be_read_hides_no_other() -> None:
    parts, faults = _read(model=MODEL, epochs="many", seed=3)
    assert (parts["seed"], parts["model"].name) == (3, "mlp")
    assert any(fault.startswith("epochs: ") for fault in faults)
    assert "data: is missing" in faults


def test_keys_without_a_default_are_required() -> None:
    keys = keys_of(TrainSpec)
    assert {"model", "data", "epochs"} <= keys.required
    assert "seed" not in keys.required
    assert set(keys.names) == {*keys.plain, *keys.structured}


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ([3, 1], ("fc3", "fc1")),
        (["fc2", 1], ("fc2", "fc1")),
        ("all", ("fc1", "fc2", "fc3")),
        ([], ()),
    ],
)
def test_layers_are_named_or_counted_from_1(order: object, names: tuple[str, ...]) -> None:
    parts, _ = _read(model=MODEL, layers={"order": order})
    assert parts["layers"].order == names
    assert parts["layers"].epochs_per_layer == 0


def test_a_layer_beyond_the_model_is_named_with_what_there_is() -> None:
    _, faults = _read(model=MODEL, layers={"order": "al"})
    assert "layers.order: expected a list of layers, or all, got the text 'al'" in faults
    _, faults = _read(model=MODEL, layers={"order": [1, 4]})
    assert "layers.order.1: there is no layer 4" in faults


CONV = {"name": "conv", "depth": 4}


@pytest.mark.parametrize(
    ("model", "chosen", "names"),
    [
        (CONV, [2, 3], ("conv2", "conv3")),
        (CONV, [1, 1], ("conv1",)),
        # Linear layers are not counted, and the last number may be beyond the model.
        (CONV, [4, 100], ("conv4",)),
        # A shortcut counts where it is registered.
        (
            {"name": "resnet_cifar", "depth": 18},
            [4, 8],
            (
                "layer1.1.conv1",
                "layer1.1.conv2",
                "layer2.0.conv1",
                "layer2.0.conv2",
                "layer2.0.downsample.0",
            ),
        ),
    ],
)
def test_a_published_range_counts_convolutions_from_1_with_both_ends(
    model: dict[str, Any], chosen: list[int], names: tuple[str, ...]
) -> None:
    parts, _ = _read(model=model, layers={"published_range": chosen, "epochs_per_layer": 2})
    assert parts["layers"].order == names
    assert parts["layers"].epochs_per_layer == 2


@pytest.mark.parametrize(
    ("model", "layers", "fault"),
    [
        (MODEL, {"published_range": [2, 7]}, "there is no convolution 2; the model has 0"),
        (CONV, {"published_range": [3, 2]}, "expected [FIRST, LAST] with 1 <= FIRST <= LAST, got"),
        (CONV, {"published_range": [0, 2]}, "expected [FIRST, LAST] with 1 <= FIRST <= LAST, got"),
        (CONV, {"published_range": [2]}, "expected 2 values, got 1"),
        (CONV, {"published_range": "2-7"}, "expected a list, got the text '2-7'"),
        (CONV, {"published_range": [2, 3], "order": []}, "chooses the layers, and so does order"),
    ],
)
def test_a_range_that_is_none_is_refused(
    model: dict[str, Any], layers: dict[str, Any], fault: str
) -> None:
    _, faults = _read(model=model, layers=layers)
    assert any(text.startswith(f"layers.published_range: {fault}") for text in faults)
