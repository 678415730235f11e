"""How long epochs take."""

import pytest

from orchestrator.planning.paces import Paces, kinds_of, seconds_of
from orchestrator.planning.workload import Kind, Stretch

A, B = Kind("a", 0), Kind("b", 0)
GUESSES = {"a": 1.0, "b": 3.0, "c": 7.0}


@pytest.fixture
def paces() -> Paces:
    return Paces(lambda kind: GUESSES[kind.training])


def test_before_anything_is_measured_the_guess_counts(paces: Paces) -> None:
    assert (paces(A), paces(B)) == (1, 3)
    assert not paces.knows(A)


def test_a_measured_kind_is_its_mean(paces: Paces) -> None:
    paces.add(A, 2.0)
    paces.add(A, 8.0, num=4)
    assert paces(A) == 2
    assert paces.num_epochs == 5


def test_another_network_is_guessed_by_how_wrong_the_guess_was(paces: Paces) -> None:
    paces.add(A, 2.0)
    assert paces(B) == 6
    assert paces.knows(A)
    assert not paces.knows(B)


def test_more_binary_layers_take_as_long_as_the_nearest_number_measured(paces: Paces) -> None:
    paces.add(Kind("b", 1), 4.0)
    paces.add(Kind("b", 2), 5.0)
    paces.add(A, 100.0)
    assert paces(Kind("b", 3)) == 5
    assert paces(Kind("b", 0)) == 4
    assert paces.knows(Kind("b", 9))


def test_other_networks_tell_how_much_longer_binary_layers_take(paces: Paces) -> None:
    paces.add(B, 4.0)
    assert paces(Kind("b", 2)) == 4
    for name, seconds in (("a", (1.0, 1.5)), ("c", (2.0, 2.2))):
        paces.add(Kind(name, 0), seconds[0])
        paces.add(Kind(name, 2), seconds[1])
    assert paces(Kind("b", 2)) == pytest.approx(4 * (1.5 + 1.1) / 2)
    assert paces(Kind("b", 1)) == 4


def test_a_guess_of_nothing_stays(paces: Paces) -> None:
    free = Paces(lambda kind: 0.0)
    free.add(A, 2.0)
    assert (free(A), free(B)) == (2, 0)


def test_work_is_summed_over_its_stretches(paces: Paces) -> None:
    work = (Stretch(A, 4), Stretch(B, 2))
    assert seconds_of(work, paces) == 10
    assert kinds_of([work, work[:1]]) == {A, B}
