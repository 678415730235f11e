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


def test_nodes_with_room_for_a_trial_are_counted() -> None:
    nodes: list[Mapping[str, float]] = [{"CPU": 4, "GPU": 1}, {"CPU": 1}, {"memory": 8}]
    assert num_nodes(Resources(), nodes) == 2
    assert num_nodes(Resources(cpus=2), nodes) == 1
    assert num_nodes(Resources(gpus=1), nodes) == 1
