"""Keeps the module name by which models already stored in MLflow find their loader."""

from orchestrator.results.flavour import _load_pyfunc as _load_pyfunc
