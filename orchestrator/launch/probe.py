"""Measures how much of a GPU's memory trials take, before the first one begins."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

import ray
import torch
from ray.exceptions import RayError, RayTaskError

from orchestrator.launch.packing import Memory, packed
from orchestrator.launch.resources import Resources
from orchestrator.launch.worker import Job
from orchestrator.masking import masked
from orchestrator.process.foothold import leave_folder
from orchestrator.process.waiting import waiting_for
from trainers.engine.memory import release
from trainers.engine.result import EpochMetrics
from trainers.spec.train_spec import TrainSpec
from trainers.training import RunOptions, run


def probed(
    jobs: Sequence[Job], resources: Resources, nodes: Sequence[Mapping[str, float]]
) -> tuple[Resources, str]:
    """Resources that fill the GPUs with trials, and what to tell the user.

    One GPU trains the first epoch of each job; nothing is recorded, and no checkpoint is kept.
    Without a GPU trials get none. If a job fails, each trial gets a GPU for itself.

    Args:
        jobs: The trials that are tried, on CUDA.
        resources: The CPUs of a trial, and the most trials at once.
        nodes: The resources of each node.
    """
    if all(node.get("GPU", 0) < 1 for node in nodes):
        return replace(resources, gpus=0), "there is no GPU, so trials train on CPUs"
    try:
        return packed(_asked(jobs, resources), resources, nodes)
    except RayError as error:
        cause = error.cause if isinstance(error, RayTaskError) else error
        reason = masked(f"{type(cause).__name__}: {cause}").splitlines()[0]
        told = f"warning: the memory of a trial cannot be probed, so each gets a GPU ({reason})"
        return replace(resources, gpus=1), told


def _asked(jobs: Sequence[Job], resources: Resources) -> Memory:
    """What a worker with a GPU measures; the process ends with it and frees the memory."""
    on_a_gpu = ray.remote(num_cpus=resources.cpus, num_gpus=1, max_calls=1, max_retries=0)
    task = on_a_gpu(measured)
    with waiting_for("the first epochs that show how much memory a trial takes"):
        memory: Memory = ray.get(task.remote(list(jobs)))
    return memory


def measured(jobs: Sequence[Job]) -> Memory:
    """The most memory that the first epoch of any of these jobs takes in this process."""
    peak = max(_peak(job) for job in jobs)
    return Memory(peak=peak, total=torch.cuda.mem_get_info()[1])


def _peak(job: Job) -> int:
    leave_folder()
    release()
    torch.cuda.reset_peak_memory_stats()
    options = RunOptions(
        device=job.device,
        num_threads=job.num_threads,
        data_dir=job.data_dir,
        deterministic=job.deterministic,
        graphs=job.graphs,
    )
    with contextlib.suppress(_EnoughError):
        run(TrainSpec.from_mapping(job.train), [_FirstEpoch()], options=options)
    free, total = torch.cuda.mem_get_info()
    # The CUDA context of this process, and what others have on the GPU.
    besides = total - free - torch.cuda.memory_reserved()
    return torch.cuda.max_memory_reserved() + max(0, besides)


class _EnoughError(Exception):
    """The first epoch is trained."""


class _FirstEpoch:
    """Ends a trial after its first epoch."""

    def on_epoch_end(self, metrics: EpochMetrics) -> None:
        raise _EnoughError
