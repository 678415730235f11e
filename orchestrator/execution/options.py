"""The options of a sweep."""

from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.launch.resources import Resources, this_machine


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepOptions:
    """How a sweep runs; of these options only the CPUs can change the results of trials.

    Args:
        data_dir: Where data sets are stored or downloaded to.
        resources: The resources of each trial.
        ray_address: The address of a running cluster; None: an embedded Ray.
        min_nodes: Begin when this many nodes of the cluster have room for a trial.
        deterministic: As for `RunOptions`.
        verbose: Show the output of Ray and MLflow.
        share: Train epochs that trials have in common once.
        only_failed: Train only the trials whose cells failed for good.
        storage: Where checkpoints are stored, a folder or a URL; None: as in the study, else in
            the home.
        force: Start even if the disk has too little room.
        accept_code: Count results of other code, and train the remaining trials with this code.
    """

    data_dir: Path
    resources: Resources = field(default_factory=Resources)
    ray_address: str | None = None
    min_nodes: int = 0
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
    """The resources of each trial.

    Args:
        cpus: CPUs for each trial.
        gpus: GPUs for each trial; None: 1 if this machine has any and no cluster is named.
        concurrency: Most trials at once; None: as many as fit.
        ray_address: The address of a running cluster; None: an embedded Ray.
    """
    if gpus is None:
        gpus = 1.0 if ray_address is None and this_machine()[0]["GPU"] else 0.0
    return Resources(cpus=cpus, gpus=gpus, concurrency=concurrency)
