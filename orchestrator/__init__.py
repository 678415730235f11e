"""Reads studies, expands them into trials, schedules the trials and records the results.

The names below are imported on first use, so that a command that trains nothing does not wait for
torch.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.planning.planning import plan
    from orchestrator.results.recorded_sweep import SweepResult, sweep
    from orchestrator.study.catalog import load_study
    from orchestrator.study.expansion import expand
    from orchestrator.study.orders import named_order

_HOMES = {
    "SweepResult": "orchestrator.results.recorded_sweep",
    "expand": "orchestrator.study.expansion",
    "load_study": "orchestrator.study.catalog",
    "named_order": "orchestrator.study.orders",
    "plan": "orchestrator.planning.planning",
    "sweep": "orchestrator.results.recorded_sweep",
}

__all__ = ["SweepResult", "expand", "load_study", "named_order", "plan", "sweep"]


def __getattr__(name: str) -> object:
    """Imports a public name from its module."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'orchestrator' has no attribute '{name}'")
