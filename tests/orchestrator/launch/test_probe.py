"""Memory of a first epoch. No GPU is here: torch.cuda's functions for memory are played."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from ray.exceptions import RayTaskError

from orchestrator.launch import probe
from orchestrator.launch.packing import Memory
from orchestrator.launch.resources import Resources
from orchestrator.launch.worker import Job
from orchestrator.study.cells import Cell
from trainers.engine.checkpoint import CheckpointPolicy
from trainers.errors import OutOfMemoryError

GPU: list[Mapping[str, float]] = [{"CPU": 8, "GPU": 1}]
CONTEXT, TOTAL = 400, 10_000


@pytest.fixture
def jobs(cells: tuple[Cell, ...], tmp_path: Path) -> list[Job]:
    """Two trials of two epochs, on the CPU."""
    return [
        Job(
            train=cell.train.to_mapping(),
            data_dir=tmp_path / "data",
            checkpoint_dir=tmp_path / "checkpoints" / cell.id,
            checkpoints=CheckpointPolicy(policy="every"),
            device="cpu",
            num_threads=1,
        )
        for cell in cells[:2]
    ]


@pytest.fixture
def reserved(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """What torch reserves in each trial, one after the other, on a GPU that is not here."""
    peaks = [3_000, 5_000]
    now = iter(peaks)
    played: dict[str, Any] = {
        "reset_peak_memory_stats": lambda: None,
        "memory_reserved": lambda: 1_000,
        "max_memory_reserved": lambda: next(now),
        "mem_get_info": lambda: (TOTAL - 1_000 - CONTEXT, TOTAL),
    }
    for name, function in played.items():
        monkeypatch.setattr(torch.cuda, name, function)
    yield peaks
    assert next(now, None) is None


def test_the_peak_is_that_of_the_largest_trial_with_its_context(
    jobs: list[Job], reserved: list[int], tmp_path: Path
) -> None:
    assert probe.measured(jobs) == Memory(peak=5_000 + CONTEXT, total=TOTAL)
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.usefixtures("reserved")
def test_only_the_first_epoch_is_trained(jobs: list[Job], monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[int] = []
    usual = probe._FirstEpoch.on_epoch_end

    def hear(self: Any, metrics: Any) -> None:
        heard.append(metrics.epoch)
        usual(self, metrics)

    monkeypatch.setattr(probe._FirstEpoch, "on_epoch_end", hear)
    probe.measured(jobs)
    assert heard == [0, 0]


def _asks(monkeypatch: pytest.MonkeyPatch, answer: Memory | Exception) -> None:
    def asked(jobs: Any, resources: Any) -> Memory:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(probe, "_asked", asked)


def test_trials_are_packed_by_what_was_measured(
    jobs: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    _asks(monkeypatch, Memory(peak=2_000_000_000, total=TOTAL * 10**6))
    resources, told = probe.probed(jobs, Resources(), GPU)
    assert resources == Resources().on_a_gpu(4)
    assert told == "probed: 2 GB at most of 10 GB; 4 trials on a GPU"


@pytest.mark.parametrize("nodes", [[], [{"CPU": 8}], [{"CPU": 8, "GPU": 0}]])
def test_without_a_gpu_nothing_is_measured(
    nodes: list[Mapping[str, float]], jobs: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    _asks(monkeypatch, AssertionError("it was asked"))
    resources, told = probe.probed(jobs, Resources(), nodes)
    assert (resources.gpus, told) == (0, "there is no GPU, so trials train on CPUs")


def test_a_trial_that_fails_leaves_a_gpu_for_each(
    jobs: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    cause = OutOfMemoryError("cuda has too little memory\nfor it")
    _asks(monkeypatch, RayTaskError("measured", "a traceback", cause))
    resources, told = probe.probed(jobs, Resources(), GPU)
    assert resources.gpus == 1
    assert told == (
        "warning: the memory of a trial cannot be probed, so each gets a GPU "
        "(OutOfMemoryError: cuda has too little memory)"
    )
