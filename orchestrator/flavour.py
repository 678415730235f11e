"""The name by which models that MLflow already holds ask for their loader."""

from orchestrator.results.flavour import _load_pyfunc as _load_pyfunc
