"""Losses of the training tricks: label smoothing, distillation, features, centres."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from trainers import LOSSES, center_loss, feature_matching, kl_distillation

CASES: dict[str, Any] = json.loads(Path(__file__).with_name("tricks.json").read_text())["cases"]
SMOOTHED = [name for name, case in CASES.items() if case["kind"] == "label_smoothing"]


def _gradient(loss: Tensor, of: Tensor) -> list[float]:
    """The first row of the gradient."""
    row: list[float] = torch.autograd.grad(loss, of)[0].reshape(len(of), -1)[0].tolist()
    return row


@pytest.mark.parametrize("name", SMOOTHED)
def test_label_smoothing_gives_the_published_loss_and_gradient(name: str, of_tricks: Any) -> None:
    setup, expected = CASES[name]["setup"], CASES[name]["f64"]
    num, classes = setup["batch"], setup["classes"]
    logits = of_tricks.inputs((num, classes), scale=setup["logit_scale"]).requires_grad_()
    labels = (7 * torch.arange(num) + 3) % classes
    loss = LOSSES["cross_entropy"](label_smoothing=setup["epsilon"])(logits, labels)
    assert loss.item() == pytest.approx(expected["loss"], rel=1e-6)
    assert _gradient(loss, logits)[:10] == pytest.approx(expected["grad_row0_first10"], rel=1e-6)


@pytest.mark.parametrize("temperature", ["1.0", "2.0", "4.0"])
def test_the_divergence_from_a_teacher_is_as_defined(temperature: str, of_tricks: Any) -> None:
    case = CASES["kl_distillation"]
    shape, expected = (case["setup"]["batch"], case["setup"]["classes"]), case["f64"][temperature]
    teacher = of_tricks.inputs(shape, scale=3.0)
    student = of_tricks.inputs(shape, scale=2.0, offset=700).requires_grad_()
    options = {"temperature": float(temperature)}
    plain = kl_distillation(student, teacher, scale_by_T2=False, **options)
    scaled = kl_distillation(student, teacher, **options)
    assert plain.item() == pytest.approx(expected["kl_batchmean"], rel=1e-6)
    assert scaled.item() == pytest.approx(expected["kl_times_T2"], rel=1e-6)
    assert _gradient(scaled, student) == pytest.approx(expected["grad_row0"], rel=1e-6)


def test_the_distance_between_normalised_features_is_the_defined_one(of_tricks: Any) -> None:
    case = CASES["feature_matching"]
    shape, expected = tuple(case["setup"]["shape"]), case["f64"]
    teacher = of_tricks.inputs(shape, scale=1.0)
    student = of_tricks.inputs(shape, scale=1.0, offset=333).requires_grad_()
    each = feature_matching(student, teacher, reduction="none")
    assert each.tolist() == pytest.approx(expected["per_sample"], rel=1e-6)
    mean = feature_matching(student, teacher)
    assert mean.item() == pytest.approx(expected["mean"], rel=1e-6)
    assert _gradient(mean, student)[:10] == pytest.approx(expected["grad_first10"], rel=1e-6)


def test_the_distance_from_the_centres_is_the_defined_one(of_tricks: Any) -> None:
    case = CASES["center_loss"]
    setup, expected = case["setup"], case["f64"]
    features = of_tricks.inputs((setup["batch"], setup["dim"])).requires_grad_()
    centers = of_tricks.parameter((setup["classes"], setup["dim"]), 0, 1.0)
    labels = (7 * torch.arange(setup["batch"]) + 3) % setup["classes"]
    loss = center_loss(features, labels, centers)
    assert loss.item() == pytest.approx(expected["loss"], rel=1e-6)
    assert _gradient(loss, features) == pytest.approx(expected["grad_row0"], rel=1e-6)
