"""Errors that Ray makes of a worker's end, as Tune is to see them."""

import os
from pathlib import Path
from typing import Any

import pytest
from ray import tune
from ray.air.execution._internal import RayActorManager
from ray.exceptions import ActorDiedError, OutOfMemoryError, RayActorError, WorkerCrashedError

from orchestrator.launch.lost_workers import as_dead_actor, told_as_dead_actors
from orchestrator.launch.session import ray_session
from orchestrator.launch.tuning import failure_reason


@pytest.mark.parametrize("error", [ActorDiedError(), ValueError("a bug of ours")])
def test_what_tune_knows_and_what_is_not_rays_stays(error: Exception) -> None:
    assert as_dead_actor(error) is error


def test_a_worker_ended_for_its_memory_is_a_dead_actor_that_says_so() -> None:
    error = as_dead_actor(OutOfMemoryError("1 worker(s) were killed"))
    assert isinstance(error, RayActorError)
    told = f"Failure # 1 (occurred at noon)\n{type(error).__name__}: {error}"
    assert failure_reason(told).startswith("out of memory: Ray killed the worker")


def test_any_other_end_of_a_worker_keeps_its_kind_in_the_text() -> None:
    error = as_dead_actor(WorkerCrashedError())
    assert isinstance(error, RayActorError)
    assert "ray.exceptions.WorkerCrashedError: " in str(error)


def test_tune_is_given_the_dead_actor_and_afterwards_its_own_way_again() -> None:
    usual = RayActorManager._actor_task_failed
    met: list[Exception] = []

    class Task:
        class _tracked_actor:
            actor_id = 7
            _on_error = None

        _on_error = staticmethod(lambda actor, error: met.append(error))

    class Manager:
        def __init__(self) -> None:
            self._failed_actor_ids: set[int] = set()

        def _cleanup_actor(self, tracked_actor: object) -> None:
            pass

    with pytest.raises(RuntimeError, match="Caught unexpected exception"):
        usual(Manager(), Task(), OutOfMemoryError("gone"))
    manager, error = Manager(), OutOfMemoryError("gone")
    with told_as_dead_actors():
        RayActorManager._actor_task_failed(manager, tracked_actor_task=Task(), exception=error)
    assert [type(error) for error in met] == [RayActorError]
    assert manager._failed_actor_ids == {7}
    assert RayActorManager._actor_task_failed is usual


class _Counted(tune.Callback):
    """Counts retries and final failures."""

    def __init__(self) -> None:
        self.num_retried = self.num_failed = 0

    def on_trial_recover(self, **info: Any) -> None:
        self.num_retried += 1

    def on_trial_error(self, **info: Any) -> None:
        self.num_failed += 1


def _trained(folder: Path, *, dies: str, retries: int) -> tuple[list[int], _Counted]:
    """Three trials on one worker, which once dies; what they ended with, and what went wrong.

    Args:
        folder: A folder of the test's own.
        dies: When the worker dies: while it takes the next trial (`reset`), or trains it (`step`).
        retries: How often a trial may be retried.
    """
    mark, counted = folder / "died", _Counted()

    def die_once() -> None:
        if not mark.exists():
            mark.touch()
            os._exit(1)

    class Trial(tune.Trainable):
        def step(self) -> dict[str, Any]:
            if dies == "step":
                die_once()
            return {"value": self.config["value"], "done": True}

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            if dies == "reset":
                die_once()
            self.config = new_config
            return True

    with ray_session(address=None, folder=folder, verbose=False, num_workers=1):
        tuner = tune.Tuner(
            Trial,
            param_space={"value": tune.grid_search([1, 2, 3])},
            tune_config=tune.TuneConfig(reuse_actors=True, max_concurrent_trials=1),
            run_config=tune.RunConfig(
                storage_path=str(folder / "tune"),
                verbose=0,
                callbacks=[counted],
                failure_config=tune.FailureConfig(max_failures=retries),
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            ),
        )
        with told_as_dead_actors():
            results = tuner.fit()
    assert mark.exists()
    return sorted(result.metrics.get("value", 0) for result in results), counted


@pytest.mark.slow
def test_a_worker_that_dies_before_it_takes_the_next_trial_costs_it_no_retry(
    tmp_path: Path,
) -> None:
    values, counted = _trained(tmp_path, dies="reset", retries=0)
    assert values == [1, 2, 3]
    assert (counted.num_retried, counted.num_failed) == (0, 0)


@pytest.mark.slow
def test_a_worker_that_dies_in_a_trial_costs_it_one_retry(tmp_path: Path) -> None:
    values, counted = _trained(tmp_path, dies="step", retries=1)
    assert values == [1, 2, 3]
    assert (counted.num_retried, counted.num_failed) == (1, 0)
