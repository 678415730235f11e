"""How a sweep runs."""

from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.launch.resources import Resources, this_machine


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepOptions:
    """How a sweep runs: nothing here changes what its trials end with, but for the CPUs.

    Args:
        data_dir: Where data sets lie or are downloaded to.
        resources: What each trial gets.
        ray_address: A running cluster; None: an embedded Ray.
        deterministic: As `RunOptions` takes it.
        verbose: Let Ray and MLflow speak.
        share: Train beginnings that trials have in common once.
        only_failed: Train the trials whose cells failed for good, and no others.
        storage: Where checkpoints lie, a folder or a URL; None: where the study says, else in
            the home.
        force: Start also where the disk has too little room.
        accept_code: Count results of other code, and train what is left with this code.
    """

    data_dir: Path
    resources: Resources = field(default_factory=Resources)
    ray_address: str | None = None
    deterministic: bool = False
    verbose: bool = False
    share: bool = True
    only_failed: bool = False
    storage: str | None = None
    force: bool = False
    accept_code: bool = False


def resources_of(
    cpus: float, gpus: float | None, concurrency: int | None, *, ray_address: str | None
) -> Resources:
    """What each trial gets.

    Args:
        cpus: CPUs of a trial.
        gpus: GPUs of a trial; None: 1 where this machine has any, and no cluster is asked for.
        concurrency: Trials at once at most; None: as many as fit.
        ray_address: A running cluster; None: an embedded Ray.
    """
    if gpus is None:
        gpus = 1.0 if ray_address is None and this_machine()[0]["GPU"] else 0.0
    return Resources(cpus=cpus, gpus=gpus, concurrency=concurrency)
