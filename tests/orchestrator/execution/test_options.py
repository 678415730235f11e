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


@pytest.mark.parametrize("address", [None, "10.0.0.1:6379"])
def test_how_many_trials_share_a_gpu_is_not_known_before_ray_is_there(
    address: str | None,
) -> None:
    found = resources_of(2, "auto", 3, ray_address=address)
    assert (found.packs, found.cpus, found.gpus, found.concurrency) == (True, 2, 0, 3)
    assert not resources_of(2, 0, 3, ray_address=address).packs


def test_a_text_that_is_not_auto_is_no_number_of_gpus() -> None:
    with pytest.raises(ResourceError, match="a number or 'auto', got 'atuo', did you mean 'auto'"):
        resources_of(1, "atuo", None, ray_address=None)


def test_processes_of_one_trial_cannot_share_gpus_by_measure(
    tmp_path: Path, make_study: Callable[..., StudySpec]
) -> None:
    asked = resources_of(None, "auto", None, ray_address=None)
    options = SweepOptions(data_dir=tmp_path, resources=asked)
    assert options.of_study(make_study()).resources.packs
    for study, num in ((make_study(trial={"processes": 2}), None), (make_study(), 2)):
        with pytest.raises(
            ResourceError, match=r"each of the 2 processes .* set --gpus-per-trial to 2 or 0"
        ):
            replace(options, processes=num).of_study(study)


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
