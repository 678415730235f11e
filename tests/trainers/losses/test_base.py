"""The interface of losses."""

import torch

from trainers.losses.base import Loss


def test_a_loss_is_called_like_its_mean_and_needs_one_view_unless_it_says_more() -> None:
    logits, labels = torch.tensor([[1.0, 3.0], [0.0, 2.0]]), torch.tensor([1, 0])
    loss = Loss(mean=lambda logits, labels: logits[range(len(labels)), labels].mean())
    assert loss(logits, labels).item() == 1.5
    assert (loss.num_views, loss.views_option) == (1, "")
