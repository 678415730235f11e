"""Mixtures of two images, with the labels of both."""

import pytest
import torch

from trainers.data.mixup import Mixup
from trainers.data.splits import Split
from trainers.errors import SpecError

BATCH = Split(images=torch.eye(6).reshape(6, 1, 2, 3), labels=torch.arange(6))


def test_each_image_is_mixed_with_another_by_one_share() -> None:
    mixed = Mixup().mixer(torch.Generator().manual_seed(1))(BATCH)
    assert mixed.others is not None
    assert sorted(mixed.others.tolist()) == list(range(6))
    assert torch.equal(mixed.labels, BATCH.labels)
    # Image i is 1 at place i alone, so a mixture shows the shares at the places of its labels.
    expected = torch.zeros(6, 6)
    for row, (label, other) in enumerate(zip(mixed.labels, mixed.others, strict=True)):
        expected[row, label] += mixed.share
        expected[row, other] += 1 - mixed.share
    torch.testing.assert_close(mixed.images.flatten(1), expected)


def test_the_label_is_that_of_the_image_that_is_seen_most() -> None:
    mix = Mixup(alpha=0.4).mixer(torch.Generator().manual_seed(1))
    shares = [mix(BATCH).share for _ in range(400)]
    assert 0.5 <= min(shares) < 0.55
    assert 0.99 < max(shares) <= 1
    # The mean of max(m, 1 - m) for Beta(0.4, 0.4), by numerical integration.
    assert sum(shares) / 400 == pytest.approx(0.84, abs=0.02)


def test_draws_come_from_the_generator_alone() -> None:
    before = torch.get_rng_state()
    first, again, other = (
        Mixup().mixer(torch.Generator().manual_seed(seed))(BATCH) for seed in (1, 1, 2)
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert first.share == again.share != other.share
    assert torch.equal(first.images, again.images)


@pytest.mark.parametrize("alpha", [0.0, -1.0, float("nan")])
def test_an_alpha_that_is_not_positive_is_refused(alpha: float) -> None:
    with pytest.raises(SpecError, match="alpha: must be positive"):
        Mixup(alpha=alpha)
