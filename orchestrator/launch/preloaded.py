"""Imports what a worker needs for its first cell, as soon as the worker starts.

The modules are imported in this module's body, because Ray imports a module and calls nothing.
"""

import importlib

from orchestrator.process.gc_pause import uncollected

with uncollected():
    importlib.import_module("orchestrator.launch.tuning")
