"""Rates that begin anew."""

import pytest

from trainers import lr_schedule
from trainers.errors import SpecError, UnknownNameError
from trainers.optim.lr import warm_restarts


def _rates(epochs: int, **options: object) -> list[float]:
    rate = lr_schedule("warm_restarts", lr=0.1, epochs=epochs, **options)
    return [rate(epoch) for epoch in range(epochs)]


def test_each_period_begins_with_the_rate_and_falls() -> None:
    rates = _rates(12, restarts=[3, 6], lr_min=0.0)
    third = [0.1, 0.075, 0.025]
    assert rates[:6] == pytest.approx(third * 2)
    assert rates[6] == 0.1
    assert rates[9] == pytest.approx(0.05)
    assert rates[6:] == sorted(rates[6:], reverse=True)


def test_as_pytorch_041_ran_it_a_period_lags_by_one_epoch() -> None:
    plain, lagging = _rates(64), _rates(64, reading="pytorch041")
    for begin in (2, 4, 8, 16, 32):
        assert lagging[begin] == lagging[begin + 1] == 0.1
        assert lagging[begin + 1 : 2 * begin] == plain[begin : 2 * begin - 1]


def test_as_pytorch_041_ran_it_the_first_period_has_two_epochs() -> None:
    def rates(restarts: list[int], reading: str) -> list[float]:
        rate = lr_schedule(
            "warm_restarts", lr=0.2, epochs=30, restarts=restarts, lr_min=0.001, reading=reading
        )
        return [rate(epoch) for epoch in range(30)]

    published = rates([3, 10, 30], "pytorch041")
    assert published[:5] == pytest.approx([0.2, 0.1005, 0.001, 0.2, 0.2])
    # Past its end the cosine rises again.
    assert rates([5], "pytorch041")[:5] == pytest.approx([0.2, 0.1005, 0.001, 0.1005, 0.2])
    # From the first restart on, its epoch is the period.
    shortened = 0.001 + 0.199 * 0.75
    assert published[5] == pytest.approx(shortened)
    textbook = rates([3, 10, 30], "textbook")
    assert textbook[:3] == pytest.approx([0.2, shortened, 0.001 + 0.199 * 0.25])


def test_without_a_list_restarts_double_without_end() -> None:
    rates = _rates(1025)
    tops = [epoch for epoch, rate in enumerate(rates) if rate == 0.1]
    assert tops == [0, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]


@pytest.mark.parametrize("restarts", [[0, 2], [4, 2], [2, 2]])
def test_restarts_that_do_not_increase_are_refused(restarts: list[int]) -> None:
    with pytest.raises(SpecError, match="restarts: must be positive and increasing"):
        warm_restarts(0.1, restarts=restarts)


@pytest.mark.parametrize("lr_min", [-0.1, 0.2])
def test_a_lowest_rate_out_of_range_is_refused(lr_min: float) -> None:
    with pytest.raises(SpecError, match=r"lr_min: must be between 0 and the rate, 0\.1"):
        warm_restarts(0.1, lr_min=lr_min)


def test_an_unknown_reading_names_the_known_ones() -> None:
    with pytest.raises(SpecError, match="reading: unknown value 'today'; known: pytorch041, tex"):
        warm_restarts(0.1, reading="today")  # type: ignore[arg-type]


def test_a_schedule_is_chosen_by_name_and_has_as_many_epochs_as_asked() -> None:
    rate = lr_schedule("multistep", lr=1.0, epochs=4, milestones=[2], gamma=0.5)
    assert [rate(epoch) for epoch in range(4)] == [1.0, 1.0, 0.5, 0.5]
    for epoch in (-1, 4):
        with pytest.raises(SpecError, match=f"no epoch {epoch}; the schedule has 0 to 3"):
            rate(epoch)
    with pytest.raises(UnknownNameError, match="'warm_restart', did you mean 'warm_restarts'"):
        lr_schedule("warm_restart", lr=1.0, epochs=4)
    with pytest.raises(SpecError, match="epochs: must be 1 or more, got 0"):
        lr_schedule("constant", lr=1.0, epochs=0)
