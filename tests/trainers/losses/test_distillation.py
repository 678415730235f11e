"""Losses that compare a network with a teacher."""

import math
from typing import Any

import pytest
import torch

from trainers.errors import SpecError
from trainers.losses import feature_matching, kl_distillation, label_refinery

STUDENT = torch.tensor([[2.0, -1.0, 0.5], [0.0, 0.0, 3.0]], dtype=torch.float64)
TEACHER = torch.tensor([[1.0, 1.0, 0.0], [0.0, -2.0, 1.0]], dtype=torch.float64)


def test_equal_outputs_diverge_by_nothing_at_any_temperature() -> None:
    for temperature in (0.5, 1.0, 4.0):
        loss = kl_distillation(STUDENT, STUDENT, temperature=temperature)
        assert loss.item() == pytest.approx(0, abs=1e-12)


def test_refined_labels_lose_the_divergence_and_the_entropy_of_the_teacher() -> None:
    chances = TEACHER.softmax(1)
    entropy = -(chances * chances.log()).sum(1).mean()
    expected = kl_distillation(STUDENT, TEACHER) + entropy
    assert label_refinery(STUDENT, TEACHER).item() == pytest.approx(expected.item(), rel=1e-12)


def test_no_gradient_reaches_the_teacher() -> None:
    for loss in (kl_distillation, label_refinery, feature_matching):
        student, teacher = (part.clone().requires_grad_() for part in (STUDENT, TEACHER))
        loss(student, teacher).backward()
        assert teacher.grad is None
        assert student.grad is not None
        assert student.grad.abs().sum() > 0


def test_features_of_opposite_directions_are_four_apart() -> None:
    each = feature_matching(STUDENT, -3 * STUDENT, reduction="none", weight=0.5)
    assert each.tolist() == pytest.approx([2.0, 2.0])
    assert feature_matching(STUDENT, -3 * STUDENT, reduction="sum").item() == pytest.approx(8)


def test_one_norm_for_the_batch_gives_each_image_its_share() -> None:
    shares = feature_matching(STUDENT, -STUDENT, norm="batch", reduction="none")
    expected = 4 * STUDENT.square().sum(1) / STUDENT.square().sum()
    assert shares.tolist() == pytest.approx(expected.tolist())
    assert math.isclose(shares.sum().item(), 4)


def test_features_of_nothing_but_zeros_have_no_direction() -> None:
    assert feature_matching(torch.zeros(2, 3), torch.zeros(2, 3), norm="batch").item() == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kl_distillation(STUDENT, TEACHER, temperature=0), "temperature: must be posit"),
        (lambda: kl_distillation(STUDENT, TEACHER, weight=-1), "weight: must be 0 or more"),
        (lambda: feature_matching(STUDENT, TEACHER[:1]), r"shape: \(2, 3\), of the teacher \(1"),
        (lambda: feature_matching(STUDENT, TEACHER, norm="all"), "norm: unknown value 'all'; kno"),
        (lambda: feature_matching(STUDENT, TEACHER, reduction="max"), "reduction: unknown value"),
    ],
)
def test_what_cannot_be_compared_is_refused(call: Any, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        call()
