"""Runs trials with Ray Tune; the only package that imports Ray.

Ray schedules trials but does not define them: Tune receives only the key of a cell (in a search,
the values that the searcher drew). Every result goes to a listener as it arrives.

The names below are imported on first use, so that a sweep with no remaining cells, or one that is
refused, does not wait for Ray.
"""

import importlib
import os
from typing import TYPE_CHECKING

from orchestrator.process.gc_pause import uncollected
from orchestrator.process.variables import FOR_RAY
from orchestrator.process.waiting import waiting_for

if TYPE_CHECKING:
    from orchestrator.launch.draws import MOST_TRIES, Draws
    from orchestrator.launch.head import LOOK_EVERY_S, HeadWatch
    from orchestrator.launch.jobs import Jobs
    from orchestrator.launch.machine import session_parent
    from orchestrator.launch.parts import Search
    from orchestrator.launch.probe import probed
    from orchestrator.launch.resources import ResourceError, Resources, num_slots, this_machine
    from orchestrator.launch.session import (
        cluster_address,
        cluster_nodes,
        is_same_head,
        ray_session,
        wait_for_nodes,
    )
    from orchestrator.launch.slots import Slots
    from orchestrator.launch.tuning import Listener, failure_reason, launch

os.environ.update(FOR_RAY)

_HOMES = {
    "Draws": "orchestrator.launch.draws",
    "HeadWatch": "orchestrator.launch.head",
    "Jobs": "orchestrator.launch.jobs",
    "Listener": "orchestrator.launch.tuning",
    "LOOK_EVERY_S": "orchestrator.launch.head",
    "MOST_TRIES": "orchestrator.launch.draws",
    "ResourceError": "orchestrator.launch.resources",
    "Resources": "orchestrator.launch.resources",
    "Search": "orchestrator.launch.parts",
    "Slots": "orchestrator.launch.slots",
    "cluster_address": "orchestrator.launch.session",
    "cluster_nodes": "orchestrator.launch.session",
    "failure_reason": "orchestrator.launch.tuning",
    "is_same_head": "orchestrator.launch.session",
    "launch": "orchestrator.launch.tuning",
    "num_slots": "orchestrator.launch.resources",
    "probed": "orchestrator.launch.probe",
    "ray_session": "orchestrator.launch.session",
    "session_parent": "orchestrator.launch.machine",
    "this_machine": "orchestrator.launch.resources",
    "wait_for_nodes": "orchestrator.launch.session",
}

__all__ = [
    "LOOK_EVERY_S",
    "MOST_TRIES",
    "Draws",
    "HeadWatch",
    "Jobs",
    "Listener",
    "ResourceError",
    "Resources",
    "Search",
    "Slots",
    "cluster_address",
    "cluster_nodes",
    "failure_reason",
    "is_same_head",
    "launch",
    "num_slots",
    "probed",
    "ray_session",
    "session_parent",
    "this_machine",
    "wait_for_nodes",
]


def __getattr__(name: str) -> object:
    """Imports a public name from its module."""
    if name in _HOMES:
        with waiting_for("Ray to be loaded"), uncollected():
            home = importlib.import_module(_HOMES[name])
        return getattr(home, name)
    raise AttributeError(f"module 'orchestrator.launch' has no attribute '{name}'")
