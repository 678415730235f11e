"""BIPROP's learning-rate policies, epoch by epoch."""

import math
from collections.abc import Callable

import pytest

from trainers.errors import SpecError
from trainers.optim.lr_policies import (
    LrSchedule,
    cos_multi,
    cosine,
    decay,
    mpt11_w18_2,
    mpt11_w18_2_v2,
    mpt11_w34_2_v2,
    mpt132_w34_2,
    warmed_up,
    xnor,
)


def test_a_cosine_rises_evenly_and_then_falls() -> None:
    wave = cosine(0.8, 12, warmup=4)
    assert [wave(epoch) for epoch in (0, 3, 4, 8)] == pytest.approx([0.2, 0.8, 0.8, 0.4])


def test_a_cosine_would_be_at_zero_after_the_last_epoch() -> None:
    assert cosine(0.8, 10)(10) == pytest.approx(0)
    assert cosine(0.8, 10)(9) > 0


@pytest.mark.parametrize(
    ("policy", "starts", "factors"),
    [
        (xnor, (30, 44, 54), (0.1, 0.01, 1e-3)),
        (mpt132_w34_2, (27, 44, 54), (0.1, 0.01, 1e-4)),
        (mpt11_w34_2_v2, (50, 62, 70), (0.1, 0.01, 1e-4)),
        (mpt11_w18_2, (46, 65, 80), (0.1, 0.01, 1e-4)),
        (mpt11_w18_2_v2, (35, 50, 60), (0.1, 0.01, 1e-4)),
    ],
)
def test_rates_drop_in_the_published_epochs_by_the_published_factors(
    policy: Callable[..., LrSchedule], starts: tuple[int, ...], factors: tuple[float, ...]
) -> None:
    rate = policy(2.0)
    assert rate(0) == rate(starts[0] - 1) == 2.0
    for start, end, factor in zip(starts, (*starts[1:], 1000), factors, strict=True):
        assert [rate(start), rate(end - 1)] == pytest.approx([2 * factor] * 2)
    moved = policy(2.0, milestones=(1, 2, 3))
    assert [moved(epoch) for epoch in range(4)] == pytest.approx(
        [2.0, *(2 * factor for factor in factors)]
    )


def test_cos_multi_drops_by_steps_and_then_along_a_cosine_too() -> None:
    rate, steps = cos_multi(0.8, 8, milestones=(1, 2, 3), cosine_from=5), xnor(0.8)
    assert [rate(epoch) for epoch in range(5)] == pytest.approx([0.8, 0.08, 0.008, 8e-4, 8e-4])
    factors = [(1 + math.cos(math.pi * epoch / 8)) / 2 for epoch in (5, 6, 7)]
    assert [rate(epoch) for epoch in (5, 6, 7)] == pytest.approx([8e-4 * f for f in factors])
    published = cos_multi(0.8, 120)
    assert [published(epoch) for epoch in range(55)] == [steps(epoch) for epoch in range(55)]
    assert published(60) == pytest.approx(8e-4 / 2)


def test_a_decaying_rate_falls_by_its_level_and_no_lower_than_its_floor() -> None:
    rate = decay(0.9, interval=2, level=3, floor=0.05)
    expected = [0.9, 0.9, 0.3, 0.3, 0.1, 0.1, 0.05, 0.05]
    assert [rate(epoch) for epoch in range(8)] == pytest.approx(expected)
    assert decay(0.9)(49) == 0.9
    assert decay(0.9)(50) == 0.45
    assert decay(0.9, interval=1, level=1e300)(9) == 0


def test_a_decay_out_of_range_is_refused_with_all_its_faults() -> None:
    with pytest.raises(SpecError) as raised:
        decay(0.1, interval=0, level=0.5, floor=0.2)
    assert [str(fault) for fault in raised.value.faults] == [
        "interval: must be 1 or more, got 0",
        "level: must be 1 or more, got 0.5",
        "floor: must be between 0 and the rate, 0.1, got 0.2",
    ]


def test_after_the_warm_up_the_other_schedule_says_the_rate() -> None:
    rate = warmed_up(0.6, 3, lambda epoch: 10.0 * epoch)
    assert [rate(epoch) for epoch in range(5)] == pytest.approx([0.2, 0.4, 0.6, 30.0, 40.0])
    assert warmed_up(0.6, 0, lambda epoch: 7.0)(0) == 7.0


@pytest.mark.parametrize("warmup", [-1, 10])
def test_a_warm_up_that_is_negative_or_as_long_as_the_trial_is_refused(warmup: int) -> None:
    what = f"warmup: must be 0 or more and below the 10 epochs of the trial, got {warmup}"
    for policy in (cosine, cos_multi):
        with pytest.raises(SpecError, match=what):
            policy(0.1, 10, warmup=warmup)
    with pytest.raises(SpecError, match="warmup: must be 0 or more, got -1"):
        warmed_up(0.1, -1, lambda epoch: 0.1)


@pytest.mark.parametrize("milestones", [(3, 2, 1), (1, 2), (1, 2, 3, 4)])
def test_other_milestones_than_three_in_order_are_refused(milestones: tuple[int, ...]) -> None:
    with pytest.raises(SpecError, match="milestones: must be 3 epochs from 0 on, in order"):
        xnor(0.1, milestones=milestones)
    with pytest.raises(SpecError, match="milestones: must be 3 epochs from 0 on, in order"):
        cos_multi(0.1, 60, milestones=milestones)
