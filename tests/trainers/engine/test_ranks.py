"""A process that is alone: it has all of every batch, and waits for nobody."""

import torch
from torch import nn

from trainers.engine.ranks import ALONE


def test_alone_a_process_does_nothing_more() -> None:
    model, values = nn.Linear(2, 2), torch.ones(3)
    ALONE.ready()
    ALONE.align(model)
    ALONE.begin_batch(3, num_views=1)
    ALONE.reduce(model.parameters())
    with ALONE.training(model):
        assert (ALONE.rank, ALONE.world, ALONE.own(3)) == (0, 1, None)
        # No copies.
        assert ALONE.gathered(values) is values
        assert ALONE.total(values) is values
        assert ALONE.told(values) is values
