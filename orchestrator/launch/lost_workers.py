"""Whatever ends a worker fails its own trial, and not the sweep.

Ray mostly tells the end of a worker as the death of an actor, which Tune bears. One that is ended
before the machine runs out of memory is at times an error of another kind, at which Tune (2.60)
gives up all trials.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

from ray.air.execution._internal import RayActorManager
from ray.exceptions import RayActorError, RayError, RayTaskError


@contextlib.contextmanager
def told_as_dead_actors() -> Iterator[None]:
    """In here whatever Ray makes of a worker's end reaches Tune as the death of an actor."""
    usual = RayActorManager._actor_task_failed

    def failed(manager: RayActorManager, tracked_actor_task: Any, exception: Exception) -> None:
        usual(manager, tracked_actor_task, as_dead_actor(exception))

    RayActorManager._actor_task_failed = failed  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        RayActorManager._actor_task_failed = usual  # type: ignore[method-assign]


def as_dead_actor(exception: Exception) -> Exception:
    """The error itself if it is the trial's, an actor's or not Ray's; else one of an actor.

    It keeps its kind in its text, by which a person is told the reason.
    """
    if not isinstance(exception, RayError) or isinstance(exception, RayActorError | RayTaskError):
        return exception
    kind = type(exception)
    return RayActorError(error_msg=f"{kind.__module__}.{kind.__name__}: {exception}")
