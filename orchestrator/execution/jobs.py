"""The jobs of a sweep, and those of them that show how much memory trials take."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from orchestrator import launch
from orchestrator.execution.options import SweepOptions
from orchestrator.launch.jobs import Jobs
from orchestrator.launch.worker import Job
from orchestrator.planning.heaviest import heaviest
from orchestrator.planning.planning import Plan
from orchestrator.planning.stem_store import StemStore
from orchestrator.study.spec import StudySpec, cell_key
from trainers.storage import Place

MOST_PROBED = 4
"""Most kinds of trials whose memory is measured."""


def jobs_of(todo: Plan, options: SweepOptions, storage: Place, stems: StemStore) -> Jobs:
    """The cells that a sweep trains, and their jobs.

    Args:
        todo: The plan.
        options: How the sweep runs.
        storage: Where checkpoints are stored.
        stems: The store of stems (shared checkpoints).
    """
    cells = {cell_key(todo.study, cell): cell for cell in todo.todo}
    template = _template(todo.study, options, storage)
    return Jobs(study=todo.study, cells=cells, template=template, stems=stems)


def _template(study: StudySpec, options: SweepOptions, storage: Place) -> Job:
    """A job with the values that all trials of a sweep have in common."""
    resources = options.resources
    return Job(
        train={},
        data_dir=options.data_dir,
        checkpoint_dir=storage,
        checkpoints=study.checkpoint,
        device="cuda" if resources.gpus else "cpu",
        num_threads=max(1, int(resources.cpus_each)),
        timeout_s=study.together.timeout_s,
        deterministic=options.deterministic,
        graphs=options.graphs,
        # A scheduler compares trials at every epoch.
        report_every_s=0.0 if study.scheduler else 0.5,
    )


def packed(
    todo: Plan, options: SweepOptions, storage: Place, nodes: Sequence[Mapping[str, float]]
) -> tuple[SweepOptions, str]:
    """The options with a part of a GPU for each trial, and what to tell the user.

    Args:
        todo: The plan; of a search, whose trials are not drawn yet, its base is measured.
        options: How the sweep runs.
        storage: Where checkpoints are stored.
        nodes: The resources of each node.
    """
    trials = [cell.train for cell in todo.todo] or [todo.study.base]
    on_gpu = replace(_template(todo.study, options, storage), device="cuda")
    jobs = [
        replace(on_gpu, train=train.to_mapping()) for train in heaviest(trials, most=MOST_PROBED)
    ]
    resources, told = launch.probed(jobs, options.resources, nodes)
    return replace(options, resources=resources), told
