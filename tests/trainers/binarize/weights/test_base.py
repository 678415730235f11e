"""What all weight binarizers inherit."""

import pytest
import torch
from torch import Generator, Tensor

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


def test_a_binarizer_that_says_no_more_is_plain() -> None:
    binarizer, latent = Doubling(), torch.tensor([1.0, -3.0])
    assert binarizer.trains_latent
    assert binarizer.always_binary
    assert (binarizer.kept_share, binarizer.final_from, binarizer.zero) == (None, 0, 1)
    assert binarizer.export_fault is None
    assert binarizer.epoch_options == {}
    binarizer.check(epochs=1)
    Doubling.join({"fc1": binarizer})
    binarizer.initialise(None)
    binarizer.begin_epoch(0, Generator())
    binarizer.before_batch(latent)
    binarizer.after_step(latent)
    binarizer.before_evaluation(latent)
    assert latent.tolist() == [1.0, -3.0]
    assert binarizer(latent).tolist() == [2.0, -6.0]


def test_a_measurement_is_prepared_like_a_batch_unless_a_method_says_otherwise() -> None:
    class Halving(Doubling):
        def before_batch(self, latent: Tensor) -> None:
            latent.div_(2)

    latent = torch.tensor([1.0])
    Halving().before_evaluation(latent)
    assert latent.tolist() == [0.5]


def test_the_base_class_has_no_rule_of_its_own() -> None:
    with pytest.raises(NotImplementedError, match=r"^$"):
        WeightBinarizer()(torch.ones(2, 2))
