"""The CPUs and GPUs of a trial, and how many trials fit at once; does not import Ray."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.errors import OrchestratorError


class ResourceError(OrchestratorError):
    """A trial asks for more than the machine or cluster has."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Resources:
    """The resources of each trial, and how many trials run at once.

    Args:
        cpus: CPUs for each trial; torch gets as many threads.
        gpus: GPUs for each trial; a fraction shares one.
        concurrency: Most trials at once; None: as many as fit.
    """

    cpus: float = 1
    gpus: float = 0
    concurrency: int | None = None


def this_machine() -> list[Mapping[str, float]]:
    """The resources of an embedded Ray: one node."""
    import torch

    return [{"CPU": len(os.sched_getaffinity(0)), "GPU": torch.cuda.device_count()}]


def num_slots(resources: Resources, nodes: Sequence[Mapping[str, float]]) -> int:
    """Number of trials that can run at once on these nodes.

    Raises:
        ResourceError: If not even one trial fits.
    """
    for kind, asked in (("CPU", resources.cpus), ("GPU", resources.gpus)):
        most = max((node.get(kind, 0) for node in nodes), default=0)
        if asked > most:
            flag = f"--{kind.lower()}s-per-trial"
            what = f"a trial asks for {asked:g} {kind}s, but no node has more than {most:g}"
            raise ResourceError(f"{what}; lower {flag}")
    slots = sum(_fit(node, resources) for node in nodes)
    if slots == 0:
        what = f"no node has {resources.cpus:g} CPUs and {resources.gpus:g} GPUs together"
        raise ResourceError(f"{what}; lower --cpus-per-trial or --gpus-per-trial")
    return min(slots, resources.concurrency or slots)


def num_nodes(resources: Resources, nodes: Sequence[Mapping[str, float]]) -> int:
    """Number of nodes that have room for a trial."""
    return sum(_fit(node, resources) > 0 for node in nodes)


def _fit(node: Mapping[str, float], resources: Resources) -> int:
    asked = {"CPU": resources.cpus, "GPU": resources.gpus}
    return int(min(node.get(kind, 0) // size for kind, size in asked.items() if size > 0))
