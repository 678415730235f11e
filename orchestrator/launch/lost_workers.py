"""Makes the death of a worker fail only its trial, not the sweep.

Ray usually reports the death of a worker as the death of an actor, which Tune handles. If Ray
kills a worker because memory runs low, it sometimes reports another error, and then Tune (2.60)
stops all trials.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

from ray.air.execution._internal import RayActorManager
from ray.exceptions import RayActorError, RayError, RayTaskError


@contextlib.contextmanager
def told_as_dead_actors() -> Iterator[None]:
    """Within this context, Tune sees every death of a worker as the death of an actor."""
    usual = RayActorManager._actor_task_failed

    def failed(manager: RayActorManager, tracked_actor_task: Any, exception: Exception) -> None:
        usual(manager, tracked_actor_task, as_dead_actor(exception))

    RayActorManager._actor_task_failed = failed  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        RayActorManager._actor_task_failed = usual  # type: ignore[method-assign]


def as_dead_actor(exception: Exception) -> Exception:
    """Turns other errors of Ray into an actor's death; returns a trial's or actor's error as is.

    The message keeps the original error's type, from which we tell the user the reason.
    """
    if not isinstance(exception, RayError) or isinstance(exception, RayActorError | RayTaskError):
        return exception
    kind = type(exception)
    return RayActorError(error_msg=f"{kind.__module__}.{kind.__name__}: {exception}")
