"""Studies, their expansion into trials, and what schedules and records them.

The names below are imported when they are first used, so that a command which trains nothing does
not wait for torch.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.catalog import load_study
    from orchestrator.expansion import expand
    from orchestrator.orders import named_order
    from orchestrator.planning import plan

_HOMES = {
    "expand": "orchestrator.expansion",
    "load_study": "orchestrator.catalog",
    "named_order": "orchestrator.orders",
    "plan": "orchestrator.planning",
}

__all__ = ["expand", "load_study", "named_order", "plan"]


def __getattr__(name: str) -> object:
    """A public name, from the module it lives in."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'orchestrator' has no attribute '{name}'")
