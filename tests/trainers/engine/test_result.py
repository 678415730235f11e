"""Epochs as records, and which of them is reported."""

import dataclasses
import json
from collections.abc import Callable, Sequence

import pytest
from torch import nn

from trainers.engine.result import EpochMetrics, Scores, TrainResult, best_on_test, selected
from trainers.errors import SpecError

Make = Callable[..., EpochMetrics]


def _result(epochs: Sequence[EpochMetrics], final_from: int) -> TrainResult:
    return TrainResult(
        epochs=tuple(epochs), final_from=final_from, weights_sha256="0" * 64, model=nn.Identity()
    )


def test_error_is_what_accuracy_leaves() -> None:
    assert Scores(loss=2.0, accuracy=0.75).error == 0.25


def test_an_epoch_survives_json_unchanged(make_metrics: Make) -> None:
    metrics = make_metrics(3, validation=0.1)
    copied = EpochMetrics.from_mapping(json.loads(json.dumps(metrics.to_mapping())))
    assert copied == metrics
    assert isinstance(copied.binary, tuple)
    assert isinstance(copied.latent["fc1"], type(metrics.latent["fc1"]))


def test_an_epoch_without_the_test_part_survives_json(make_metrics: Make) -> None:
    untested = dataclasses.replace(make_metrics(0), test=None)
    copied = EpochMetrics.from_mapping(json.loads(json.dumps(untested.to_mapping())))
    assert copied == untested
    with pytest.raises(SpecError, match="no epoch is best on test"):
        best_on_test([copied])


def test_a_loss_that_is_no_number_survives_json(make_metrics: Make) -> None:
    broken = dataclasses.replace(make_metrics(0), test=Scores(loss=float("inf"), accuracy=0.0))
    copied = EpochMetrics.from_mapping(json.loads(json.dumps(broken.to_mapping())))
    assert copied.test.loss == float("inf")


def test_the_selected_epoch_lies_in_the_final_network(make_metrics: Make) -> None:
    errors = [0.01, 0.02, 0.40, 0.30, 0.35]
    epochs = [make_metrics(epoch, validation=error) for epoch, error in enumerate(errors)]
    assert selected(epochs, final_from=2) is epochs[3]
    assert _result(epochs, 2).selected is epochs[3]
    assert selected(epochs, final_from=0) is epochs[0]


def test_selection_looks_at_validation_and_never_at_the_test(make_metrics: Make) -> None:
    epochs = [make_metrics(0, validation=0.2, test=0.9), make_metrics(1, validation=0.3, test=0)]
    assert selected(epochs, final_from=0) is epochs[0]


def test_the_earliest_of_equals_is_selected(make_metrics: Make) -> None:
    epochs = [make_metrics(epoch, validation=0.25, test=0.25) for epoch in range(4)]
    assert selected(epochs, final_from=1) is epochs[1]
    assert best_on_test(epochs) is epochs[0]


def test_an_error_that_is_no_number_is_never_selected(make_metrics: Make) -> None:
    epochs = [make_metrics(0, validation=float("nan")), make_metrics(1, validation=0.9)]
    assert selected(epochs, final_from=0) is epochs[1]


def test_best_on_test_looks_at_all_epochs_as_published(make_metrics: Make) -> None:
    epochs = [make_metrics(epoch, test=error) for epoch, error in enumerate([0.3, 0.1, 0.2])]
    assert _result(epochs, 2).best_on_test is epochs[1]


def test_last_is_the_last_epoch(make_metrics: Make) -> None:
    epochs = [make_metrics(epoch) for epoch in range(3)]
    assert _result(epochs, 0).last is epochs[2]


def test_records_cannot_be_changed(make_metrics: Make) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign"):
        make_metrics(0).epoch = 5  # type: ignore[misc]
