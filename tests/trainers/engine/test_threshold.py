"""One threshold for the scores of all layers."""

import logging

import pytest
import torch
from torch import nn

from trainers.binarize.attach import binarize_weights, set_binary
from trainers.binarize.weights.biprop import BipropGlobalBinarizer, num_kept
from trainers.engine.threshold import (
    global_threshold,
    globally_pruned,
    report_collapsed,
    set_thresholds,
)


def _layers(*scores: list[float]) -> list[BipropGlobalBinarizer]:
    """Layers of one filter each, with these scores."""
    layers = []
    for row in scores:
        layer = BipropGlobalBinarizer(torch.ones(1, len(row)))
        layer.scores.data.copy_(torch.tensor([row]))
        layers.append(layer)
    return layers


def test_the_binarizers_that_share_a_threshold_are_found_on_or_off() -> None:
    model = nn.Sequential(*(nn.Linear(3, 3) for _ in range(4)))
    binarize_weights(model, ["0", "2"], "biprop_global")
    binarize_weights(model, ["1"], "biprop")
    set_binary(model, ["1", "2"])
    found = globally_pruned(model)
    assert list(found) == ["0", "2"]
    assert [layer.enabled for layer in found.values()] == [False, True]
    assert all(isinstance(layer, BipropGlobalBinarizer) for layer in found.values())


@pytest.mark.parametrize(
    ("keep", "threshold", "above"),
    [(0.5, 0.3, [2, 1]), (1 / 6, 0.5, [0, 1]), (0.8, 0.1, [2, 3]), (1.0, -1.0, [3, 3])],
)
def test_the_threshold_is_the_largest_magnitude_that_is_not_kept(
    keep: float, threshold: float, above: list[int]
) -> None:
    layers = _layers([0.1, -0.4, 0.5], [-0.9, 0.2, -0.3])
    assert global_threshold(layers, keep=keep).item() == pytest.approx(threshold)
    set_thresholds(layers, keep=keep)
    assert [layer.num_above for layer in layers] == above
    assert sum(above) == num_kept(6, keep)


def test_scores_of_zero_are_kept_too_where_all_are() -> None:
    layers = _layers([0.0, 0.0], [0.5])
    set_thresholds(layers, keep=1.0)
    assert [layer.num_above for layer in layers] == [2, 1]


def test_scores_equal_to_the_threshold_are_not_kept() -> None:
    layers = _layers([0.5, -0.5], [0.5, 0.7])
    set_thresholds(layers, keep=0.5)
    # Two of four would be, and one is.
    assert [layer.num_above for layer in layers] == [0, 1]


def test_the_threshold_is_a_constant_of_the_scores_precision() -> None:
    layers = [BipropGlobalBinarizer(torch.ones(2, 3, dtype=torch.float64)) for _ in range(2)]
    threshold = global_threshold(layers, keep=0.5)
    assert (threshold.dtype, threshold.shape) == (torch.float64, ())
    assert not threshold.requires_grad


def test_layers_that_are_off_neither_count_nor_change() -> None:
    off, first, second = layers = _layers([9.0, 9.0, 9.0], [0.1, 0.2], [0.3, 0.4])
    off.enabled = False
    off.threshold.fill_(0.25)
    set_thresholds(layers, keep=0.5)
    assert [layer.threshold.item() for layer in layers] == pytest.approx([0.25, 0.2, 0.2])
    assert (first.num_above, second.num_above) == (0, 2)
    for layer in layers:
        layer.enabled = False
    set_thresholds(layers, keep=1.0)
    assert off.threshold.item() == 0.25


def test_layers_without_a_weight_above_the_threshold_are_warned_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    names = ("fc1", "fc2", "fc3", "fc4")
    layers = dict(zip(names, _layers([0.1], [0.2], [0.9], [0.1]), strict=True))
    layers["fc4"].enabled = False
    for layer in layers.values():
        layer.threshold.fill_(0.5)
    with caplog.at_level(logging.WARNING, "trainers.engine.threshold"):
        report_collapsed(layers, 7)
    assert caplog.messages == [
        "epoch 7: no weight of fc1, fc2 is above the threshold; its best stays"
    ]
    caplog.clear()
    report_collapsed({"fc3": layers["fc3"]}, 8)
    assert caplog.messages == []
