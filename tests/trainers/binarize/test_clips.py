"""Hard and leaky clips: their values and gradients."""

import torch

from trainers.binarize.clips import hard_clip, leaky_clip

X = [-3.0, -1.0, -0.5, 0.0, 1.0, 3.0]


def test_a_hard_clip_ends_at_one_with_its_gradient() -> None:
    x = torch.tensor(X, requires_grad=True)
    y = hard_clip(x)
    y.sum().backward()
    assert y.tolist() == [-1, -1, -0.5, 0, 1, 1]
    assert x.grad is not None
    assert x.grad.tolist() == [0, 0, 1, 1, 0, 0]


def test_a_leaky_clip_goes_on_with_its_slope() -> None:
    x = torch.tensor(X, requires_grad=True)
    y = leaky_clip(x, slope=0.25)
    y.sum().backward()
    assert y.tolist() == [-1.5, -1, -0.5, 0, 1, 1.5]
    assert x.grad is not None
    assert x.grad.tolist() == [0.25, 1, 1, 1, 1, 0.25]


def test_clips_leave_their_input_alone() -> None:
    x = torch.tensor(X)
    hard_clip(x)
    leaky_clip(x)
    assert x.tolist() == X
