"""Cross entropy against its closed form."""

import pytest
import torch

from trainers.errors import SpecError
from trainers.losses import cross_entropy, divergence

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.0, 0.0, 3.0]], dtype=torch.float64)
LABELS = torch.tensor([0, 1])


def test_cross_entropy_is_the_mean_negative_log_likelihood_of_the_log_softmax() -> None:
    likelihood = LOGITS.exp() / LOGITS.exp().sum(1, keepdim=True)
    expected = -(likelihood[0, 0].log() + likelihood[1, 1].log()) / 2
    assert cross_entropy()(LOGITS, LABELS).item() == pytest.approx(expected.item(), rel=1e-12)


def test_label_smoothing_spreads_its_share_over_all_classes() -> None:
    logs = LOGITS.log_softmax(1)
    targets = torch.tensor([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1]], dtype=torch.float64)
    expected = -(targets * logs).sum(1).mean()
    smoothed = cross_entropy(label_smoothing=0.3)(LOGITS, LABELS)
    assert smoothed.item() == pytest.approx(expected.item(), rel=1e-12)


@pytest.mark.parametrize("share", [1.0, -0.1, float("nan")])
def test_label_smoothing_out_of_range_is_refused(share: float) -> None:
    with pytest.raises(SpecError, match=r"label_smoothing must be in \[0, 1\)"):
        cross_entropy(label_smoothing=share)


def test_views_are_asked_for_by_the_divergence_alone() -> None:
    assert cross_entropy(label_smoothing=0.1).num_views == 1
    views = cross_entropy(jensen_shannon=12.0)
    assert (views.num_views, views.views_option) == (3, "jensen_shannon")


def test_three_equal_views_diverge_by_nothing() -> None:
    views = LOGITS.repeat(3, 1)
    assert divergence(views).item() == pytest.approx(0, abs=1e-12)
    loss = cross_entropy(jensen_shannon=12.0)
    assert loss(views, LABELS).item() == pytest.approx(cross_entropy()(LOGITS, LABELS).item())


def test_a_divergence_of_negative_weight_is_refused() -> None:
    with pytest.raises(SpecError, match="jensen_shannon must be 0 or more, got -1"):
        cross_entropy(jensen_shannon=-1.0)
