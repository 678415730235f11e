"""Who is told while a sweep goes on."""

import inspect

from orchestrator.execution.outcome import SweepWatcher, Unwatched


def test_the_watcher_that_ignores_all_knows_every_event() -> None:
    events = [
        name
        for kind in SweepWatcher.__mro__
        for name, member in vars(kind).items()
        if inspect.isfunction(member) and not name.startswith("_")
    ]
    assert {"planned", "began", "tick", "cell_ended", "elsewhere", "stopped"} <= set(events)
    for name in events:
        assert getattr(Unwatched(), name)("anything", more=1) is None
