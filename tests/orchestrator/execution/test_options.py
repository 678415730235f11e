"""How a sweep runs: what each trial gets where nobody says."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.execution import options
from orchestrator.execution.options import SweepOptions, resources_of
from orchestrator.launch.resources import ResourceError
from orchestrator.study.spec import StudySpec


@pytest.mark.parametrize(
    ("asked", "address", "on_machine", "gpus"),
    [
        (None, None, 2, 1.0),
        (None, None, 0, 0.0),
        # What a cluster has is not known before it is joined.
        (None, "10.0.0.1:6379", 2, 0.0),
        (0.25, None, 2, 0.25),
        (0.0, None, 2, 0.0),
    ],
    ids=["a GPU is there", "none is there", "a cluster", "a share", "none is asked for"],
)
def test_a_trial_gets_a_gpu_where_this_machine_has_one(
    asked: float | None,
    address: str | None,
    on_machine: int,
    gpus: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(options, "this_machine", lambda: [{"CPU": 4, "GPU": on_machine}])
    found = resources_of(2, asked, 3, ray_address=address)
    assert (found.cpus, found.gpus, found.concurrency) == (2, gpus, 3)


def test_the_flag_goes_before_the_study_and_the_study_before_one_process(
    tmp_path: Path, make_study: Callable[..., StudySpec]
) -> None:
    study, asked = (
        make_study(trial={"processes": 2}),
        resources_of(None, 0, None, ray_address=None),
    )
    usual = SweepOptions(data_dir=tmp_path, resources=asked)
    assert usual.of_study(make_study()).resources.processes == 1
    of_study = usual.of_study(study)
    assert (of_study.resources.processes, of_study.resources.cpus) == (2, 2)
    flag = replace(usual, processes=4).of_study(study)
    assert (flag.processes, flag.resources.processes, flag.resources.cpus) == (4, 4, 4)


def test_nodes_are_waited_for_in_a_cluster_alone(
    tmp_path: Path, make_study: Callable[..., StudySpec]
) -> None:
    waits = SweepOptions(data_dir=tmp_path, min_nodes=2)
    with pytest.raises(ResourceError, match="none is named; add --ray-address"):
        waits.of_study(make_study())
    assert replace(waits, ray_address="head:1").of_study(make_study()).min_nodes == 2
