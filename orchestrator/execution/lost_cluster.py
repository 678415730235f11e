"""Ends a sweep in order when the head of its cluster is lost, without which Ray cannot go on."""

import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

from orchestrator import launch
from orchestrator.errors import EXIT_FAILED
from orchestrator.execution.listener import SweepListener
from orchestrator.execution.outcome import SweepWatcher
from orchestrator.record.heartbeat import beating

LOST_S = 8.0
"""Seconds that the end of a sweep waits for MLflow, because Ray ends this process soon."""


def watched_head(
    listener: SweepListener, watcher: SweepWatcher, *, title: str, close: Callable[[float], None]
) -> AbstractContextManager[None]:
    """Watches the head of the cluster that was joined, which Ray needs but does not watch.

    Args:
        listener: That of the sweep.
        watcher: Told if the head is silent or lost.
        title: Of the study.
        close: Records that the sweep was interrupted, within so many seconds.
    """
    watch = launch.HeadWatch(
        launch.cluster_address(),
        is_same=launch.is_same_head,
        silent=lambda reason: listener.noted(title, reason),
        lost=partial(end_without_ray, listener, watcher, close),
    )
    return beating("the head of the cluster", watch.look, every_s=launch.LOOK_EVERY_S)


def end_without_ray(
    listener: SweepListener, watcher: SweepWatcher, close: Callable[[float], None], reason: str
) -> None:
    """Records that the sweep was interrupted, and ends this process.

    The main thread waits for a head that is gone, and no signal reaches it.
    """
    try:
        listener.interrupt()
        watcher.stopped()
        close(LOST_S)
    finally:
        watcher.lost(reason)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(EXIT_FAILED)
