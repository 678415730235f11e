"""Layers over the whole batch: with one process, what torch's own do."""

import copy

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.nn import functional

from trainers.engine.whole_batch import Batch, over_the_whole_batch


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A group of one process: what it sums up is its own."""
    monkeypatch.setattr(dist, "all_reduce", lambda tensor: None)


def _whole(num: int) -> Batch:
    return Batch(num=num, own=slice(0, num), num_views=1)


@pytest.mark.parametrize(
    "norm",
    [
        nn.BatchNorm2d(3),
        nn.BatchNorm2d(3, momentum=None),
        nn.BatchNorm2d(3, affine=False, momentum=0.3),
        nn.BatchNorm2d(3, track_running_stats=False),
    ],
)
def test_a_normalisation_does_what_that_of_torch_does(norm: nn.Module, alone: None) -> None:
    torch.manual_seed(0)
    usual, ours = (nn.Sequential(copy.deepcopy(norm)).double() for _ in range(2))
    for num in (5, 2):
        x = torch.randn(num, 3, 2, 2, dtype=torch.float64) * 3 + 1
        upstream = torch.randn_like(x)
        results = []
        for model in (usual, ours):
            model.zero_grad()
            leaf = x.clone().requires_grad_()
            if model is usual:
                y = model(leaf)
            else:
                with over_the_whole_batch(
                    model, world=1, rank=0, batch=lambda num=num: _whole(num)
                ):
                    y = model(leaf)
            y.backward(upstream)
            gradients = [leaf.grad, *(parameter.grad for parameter in model.parameters())]
            results.append([y, *gradients, *model.state_dict().values()])
        for found, expected in zip(results[1], results[0], strict=True):
            torch.testing.assert_close(found, expected)


def test_afterwards_the_network_is_as_it_was(alone: None) -> None:
    model = nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 2))
    x = torch.randn(4, 2)
    with over_the_whole_batch(model, world=1, rank=0, batch=lambda: _whole(4)):
        assert "forward" in vars(model[0])
        model(x)
    assert "forward" not in vars(model[0])
    assert torch.equal(functional.dropout(x, 1.0), torch.zeros_like(x))


def test_a_single_value_cannot_be_normalised_as_in_torch(alone: None) -> None:
    model = nn.Sequential(nn.BatchNorm1d(2))
    with (
        pytest.raises(ValueError, match="Expected more than 1 value per channel when training"),
        over_the_whole_batch(model, world=1, rank=0, batch=lambda: _whole(1)),
    ):
        model(torch.zeros(1, 2))


def test_each_process_has_its_part_of_the_masks_of_the_whole_batch() -> None:
    x = torch.randn(7, 4, 2, 2, dtype=torch.float64)
    for drop in (functional.dropout, functional.dropout2d):
        torch.manual_seed(1)
        whole = drop(x, 0.5, True)
        parts = []
        for own in (slice(0, 3), slice(3, 7)):
            torch.manual_seed(1)
            batch = Batch(num=7, own=own, num_views=1)
            with over_the_whole_batch(nn.Sequential(), world=2, rank=0, batch=lambda b=batch: b):
                parts.append(drop(x[own], 0.5, True))
                # In evaluation nothing is dropped.
                assert torch.equal(drop(x[own], 0.5, False), x[own])
        assert torch.equal(torch.cat(parts), whole)


def test_a_part_of_several_views_is_that_of_each_view() -> None:
    batch = Batch(num=3, own=slice(1, 3), num_views=2)
    assert batch.cut(torch.arange(6)).tolist() == [1, 2, 4, 5]
