"""Channel attention."""

import torch

from trainers.models.attention import SqueezeExcitation


def test_weights_are_one_for_each_channel_between_zero_and_one() -> None:
    weights = SqueezeExcitation(8, 5, reduction=4)(torch.randn(3, 8, 4, 6))
    assert weights.shape == (3, 5, 1, 1)
    assert 0 < weights.min() < weights.max() < 1


def test_weights_know_nothing_of_places() -> None:
    torch.manual_seed(0)
    attention, x = SqueezeExcitation(8, 5), torch.randn(3, 8, 4, 4)
    assert attention.fc1.out_features == 1
    torch.testing.assert_close(attention(x), attention(x.flip(2)))
