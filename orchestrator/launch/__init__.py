"""Trials through Ray Tune; the only package that imports Ray.

Ray schedules trials, it does not define them: a trial reaches Tune as the key of a cell (or, in a
search, as what the searcher drew), and every result goes to a listener as it arrives.
"""

import os

# Read when ray is imported: no telemetry, no output but ours, no change of folder.
os.environ.update(
    {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AIR_NEW_OUTPUT": "0",
        "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
        "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
        "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
        "RAY_CHDIR_TO_TRIAL_DIR": "0",
        # Ctrl-C is ours: what runs comes to the end of its epoch first.
        "TUNE_DISABLE_SIGINT_HANDLER": "1",
    }
)

from orchestrator.launch.jobs import Jobs
from orchestrator.launch.parts import Search
from orchestrator.launch.resources import ResourceError, Resources, num_slots, this_machine
from orchestrator.launch.session import cluster_nodes, ray_session
from orchestrator.launch.tuning import Listener, failure_reason, launch

__all__ = [
    "Jobs",
    "Listener",
    "ResourceError",
    "Resources",
    "Search",
    "cluster_nodes",
    "failure_reason",
    "launch",
    "num_slots",
    "ray_session",
    "this_machine",
]
