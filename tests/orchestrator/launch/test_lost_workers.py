"""Errors that Ray makes of a worker's end, as Tune is to see them."""

import pytest
from ray.air.execution._internal import RayActorManager
from ray.exceptions import ActorDiedError, OutOfMemoryError, RayActorError, WorkerCrashedError

from orchestrator.launch.lost_workers import as_dead_actor, told_as_dead_actors
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
