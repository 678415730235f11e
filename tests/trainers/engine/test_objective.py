"""The loss of a training batch."""

import pytest
import torch

from trainers.data.splits import Split
from trainers.engine.objective import batch_loss
from trainers.losses import cross_entropy

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.0, 0.0, 3.0]], dtype=torch.float64)
LABELS, OTHERS = torch.tensor([0, 1]), torch.tensor([2, 1])


def test_a_batch_with_one_label_has_the_loss_of_that_label() -> None:
    batch = Split(images=torch.zeros(2, 1), labels=LABELS)
    assert batch_loss(cross_entropy(), LOGITS, batch) == cross_entropy()(LOGITS, LABELS)


def test_a_mixed_batch_has_the_loss_with_the_mixed_labels() -> None:
    batch = Split(images=torch.zeros(2, 1), labels=LABELS, others=OTHERS, share=0.7)
    targets = torch.tensor([[0.7, 0.0, 0.3], [0.0, 1.0, 0.0]], dtype=torch.float64)
    expected = -(targets * LOGITS.log_softmax(1)).sum(1).mean()
    found = batch_loss(cross_entropy(), LOGITS, batch)
    assert found.item() == pytest.approx(expected.item(), rel=1e-7)
