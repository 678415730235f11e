"""The options of a sweep."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from orchestrator.launch.resources import ResourceError, Resources, this_machine
from orchestrator.study.spec import StudySpec
from trainers.errors import did_you_mean

AUTO = "auto"
"""As many GPUs as trials need."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepOptions:
    """How a sweep runs; of these options only the CPUs can change the results of trials.

    Args:
        data_dir: Where data sets are stored or downloaded to.
        resources: The resources of each trial.
        ray_address: The address of a running cluster; None: an embedded Ray.
        min_nodes: Begin when this many nodes of the cluster have room for a trial.
        deterministic: As for `RunOptions`.
        graphs: As for `RunOptions`.
        verbose: Show the output of Ray and MLflow.
        share: Train epochs that trials have in common once.
        only_failed: Train only the trials whose cells failed for good.
        storage: Where checkpoints are stored, a folder or a URL; None: as in the study, else in
            the home.
        force: Start even if the disk has too little room.
        accept_code: Count results of other code, and train the remaining trials with this code.
        processes: Processes that train a trial together; None: as in the study.
    """

    data_dir: Path
    resources: Resources = field(default_factory=Resources)
    ray_address: str | None = None
    min_nodes: int = 0
    deterministic: bool = False
    graphs: bool = True
    verbose: bool = False
    share: bool = True
    only_failed: bool = False
    storage: str | None = None
    force: bool = False
    accept_code: bool = False
    processes: int | None = None

    def of_study(self, study: StudySpec) -> "SweepOptions":
        """Returns the options with the number of processes settled.

        Raises:
            ResourceError: If nodes are waited for, and no cluster is named.
        """
        if self.min_nodes and self.ray_address is None:
            what = "--min-nodes waits for the nodes of a cluster, and none is named"
            raise ResourceError(f"{what}; add --ray-address, or leave it and BNN_MIN_NODES out")
        num = study.together.processes if self.processes is None else self.processes
        return replace(self, resources=self.resources.of(num), processes=num)


def resources_of(
    cpus: float | None,
    gpus: float | str | None,
    concurrency: int | None,
    *,
    ray_address: str | None,
) -> Resources:
    """The resources of each trial.

    Args:
        cpus: CPUs for each trial; None: 1 for each process of a trial.
        gpus: GPUs for each trial; None: 1 for each process if this machine has any and no cluster
            is named. "auto": a part of one, as large as its memory requires, which is measured.
        concurrency: Most trials at once; None: as many as fit.
        ray_address: The address of a running cluster; None: an embedded Ray.

    Raises:
        ResourceError: If `gpus` is another text.
    """
    if isinstance(gpus, str):
        if gpus != AUTO:
            what = f"the GPUs of a trial are a number or '{AUTO}', got '{gpus}'"
            raise ResourceError(f"{what}{did_you_mean(gpus, [AUTO])}")
        return replace(resources_of(cpus, 0, concurrency, ray_address=ray_address), packs=True)
    asked = {"cpus": cpus, "gpus": gpus}
    grows = frozenset(name for name, num in asked.items() if num is None)
    if gpus is None:
        gpus = 1.0 if ray_address is None and this_machine()[0]["GPU"] else 0.0
    cpus = 1.0 if cpus is None else cpus
    return Resources(cpus=cpus, gpus=gpus, concurrency=concurrency, grows=grows)
