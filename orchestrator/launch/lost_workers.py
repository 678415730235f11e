"""Makes the death of a worker fail only its trial, once, and not the sweep.

Ray usually reports the death of a worker as the death of an actor, which Tune handles. If Ray
kills a worker because memory runs low, it sometimes reports another error, and then Tune (2.60)
stops all trials. If a worker dies after it trained one trial and before it took the next, Tune
counts that death twice, and then never starts the next trial again.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import ray.tune.tune as tune_run
from ray.air.execution._internal import RayActorManager
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial


@contextlib.contextmanager
def told_as_dead_actors() -> Iterator[None]:
    """Within this context, Tune sees every death of a worker as the death of an actor, once."""
    usual = RayActorManager._actor_task_failed

    def failed(manager: RayActorManager, tracked_actor_task: Any, exception: Exception) -> None:
        usual(manager, tracked_actor_task, as_dead_actor(exception))

    RayActorManager._actor_task_failed = failed  # type: ignore[method-assign, assignment]
    vars(tune_run)["TuneController"] = _Loop
    try:
        yield
    finally:
        RayActorManager._actor_task_failed = usual  # type: ignore[method-assign]
        vars(tune_run)["TuneController"] = TuneController


def as_dead_actor(exception: Exception) -> Exception:
    """Turns other errors of Ray into an actor's death; returns a trial's or actor's error as is.

    The message keeps the original error's type, from which we tell the user the reason.
    """
    if not isinstance(exception, RayError) or isinstance(exception, RayActorError | RayTaskError):
        return exception
    kind = type(exception)
    return RayActorError(error_msg=f"{kind.__module__}.{kind.__name__}: {exception}")


class _Loop(TuneController):
    """Tune's loop; a worker that dies before it takes its next trial costs that trial nothing."""

    def _actor_failed(self, tracked_actor: Any, exception: Exception) -> None:
        trial = self._actor_to_trial[tracked_actor]
        if trial not in self._resetting_trials:
            super()._actor_failed(tracked_actor, exception)
            return
        self._resetting_trials.remove(trial)
        self._unstage_trial_with_resources(trial)
        # Of a trial that waits for a worker, Tune would count the death as a failure.
        self._set_trial_status(trial, Trial.RUNNING)
        super()._actor_failed(tracked_actor, exception)
        self._set_trial_status(trial, Trial.PENDING)

    def _trial_task_failure(self, trial: Trial, exception: Exception) -> None:
        self._resetting_trials.discard(trial)
        if trial.status == Trial.PENDING and trial not in self._trial_to_actor:
            # Its worker died, as was just handled.
            return
        super()._trial_task_failure(trial, exception)
