"""What all weight binarizers inherit."""

import pytest
import torch
from torch import Tensor

from trainers.binarize.weights.base import WeightBinarizer


class Doubling(WeightBinarizer):
    def binarize(self, latent: Tensor) -> Tensor:
        return latent * 2


def test_a_binarizer_is_on_when_made_and_identity_when_off() -> None:
    binarizer, latent = Doubling(), torch.tensor([1.0, -3.0])
    assert binarizer(latent).tolist() == [2.0, -6.0]
    binarizer.enabled = False
    assert binarizer(latent) is latent


def test_switching_one_binarizer_leaves_the_others_alone() -> None:
    first, second = Doubling(), Doubling()
    first.enabled = False
    assert second.enabled
    assert WeightBinarizer.enabled


def test_the_latent_weight_is_unbounded_unless_a_binarizer_says_so() -> None:
    assert Doubling().latent_bound is None


def test_the_base_class_has_no_rule_of_its_own() -> None:
    with pytest.raises(NotImplementedError, match=r"^$"):
        WeightBinarizer()(torch.ones(2, 2))
