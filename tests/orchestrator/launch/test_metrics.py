"""From the engine's epochs to named numbers."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from orchestrator import vocabulary
from orchestrator.launch.metrics import began_from, curve_points, objective, summary_points
from orchestrator.study.cells import Cell
from trainers.engine.result import EpochMetrics
from trainers.spec.train_spec import TrainSpec

MakeMetrics = Callable[..., EpochMetrics]


@pytest.fixture
def epochs(make_metrics: MakeMetrics) -> list[EpochMetrics]:
    """Lowest validation error at 1, of the final network at 3, lowest test error at 0."""
    errors = [(0.5, 0.1), (0.2, 0.6), (0.6, 0.5), (0.3, 0.4), (0.4, 0.3)]
    return [
        make_metrics(epoch, validation=validation, test=test)
        for epoch, (validation, test) in enumerate(errors)
    ]


def test_an_epoch_is_a_point_of_every_curve(make_metrics: MakeMetrics) -> None:
    points = curve_points(make_metrics(4, validation=0.25, test=0.125, binary=("fc2",)))
    assert (points.step, points.time_ms) == (4, 1_700_000_000_004)
    assert points.values == {
        "train/loss": 1.5,
        "train/accuracy": 0.25,
        "train/error": 0.75,
        "train/top5_accuracy": 0.5,
        "validation/loss": 1.25,
        "validation/accuracy": 0.75,
        "validation/error": 0.25,
        "validation/top5_accuracy": 0.9375,
        "test/loss": 1.125,
        "test/accuracy": 0.875,
        "test/error": 0.125,
        "test/top5_accuracy": 0.96875,
        "lr": 0.25,
        "binary/layers": 1.0,
        "epoch_s": 0.75,
        "binary/fc1": 0.0,
        "binary/fc2": 1.0,
        "signs_flipped/fc1": 0.125,
        "signs_flipped/fc2": 0.5,
        "near_zero/fc1": 0.0625,
        "near_zero/fc2": 0.75,
    }


def test_curves_are_those_of_the_vocabulary(make_metrics: MakeMetrics) -> None:
    of_layers = {
        name.format(layer=layer)
        for name in vocabulary.LAYER_CURVES.values()
        for layer in ("fc1", "fc2")
    }
    assert set(curve_points(make_metrics(0)).values) == {*vocabulary.CURVES, *of_layers}


def test_summaries_are_those_of_the_vocabulary(epochs: list[EpochMetrics]) -> None:
    values = summary_points(epochs, final_from=2).values
    percent = {vocabulary.PERCENT.format(metric=name) for name in vocabulary.IN_PERCENT}
    assert set(values) == {*vocabulary.SUMMARIES, *percent}
    assert set(vocabulary.IN_PERCENT) <= set(vocabulary.SUMMARIES)


def test_errors_and_accuracies_stand_in_percent_beside(epochs: list[EpochMetrics]) -> None:
    values = summary_points(epochs, final_from=2).values
    assert values["selected/test_error_percent"] == pytest.approx(40)
    assert values["last/validation_accuracy_percent"] == pytest.approx(60)
    assert "selected/train_loss_percent" not in values


def test_each_summary_tells_of_its_own_epoch(epochs: list[EpochMetrics]) -> None:
    points = summary_points(epochs, final_from=2)
    values = points.values
    assert (points.step, points.time_ms) == (4, 1_700_000_000_004)
    assert values["selected/epoch"] == 3
    assert values["selected/validation_error"] == pytest.approx(0.3)
    assert values["selected/validation_accuracy"] == pytest.approx(0.7)
    assert values["selected/validation_top5_accuracy"] == 0.9375
    assert values["selected/train_accuracy"] == 0.25
    assert values["selected/test_error"] == pytest.approx(0.4)
    assert values["selected/test_accuracy"] == pytest.approx(0.6)
    assert values["last/epoch"] == 4
    assert values["last/test_error"] == pytest.approx(0.3)
    assert values["last/train_loss"] == 1.5
    assert values["best_on_test/epoch"] == 0
    assert values["best_on_test/test_error"] == pytest.approx(0.1)


def test_a_trial_stopped_before_its_final_network_is_summed_up_by_its_last_epoch(
    epochs: list[EpochMetrics],
) -> None:
    assert summary_points(epochs[:3], final_from=4).values["selected/epoch"] == 2


def test_the_objective_is_the_lowest_validation_error_of_the_final_network(
    epochs: list[EpochMetrics],
) -> None:
    assert objective(epochs, final_from=2) == pytest.approx(0.3)
    assert objective(epochs, final_from=0) == pytest.approx(0.2)


def test_before_the_final_network_the_objective_is_that_of_the_present_epoch(
    epochs: list[EpochMetrics],
) -> None:
    assert objective(epochs[:1], final_from=2) == pytest.approx(0.5)
    assert objective(epochs[:3], final_from=4) == pytest.approx(0.6)


def test_the_test_set_has_no_part_in_the_objective(make_metrics: MakeMetrics) -> None:
    one = [make_metrics(epoch, validation=0.2, test=0.1 * epoch) for epoch in range(3)]
    other = [make_metrics(epoch, validation=0.2, test=0.9) for epoch in range(3)]
    assert objective(one, final_from=0) == objective(other, final_from=0)


def test_an_error_that_is_no_number_is_never_selected(make_metrics: MakeMetrics) -> None:
    epochs = [make_metrics(0, validation=math.nan), make_metrics(1, validation=0.5)]
    assert objective(epochs, final_from=0) == pytest.approx(0.5)
    assert summary_points(epochs, final_from=0).values["selected/epoch"] == 1


def test_without_the_test_part_its_metrics_are_absent(epochs: list[EpochMetrics]) -> None:
    untested = [replace(metrics, test=None) for metrics in epochs]
    curves, summary = (
        curve_points(untested[0]).values,
        summary_points(untested, final_from=2).values,
    )
    fractions = {name for name in summary if not name.endswith("_percent")}
    assert fractions == set(vocabulary.SUMMARIES) - set(vocabulary.TEST_METRICS)
    assert not any("/test_" in name for name in summary)
    assert not set(curves) & set(vocabulary.TEST_METRICS)
    assert set(vocabulary.CURVES) <= set(curves) | set(vocabulary.TEST_METRICS)
    assert summary["selected/validation_error"] == pytest.approx(0.3)
    assert objective(untested, final_from=2) == pytest.approx(0.3)


def test_what_was_not_measured_is_no_point(make_metrics: MakeMetrics) -> None:
    few = make_metrics(0)
    few = replace(few, validation=replace(few.validation, top5_accuracy=None))
    assert "validation/top5_accuracy" not in curve_points(few).values
    assert "train/top5_accuracy" in curve_points(few).values
    assert "selected/validation_top5_accuracy" not in summary_points([few], final_from=0).values


def test_the_test_set_chooses_no_epoch_of_a_stage_before(epochs: list[EpochMetrics]) -> None:
    values = summary_points(epochs, final_from=3, epochs_before=2).values
    assert values["best_on_test/epoch"] == 4
    # The trial was stopped in the stage before.
    assert (
        summary_points(epochs[:2], final_from=3, epochs_before=2).values["best_on_test/epoch"] == 0
    )


def test_each_stage_says_from_which_epoch_it_began(
    epochs: list[EpochMetrics], cells: tuple[Cell, ...]
) -> None:
    mapping = cells[0].train.to_mapping() | {"layers": {"order": []}, "epochs": 2}
    staged = TrainSpec.from_mapping(mapping | {"before": {"before": {}}}).stages
    first = "stage 1: epoch 2 of 1 to 2, validation error 0.2000"
    second = "stage 2: epoch 4 of 3 to 4, validation error 0.3000"
    assert began_from(epochs, staged) == (first, second)
    assert began_from(epochs[:3], staged) == (first,)
    assert began_from(epochs, staged[:1]) == began_from(epochs[:1], staged) == ()
