"""Supermasks: which weights are there is drawn anew every time."""

import pytest
import torch
from torch import Generator

from trainers.binarize.weights import make_weight_binarizer


def test_a_sampled_weight_is_there_as_often_as_its_score_says() -> None:
    latent = torch.full((100, 100), 2.0)
    binarizer = make_weight_binarizer("biprop_sampled", latent, score=1.0)
    binarizer.begin_epoch(0, Generator().manual_seed(0))
    kept = (binarizer(latent) != 0).float().mean().item()
    assert kept == pytest.approx(torch.sigmoid(torch.tensor(1.0)).item(), abs=0.02)
    binarizer(latent).sum().backward()
    chance = torch.sigmoid(torch.tensor(1.0))
    expected = 2 * chance * (1 - chance)
    torch.testing.assert_close(binarizer.scores.grad, expected.expand(100, 100))


def test_the_same_generator_draws_the_same_subnet() -> None:
    latent = torch.ones(20, 20)
    binarizer = make_weight_binarizer("biprop_sampled", latent)
    drawn = []
    for seed in (1, 1, 2):
        binarizer.begin_epoch(0, Generator().manual_seed(seed))
        drawn.append(binarizer(latent).detach().round())
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_no_file_could_stand_for_it() -> None:
    fault = make_weight_binarizer("biprop_sampled", torch.ones(2, 2)).export_fault
    assert fault is not None
    assert "is drawn anew in every forward pass" in fault.what
