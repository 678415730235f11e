"""Which cell a configuration stands for, and the worker's job for it."""

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.launch.jobs import Jobs
from orchestrator.launch.worker import Job
from orchestrator.planning.sharing import stems
from orchestrator.planning.stem_store import StemStore
from orchestrator.study.cells import Cell
from orchestrator.study.expansion import expand, trial_at
from orchestrator.study.spec import StudySpec, cell_key
from trainers.engine.checkpoint import CheckpointPolicy
from trainers.spec.train_spec import TrainSpec

MakeStudy = Callable[..., StudySpec]
STEMS = StemStore(Path("stems"))


@pytest.fixture
def template(tmp_path: Path) -> Job:
    return Job(
        train={},
        data_dir=tmp_path / "data",
        checkpoint_dir=tmp_path / "checkpoints",
        checkpoints=CheckpointPolicy(policy="last"),
        device="cpu",
        num_threads=1,
        report_every_s=0.25,
    )


@pytest.fixture
def work(study: StudySpec, cells: tuple[Cell, ...], template: Job) -> Jobs:
    by_key = {cell_key(study, cell): cell for cell in cells}
    return Jobs(study=study, cells=by_key, template=template, stems=STEMS)


def test_a_configuration_names_its_cell(work: Jobs, cells: tuple[Cell, ...]) -> None:
    for key, cell in zip(work.cells, cells, strict=True):
        assert work.trial({"cell": key}) is cell
        assert work.key({"cell": key}) == key


def test_a_job_trains_the_cell_in_a_folder_of_its_own(
    work: Jobs, cells: tuple[Cell, ...], template: Job
) -> None:
    jobs = [work.job({"cell": key}) for key in work.cells]
    for job, cell in zip(jobs, cells, strict=True):
        assert TrainSpec.from_mapping(job.train) == cell.train
        assert job.checkpoint_dir == template.checkpoint_dir / cell.id
        assert (job.data_dir, job.checkpoints) == (template.data_dir, template.checkpoints)
        assert (job.device, job.num_threads, job.report_every_s) == ("cpu", 1, 0.25)
    assert len({job.checkpoint_dir for job in jobs}) == len(jobs)


def test_a_job_begins_and_leaves_where_the_configuration_says(
    make_study: MakeStudy, template: Job
) -> None:
    base = make_study().base.to_mapping() | {
        "model": {"name": "mlp", "widths": [64, 8, 8, 8, 10]},
        "layers": {"order": [4, 1, 2, 3], "epochs_per_layer": 3},
        "epochs": 12,
    }
    study = make_study(base=base, axes=[{"name": "seed", "seeds": [1]}], matrix={"rows": "seed"})
    [cell] = expand(study)
    key = cell_key(study, cell)
    work = Jobs(study=study, cells={key: cell}, template=template, stems=STEMS)
    first, second = (STEMS.folder(stem.id) for stem in stems(cell.train))
    job = work.job({"cell": key, "begins": 3, "leaves": [6]})
    assert (job.name, job.begins_from, job.leaves) == (cell.name, first, {6: second})
    job = work.job({"cell": key, "begins": 0, "leaves": [3, 6]})
    assert (job.begins_from, job.leaves) == (None, {3: first, 6: second})
    job = work.job({"cell": key})
    assert (job.begins_from, job.leaves) == (None, {})


def test_what_a_searcher_draws_is_a_cell_too(make_search: MakeStudy, template: Job) -> None:
    study = make_search()
    work = Jobs(study=study, cells={}, template=template, stems=STEMS)
    drawn = {"lr": 0.0123456789, "size": "64"}
    trial = trial_at(study, drawn)
    assert work.trial(drawn).id == trial.id
    assert work.key(drawn) == cell_key(study, trial)
    assert work.job(drawn).checkpoint_dir.name == trial.id


def test_work_travels_to_the_workers(work: Jobs) -> None:
    copy = pickle.loads(pickle.dumps(work))
    for key in work.cells:
        assert copy.job({"cell": key}) == work.job({"cell": key})
