"""How many trials share a GPU, from the memory that one takes; does not import Ray."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.launch.resources import Resources

FILLED = 0.9
"""The share of a GPU's memory that trials may fill together: what they take varies a little."""
GB = 1e9


@dataclass(frozen=True, kw_only=True, slots=True)
class Memory:
    """What was measured on a GPU, in bytes.

    Args:
        peak: The most that a trial takes in its first epoch, with its CUDA context.
        total: All memory of the GPU.
    """

    peak: int
    total: int


def packed(
    memory: Memory, resources: Resources, nodes: Sequence[Mapping[str, float]]
) -> tuple[Resources, str]:
    """The resources of trials that fill the GPUs, and what to tell the user.

    Args:
        memory: What was measured.
        resources: The CPUs of a trial, and the most trials at once.
        nodes: The resources of each node; one of them has a GPU.
    """
    with_gpus = [node for node in nodes if node.get("GPU", 0) >= 1]
    num_gpus = sum(node["GPU"] for node in with_gpus)
    bounds = {"": math.floor(FILLED * memory.total / max(1, memory.peak))}
    if resources.cpus:
        # Rounded up, so that no CPU stays idle: Ray itself counts the CPUs of each node.
        bounds["the CPUs"] = max(
            math.ceil(node.get("CPU", 0) // resources.cpus / node["GPU"]) for node in with_gpus
        )
    if resources.concurrency:
        bounds["--concurrency"] = math.ceil(resources.concurrency / num_gpus)
    # Of equal bounds the first, which is that of memory.
    limit = min(bounds, key=lambda name: bounds[name])
    num = max(1, bounds[limit])
    trials = "1 trial" if num == 1 else f"{num} trials"
    told = f"probed: {memory.peak / GB:.3g} GB at most of {memory.total / GB:.3g} GB; "
    told += f"{trials} on a GPU" + (f", limited by {limit}" if limit else "")
    return resources.on_a_gpu(num), told
