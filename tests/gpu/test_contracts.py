"""What makes two devices comparable."""

import torch
from contracts import numbers, without_dropout
from torch import nn


def test_without_dropout_nothing_is_dropped_and_after_it_as_before() -> None:
    layers = nn.Sequential(nn.Dropout(0.5), nn.Dropout2d(0.5)).train()
    x = torch.ones(4, 8, 3, 3)
    with without_dropout():
        assert torch.equal(layers(x), x)
    assert not torch.equal(layers(x), x)


def test_numbers_depend_on_their_seed_alone_and_hold_both_zeros() -> None:
    one, other = numbers((3, 4), 1), numbers((3, 4), 1)
    assert torch.equal(one, other)
    assert not torch.equal(one, numbers((3, 4), 2))
    assert one[0, :2].tolist() == [0.0, 0.0]
    assert one[0, :2].signbit().tolist() == [False, True]
    assert numbers((1,), 1).tolist() == [0.0]
