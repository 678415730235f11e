"""The jobs of a sweep, and those whose memory is measured; Ray's own part is played by a fake."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from orchestrator.execution import jobs as module
from orchestrator.execution.jobs import jobs_of, packed
from orchestrator.execution.options import SweepOptions
from orchestrator.launch import Resources
from orchestrator.launch.worker import Job
from orchestrator.planning.planning import plan
from orchestrator.planning.stem_store import StemStore
from orchestrator.study.spec import StudySpec, cell_key

NODES: list[Mapping[str, float]] = [{"CPU": 8, "GPU": 1}]


@pytest.fixture
def options(tmp_path: Path) -> SweepOptions:
    resources = Resources(cpus=2, packs=True)
    return SweepOptions(data_dir=tmp_path / "data", resources=resources)


@pytest.mark.parametrize(("gpus", "device"), [(0, "cpu"), (0.25, "cuda"), (1, "cuda")])
def test_trials_are_on_a_gpu_if_they_get_a_part_of_one(
    gpus: float, device: str, study: StudySpec, tmp_path: Path
) -> None:
    options = SweepOptions(data_dir=tmp_path, resources=Resources(cpus=2, gpus=gpus))
    stems = StemStore(tmp_path / "stems")
    work = jobs_of(plan(study), options, tmp_path, stems)
    assert (work.template.device, work.template.num_threads) == (device, 2)
    assert list(work.cells) == [cell_key(study, cell) for cell in plan(study).todo]


@pytest.fixture
def probed(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """The jobs that were measured; one of four trials on a GPU is what follows."""
    measured: list[Job] = []

    def probe(
        jobs: Sequence[Job], resources: Resources, nodes: Sequence[Mapping[str, float]]
    ) -> tuple[Resources, str]:
        assert nodes is NODES
        measured.extend(jobs)
        return resources.on_a_gpu(4), "probed: it is small"

    monkeypatch.setitem(vars(module.launch), "probed", probe)
    return measured


def test_one_job_of_each_kind_is_measured_on_a_gpu(
    study: StudySpec, options: SweepOptions, probed: list[Job], tmp_path: Path
) -> None:
    found, told = packed(plan(study), options, tmp_path, NODES)
    assert told == "probed: it is small"
    assert found.resources.gpus == 0.25
    assert found.data_dir == options.data_dir
    # The eight cells differ in their order and seed alone.
    assert [(job.device, job.num_threads) for job in probed] == [("cuda", 2)]
    assert probed[0].train == plan(study).todo[0].train.to_mapping()


def test_of_a_search_the_base_is_measured(
    make_search: Callable[..., Any], options: SweepOptions, probed: list[Job], tmp_path: Path
) -> None:
    search = make_search()
    packed(plan(search), options, tmp_path, NODES)
    assert [job.train for job in probed] == [search.base.to_mapping()]
