"""Pauses Python's garbage collection, which rescans all objects as their number grows."""

import atexit
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Disables garbage collection in a block that creates many objects, none of them garbage.

    Also useful for imports, and for a whole command that reads, prints and ends.

    MLflow's client creates some hundred objects for each run that it reads; without collections,
    reading takes a third of the time. Importing torch, MLflow and Ray takes a sixth less.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextmanager
def set_aside() -> Iterator[None]:
    """Keeps collections within a block away from what there is at its beginning.

    To look at all that torch, MLflow and Ray have made takes half a second. Where something is set
    aside already, that stays as it is.
    """
    if gc.get_freeze_count():
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def not_at_exit() -> None:
    """Lets this process end without looking for garbage, which takes two seconds after a sweep."""
    atexit.unregister(_freeze)
    atexit.register(_freeze)


def _freeze() -> None:
    # At the end, triton's bindings complain about all that was not collected.
    if "triton" not in sys.modules:
        gc.freeze()
