"""Python's garbage collection: it looks through all objects, again and again as they get more."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """No collection within the block: for making many objects at once, none of which is garbage.

    Also for a whole command that reads, prints and ends.

    MLflow's client makes some hundred for each run that it reads; without the collections it takes
    a third of the time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
