"""Training losses against their closed forms."""

import pytest
import torch

from trainers.errors import SpecError
from trainers.losses import LOSSES, cross_entropy

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


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_is_a_scalar_with_a_gradient(name: str) -> None:
    logits = LOGITS.clone().requires_grad_()
    loss = LOSSES[name]()(logits, LABELS)
    assert loss.shape == ()
    assert torch.autograd.grad(loss, logits)[0].abs().sum() > 0
