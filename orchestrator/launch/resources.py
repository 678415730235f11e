"""The CPUs and GPUs of a trial, and how many trials fit at once; does not import Ray."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from orchestrator.errors import OrchestratorError

RAY_UNITS = 10_000
"""Parts of a GPU that Ray can reserve."""
TINY = 1e-6


class ResourceError(OrchestratorError):
    """A trial asks for more than the machine or cluster has."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Resources:
    """The resources of each trial, and how many trials run at once.

    Args:
        cpus: CPUs for each trial; torch gets as many threads.
        gpus: GPUs for each trial; a fraction shares one.
        concurrency: Most trials at once; None: as many as fit.
        processes: Processes that train a trial together; each has its part of the CPUs, and a GPU
            of its own if there are any. They may be on several nodes.
        packs: Share each GPU among as many trials as its memory holds, which is measured when Ray
            is there; `gpus` is 0 until then.
        grows: Which of `cpus` and `gpus` nobody asked for; they are those of one process.
    """

    cpus: float = 1
    gpus: float = 0
    concurrency: int | None = None
    processes: int = 1
    packs: bool = False
    grows: frozenset[str] = frozenset()

    def of(self, processes: int) -> "Resources":
        """Returns the resources of a trial of so many processes.

        Raises:
            ResourceError: If trials of several processes shall share GPUs.
        """
        if self.packs and processes > 1:
            what = f"each of the {processes} processes of a trial needs a GPU of its own"
            hint = f"set --gpus-per-trial to {processes} or 0, or --processes-per-trial to 1"
            raise ResourceError(f"{what}, so --gpus-per-trial auto has nothing to share; {hint}")
        return replace(
            self,
            cpus=self.cpus * (processes if "cpus" in self.grows else 1),
            gpus=self.gpus * (processes if "gpus" in self.grows else 1),
            processes=processes,
        )

    @property
    def cpus_each(self) -> float:
        """CPUs of each process."""
        return self.cpus / self.processes

    @property
    def gpus_each(self) -> float:
        """GPUs of each process."""
        return self.gpus / self.processes

    @property
    def memory_share(self) -> float:
        """The share of a GPU's memory that each process may take; 1: all of it."""
        return self.gpus_each if 0 < self.gpus_each < 1 else 1.0

    @property
    def num_on_a_gpu(self) -> int:
        """Trials that share a GPU; 1: each has one or more for itself, or none."""
        return int(1 / self.memory_share + TINY)

    def on_a_gpu(self, num: int) -> "Resources":
        """Returns the resources of which so many trials share a GPU."""
        # Ray counts in these units; without rounding down, seven sevenths may not fit.
        return replace(self, gpus=int(RAY_UNITS / num) / RAY_UNITS)

    @property
    def bundle(self) -> Mapping[str, float]:
        """What each process asks Ray for."""
        asked = {"CPU": self.cpus_each, "GPU": self.gpus_each}
        return {kind: num for kind, num in asked.items() if num > 0}


def this_machine() -> list[Mapping[str, float]]:
    """The resources of an embedded Ray: one node."""
    import torch

    return [{"CPU": len(os.sched_getaffinity(0)), "GPU": torch.cuda.device_count()}]


def num_slots(resources: Resources, nodes: Sequence[Mapping[str, float]]) -> int:
    """Number of trials that can run at once on these nodes.

    Raises:
        ResourceError: If not even one trial fits, or if processes would share a GPU.
    """
    if resources.processes > 1:
        return _num_groups(resources, nodes)
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


def _num_groups(resources: Resources, nodes: Sequence[Mapping[str, float]]) -> int:
    """Number of trials of several processes that can run at once."""
    num, gpus = resources.processes, resources.gpus
    if gpus not in (0, num):
        what = f"a trial of {num} processes needs {num} GPUs, one for each, or none; got {gpus:g}"
        raise ResourceError(f"{what}; set --gpus-per-trial or --processes-per-trial")
    fits = [_fit(node, resources) for node in nodes]
    # All bundles are alike and may lie on any nodes, so counting is packing.
    if sum(fits) < num:
        each = f"{resources.cpus_each:g} CPUs"
        each += f" and {resources.gpus_each:g} GPUs" if gpus else ""
        room = "; ".join(_room(node, fit) for node, fit in zip(nodes, fits, strict=True))
        what = f"a trial asks for {num} processes of {each} each, but there is room for"
        hint = "lower --processes-per-trial or --cpus-per-trial"
        raise ResourceError(f"{what} {sum(fits)} ({room or 'no node'}); {hint}")
    slots = sum(fits) // num
    return min(slots, resources.concurrency or slots)


def _room(node: Mapping[str, float], fit: int) -> str:
    has = f"{node.get('CPU', 0):g} CPUs and {node.get('GPU', 0):g} GPUs"
    return f"{fit} on a node of {has}"


def num_nodes(resources: Resources, nodes: Sequence[Mapping[str, float]]) -> int:
    """Number of nodes that have room for a trial."""
    return sum(_fit(node, resources) > 0 for node in nodes)


def _fit(node: Mapping[str, float], resources: Resources) -> int:
    return min(
        _num_parts(node.get(kind, 0), size, kind) for kind, size in resources.bundle.items()
    )


def _num_parts(num: float, size: float, kind: str) -> int:
    """How many parts of this size there are; a part of a GPU is of one GPU."""
    if kind == "GPU" and size < 1:
        return int(num) * _num_parts(1, size, "")
    # In floating point, 1 // 0.2 is 4.
    return int(num / size + TINY)
