"""Which layers are binary in which epoch."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainers.binarize.schedule import LayerSchedule
from trainers.errors import SpecError

SCHEDULES = st.builds(
    lambda order, per_layer: LayerSchedule(order=tuple(order), epochs_per_layer=per_layer),
    st.lists(st.integers(1, 30), unique=True, max_size=8),
    st.integers(0, 5),
)


def test_the_first_layer_is_binary_at_once_and_the_next_follow() -> None:
    schedule = LayerSchedule(order=("c", "a", "b"), epochs_per_layer=2)
    binary = ["".join(sorted(schedule.binarized_at(epoch))) for epoch in range(8)]
    assert binary == ["c", "c", "ac", "ac", "abc", "abc", "abc", "abc"]


def test_zero_epochs_per_layer_means_all_layers_from_the_first_epoch() -> None:
    schedule = LayerSchedule(order=("a", "b"))
    assert schedule.binarized_at(0) == {"a", "b"}
    assert schedule.final_from(epochs=9) == 0


def test_an_empty_order_never_turns_anything_binary() -> None:
    assert LayerSchedule(epochs_per_layer=3).binarized_at(100) == frozenset()


@given(schedule=SCHEDULES)
def test_binary_layers_only_grow_one_at_a_time_and_end_complete(
    schedule: LayerSchedule[int],
) -> None:
    need = max(0, len(schedule.order) - 1) * schedule.epochs_per_layer + 1
    sets = [schedule.binarized_at(epoch) for epoch in range(need + 3)]
    for before, after in itertools.pairwise(sets):
        assert before <= after
        assert len(after - before) <= 1
    assert sets[need - 1] == set(schedule.order)
    for epoch, binary in enumerate(sets):
        assert binary == set(schedule.order[: schedule.num_binary_at(epoch)])
    # One epoch less and a layer stays behind, if there is a second one.
    if need > 1:
        assert sets[need - 2] < set(schedule.order)


@given(schedule=SCHEDULES, epochs=st.integers(1, 40))
def test_final_from_is_the_first_epoch_with_the_layers_of_the_last(
    schedule: LayerSchedule[int], epochs: int
) -> None:
    last = schedule.binarized_at(epochs - 1)
    same = [epoch for epoch in range(epochs) if schedule.binarized_at(epoch) == last]
    assert schedule.final_from(epochs=epochs) == same[0]


@given(schedule=SCHEDULES, epochs=st.integers(1, 40))
def test_check_accepts_exactly_the_schedules_that_end_complete(
    schedule: LayerSchedule[int], epochs: int
) -> None:
    if schedule.binarized_at(epochs - 1) == set(schedule.order):
        schedule.check(epochs=epochs)
    else:
        with pytest.raises(SpecError, match="never turn binary") as raised:
            schedule.check(epochs=epochs)
        need = int(raised.value.faults[0].hint.split()[3])
        schedule.check(epochs=need)
        with pytest.raises(SpecError, match="never turn binary"):
            schedule.check(epochs=need - 1)


def test_check_names_the_layers_and_the_epochs_it_takes() -> None:
    schedule = LayerSchedule(order=("fc1", "fc2", "fc3"), epochs_per_layer=10)
    expected = "order: fc2, fc3 never turn binary in 10 epochs; set epochs to 21 or more"
    with pytest.raises(SpecError, match=expected):
        schedule.check(epochs=10)


def test_a_layer_that_comes_twice_is_refused() -> None:
    with pytest.raises(SpecError, match="order: lists a more than once"):
        LayerSchedule(order=("a", "b", "a"))


def test_a_negative_number_of_epochs_is_refused() -> None:
    with pytest.raises(SpecError, match="epochs_per_layer: must be 0 or more, got -1"):
        LayerSchedule(order=("a",), epochs_per_layer=-1)


def test_a_list_of_layers_is_kept_as_a_tuple() -> None:
    schedule = LayerSchedule(order=["a"])  # type: ignore[arg-type]
    assert schedule == LayerSchedule(order=("a",))
    assert hash(schedule) == hash(LayerSchedule(order=("a",)))
