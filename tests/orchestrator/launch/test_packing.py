"""How many trials share a GPU."""

from collections.abc import Mapping

import pytest

from orchestrator.launch.packing import Memory, packed
from orchestrator.launch.resources import Resources, num_slots

ONE: list[Mapping[str, float]] = [{"CPU": 16, "GPU": 1}]
BIG = 80_000_000_000


@pytest.mark.parametrize(
    ("peak", "resources", "nodes", "num", "told"),
    [
        (3_100_000_000, Resources(), ONE, 16, "16 trials on a GPU, limited by the CPUs"),
        (3_100_000_000, Resources(cpus=0.5), ONE, 23, "23 trials on a GPU"),
        (3_100_000_000, Resources(cpus=4), ONE, 4, "4 trials on a GPU, limited by the CPUs"),
        (3_100_000_000, Resources(cpus=40), ONE, 1, "1 trial on a GPU, limited by the CPUs"),
        (
            3_100_000_000,
            Resources(concurrency=3),
            ONE,
            3,
            "3 trials on a GPU, limited by --concurrency",
        ),
        # Three trials over two GPUs.
        (
            3_100_000_000,
            Resources(concurrency=3),
            [{"CPU": 16, "GPU": 2}],
            2,
            "2 trials on a GPU, limited by --concurrency",
        ),
        # Seven CPUs over four GPUs; nodes without a GPU do not count.
        (
            3_100_000_000,
            Resources(),
            [{"CPU": 7, "GPU": 4}, {"CPU": 64}],
            2,
            "2 trials on a GPU, limited by the CPUs",
        ),
        (30_000_000_000, Resources(), ONE, 2, "2 trials on a GPU"),
        (36_000_000_000, Resources(), ONE, 2, "2 trials on a GPU"),
        (36_000_000_001, Resources(), ONE, 1, "1 trial on a GPU"),
        (79_000_000_000, Resources(), ONE, 1, "1 trial on a GPU"),
        (BIG + 1, Resources(), ONE, 1, "1 trial on a GPU"),
    ],
)
def test_trials_fill_nine_tenths_of_a_gpu_as_far_as_cpus_and_flags_allow(
    peak: int, resources: Resources, nodes: list[Mapping[str, float]], num: int, told: str
) -> None:
    filled, said = packed(Memory(peak=peak, total=BIG), resources, nodes)
    assert filled == resources.on_a_gpu(num)
    gb = f"{peak / 1e9:.3g}"
    assert said == f"probed: {gb} GB at most of 80 GB; {told}"


def test_what_is_packed_runs_at_once() -> None:
    filled, _ = packed(Memory(peak=8_000_000_000, total=BIG), Resources(), ONE)
    assert num_slots(filled, ONE) == 9
    assert filled.memory_share == pytest.approx(1 / 9, abs=1e-4)
