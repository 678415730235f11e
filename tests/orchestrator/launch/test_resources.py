"""What a trial gets, and how many fit."""

from collections.abc import Mapping

import pytest

from orchestrator.launch.resources import (
    ResourceError,
    Resources,
    num_nodes,
    num_slots,
    this_machine,
)

ONE_NODE: list[Mapping[str, float]] = [{"CPU": 8, "GPU": 2}]


@pytest.mark.parametrize(
    ("resources", "slots"),
    [
        (Resources(), 8),
        (Resources(cpus=3), 2),
        (Resources(cpus=0.5), 16),
        (Resources(gpus=1), 2),
        (Resources(gpus=0.25), 8),
        # No trial lies on two GPUs.
        (Resources(gpus=0.4), 4),
        (Resources(gpus=0.6), 2),
        (Resources(cpus=0.1, gpus=0.2), 10),
        (Resources(cpus=0.1), 80),
        (Resources(cpus=4, gpus=1), 2),
        (Resources(concurrency=3), 3),
        (Resources(concurrency=100), 8),
    ],
)
def test_as_many_trials_run_as_fit(resources: Resources, slots: int) -> None:
    assert num_slots(resources, ONE_NODE) == slots


def test_trials_do_not_reach_over_two_nodes() -> None:
    assert num_slots(Resources(cpus=3), [{"CPU": 4}, {"CPU": 4}, {"CPU": 2}]) == 2


@pytest.mark.parametrize(
    ("resources", "nodes", "texts"),
    [
        (Resources(cpus=9), ONE_NODE, ["9 CPUs", "more than 8", "lower --cpus-per-trial"]),
        (Resources(gpus=3), ONE_NODE, ["3 GPUs", "more than 2", "lower --gpus-per-trial"]),
        (Resources(gpus=0.5), [{"CPU": 4}], ["0.5 GPUs", "more than 0"]),
        (Resources(), [], ["1 CPUs", "more than 0"]),
        (
            Resources(cpus=4, gpus=1),
            [{"CPU": 8}, {"CPU": 2, "GPU": 4}],
            ["no node has 4 CPUs and 1 GPUs together"],
        ),
    ],
)
def test_a_trial_that_fits_nowhere_is_refused(
    resources: Resources, nodes: list[Mapping[str, float]], texts: list[str]
) -> None:
    with pytest.raises(ResourceError, match=r"lower --[cg]pus-per-trial") as raised:
        num_slots(resources, nodes)
    for text in texts:
        assert text in str(raised.value)


def test_this_machine_is_one_node_with_a_cpu() -> None:
    [node] = this_machine()
    assert node["CPU"] >= 1
    assert node["GPU"] >= 0
    assert num_slots(Resources(), [node]) == node["CPU"]


def test_processes_divide_what_a_trial_was_given_and_multiply_what_nobody_gave() -> None:
    asked = Resources(cpus=4, gpus=2).of(2)
    assert (asked.cpus, asked.gpus, asked.cpus_each, asked.gpus_each) == (4, 2, 2, 1)
    usual = Resources(cpus=1, gpus=1, grows=frozenset({"cpus", "gpus"})).of(4)
    assert (usual.cpus, usual.gpus, usual.cpus_each, usual.gpus_each) == (4, 4, 1, 1)
    assert usual.bundle == {"CPU": 1, "GPU": 1}
    # Ray takes no bundle that asks for nothing of a kind.
    assert Resources(cpus=2).of(2).bundle == {"CPU": 1}


@pytest.mark.parametrize(
    ("resources", "nodes", "slots"),
    [
        (Resources(cpus=2).of(2), [{"CPU": 8}], 4),
        # The processes of one trial may lie on several nodes.
        (Resources(cpus=3).of(3), [{"CPU": 2}, {"CPU": 2}, {"CPU": 2}], 2),
        (Resources(cpus=8, gpus=4).of(4), [{"CPU": 8, "GPU": 2}, {"CPU": 4, "GPU": 8}], 1),
        (Resources(cpus=2, concurrency=1).of(2), [{"CPU": 8}], 1),
    ],
)
def test_processes_are_packed_over_all_nodes(
    resources: Resources, nodes: list[Mapping[str, float]], slots: int
) -> None:
    assert num_slots(resources, nodes) == slots


def test_processes_that_can_never_be_placed_are_told_node_by_node() -> None:
    nodes: list[Mapping[str, float]] = [{"CPU": 8, "GPU": 2}, {"CPU": 1, "GPU": 4}]
    with pytest.raises(ResourceError, match="lower --processes-per-trial") as raised:
        num_slots(Resources(cpus=8, gpus=4).of(4), nodes)
    told = "a trial asks for 4 processes of 2 CPUs and 1 GPUs each, but there is room for 2 ("
    told += "2 on a node of 8 CPUs and 2 GPUs; 0 on a node of 1 CPUs and 4 GPUs)"
    assert told in str(raised.value)


@pytest.mark.parametrize("gpus", [1, 0.5, 4])
def test_each_process_has_a_gpu_of_its_own_or_none_has_any(gpus: float) -> None:
    with pytest.raises(ResourceError, match=r"needs 2 GPUs, one for each, or none; got"):
        num_slots(Resources(cpus=2, gpus=gpus).of(2), [{"CPU": 8, "GPU": 8}])


@pytest.mark.parametrize("num", range(1, 101))
def test_so_many_trials_as_share_a_gpu_fit_on_it(num: int) -> None:
    shared = Resources(cpus=0.001).on_a_gpu(num)
    assert shared.num_on_a_gpu == num
    assert shared.memory_share == shared.gpus <= 1 / num
    assert num_slots(shared, [{"CPU": 64, "GPU": 1}]) == num


@pytest.mark.parametrize(
    ("resources", "num", "share"),
    [
        (Resources(), 1, 1.0),
        (Resources(gpus=1), 1, 1.0),
        (Resources(gpus=2), 1, 1.0),
        (Resources(cpus=4, gpus=4).of(4), 1, 1.0),
        (Resources(gpus=0.25), 4, 0.25),
        (Resources(gpus=0.1), 10, 0.1),
        (Resources(gpus=1 / 3), 3, 1 / 3),
        (Resources(gpus=0.4), 2, 0.4),
        (Resources(gpus=0.6), 1, 0.6),
    ],
)
def test_a_part_of_a_gpu_is_the_same_part_of_its_memory(
    resources: Resources, num: int, share: float
) -> None:
    assert (resources.num_on_a_gpu, resources.memory_share) == (num, share)


def test_nodes_with_room_for_a_trial_are_counted() -> None:
    nodes: list[Mapping[str, float]] = [{"CPU": 4, "GPU": 1}, {"CPU": 1}, {"memory": 8}]
    assert num_nodes(Resources(), nodes) == 2
    assert num_nodes(Resources(cpus=2), nodes) == 1
    assert num_nodes(Resources(gpus=1), nodes) == 1
