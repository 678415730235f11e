"""How many trials fit at once while nodes come and leave; no test here starts Ray."""

import copy
from collections.abc import Mapping, Sequence

import pytest

from orchestrator.launch.resources import ResourceError, Resources
from orchestrator.launch.slots import RECOUNT_EVERY_S, Slots

Nodes = Sequence[Mapping[str, float]]


class _Cluster:
    """Nodes and a clock that a test sets."""

    def __init__(self) -> None:
        self.there: Nodes | Exception = [{"CPU": 2}]
        self.now_s = 0.0
        self.num_counts = 0

    def nodes(self) -> Nodes:
        self.num_counts += 1
        if isinstance(self.there, Exception):
            raise self.there
        return self.there

    def slots(self, resources: Resources | None = None, *, moves: bool = True) -> Slots:
        return Slots(resources or Resources(), self.nodes, moves=moves, clock=lambda: self.now_s)

    def later(self, there: Nodes | Exception) -> None:
        self.there, self.now_s = there, self.now_s + RECOUNT_EVERY_S


@pytest.fixture
def cluster() -> _Cluster:
    return _Cluster()


def test_slots_follow_the_nodes(cluster: _Cluster) -> None:
    slots = cluster.slots()
    assert slots.num == 2
    cluster.later([{"CPU": 2}, {"CPU": 4}])
    assert (slots.recount(), slots.num) == (2, 6)
    cluster.later([{"CPU": 4}])
    assert (slots.recount(), slots.num) == (6, 4)
    cluster.later([{"CPU": 4}])
    assert (slots.recount(), slots.num) == (None, 4)


def test_the_nodes_are_asked_every_five_seconds_at_most(cluster: _Cluster) -> None:
    slots = cluster.slots()
    cluster.there = [{"CPU": 8}]
    for _ in range(49):
        cluster.now_s += RECOUNT_EVERY_S / 50
        assert slots.recount() is None
    assert (slots.num, cluster.num_counts) == (2, 1)
    cluster.now_s = RECOUNT_EVERY_S
    assert (slots.recount(), slots.num) == (2, 8)
    assert (slots.recount(), cluster.num_counts) == (None, 2)


def test_one_machine_is_counted_once(cluster: _Cluster) -> None:
    slots = cluster.slots(moves=False)
    cluster.later([{"CPU": 8}])
    assert (slots.recount(), slots.num, cluster.num_counts) == (None, 2, 1)


def test_concurrency_stays_the_ceiling(cluster: _Cluster) -> None:
    slots = cluster.slots(Resources(concurrency=3))
    cluster.later([{"CPU": 8}])
    assert (slots.recount(), slots.num) == (2, 3)
    cluster.later([{"CPU": 80}])
    assert (slots.recount(), slots.num) == (None, 3)


@pytest.mark.parametrize("there", [[], [{"memory": 8}], [{"CPU": 0.5}]])
def test_where_no_trial_fits_any_more_one_slot_waits_for_the_next_node(
    there: Nodes, cluster: _Cluster
) -> None:
    slots = cluster.slots()
    cluster.later(there)
    assert (slots.recount(), slots.num) == (2, 1)
    cluster.later([{"CPU": 5}])
    assert (slots.recount(), slots.num) == (1, 5)


def test_a_count_that_fails_keeps_the_last(cluster: _Cluster) -> None:
    slots = cluster.slots()
    cluster.later(ConnectionError("the head does not answer"))
    assert (slots.recount(), slots.num) == (None, 2)
    # It is not asked again at once.
    assert (slots.recount(), cluster.num_counts) == (None, 2)
    cluster.later([{"CPU": 3}])
    assert (slots.recount(), slots.num) == (2, 3)


@pytest.mark.parametrize(
    ("gpus", "next_gpus", "num"),
    [(0.125, 0.25, 4), (0.2, 0.5, 2), (1 / 3, 1.0, 1), (0.5, 1.0, 1), (0.6, 1.0, 1)],
)
def test_half_as_many_trials_share_a_gpu_after_one_lacked_memory(
    gpus: float, next_gpus: float, num: int, cluster: _Cluster
) -> None:
    cluster.there = [{"CPU": 16, "GPU": 1}]
    slots = cluster.slots(Resources(gpus=gpus), moves=False)
    slots.is_draining = True
    slots.relax()
    assert not slots.is_draining
    assert (slots.resources.gpus, slots.num) == (next_gpus, num)


def test_fewer_on_a_gpu_is_no_end_if_the_nodes_left_meanwhile(cluster: _Cluster) -> None:
    cluster.there = [{"CPU": 16, "GPU": 1}]
    slots = cluster.slots(Resources(gpus=0.25))
    cluster.later([])
    slots.relax()
    assert (slots.resources.gpus, slots.num) == (0.5, 1)


def test_a_trial_that_fits_nowhere_is_refused_at_the_start(cluster: _Cluster) -> None:
    with pytest.raises(ResourceError, match="lower --cpus-per-trial"):
        cluster.slots(Resources(cpus=3))


def test_a_copy_has_neither_nodes_nor_clock(cluster: _Cluster) -> None:
    assert vars(copy.deepcopy(cluster.slots())) == {"num": 2}
