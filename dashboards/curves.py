"""Reads curves of recorded cells."""

from collections.abc import Callable, Mapping, Sequence

from orchestrator.mlflow_reader.reader import Reader, told

Curve = Sequence[tuple[int, float]]
"""Points of a curve: epoch, counted from 0, and value."""
ReadCurves = Callable[[Sequence[str], str], Mapping[str, Curve]]
"""From runs and the name of a curve to the points of each run."""


def curve_reader(tracking_uri: str) -> ReadCurves:
    """A function that reads curves from one store.

    Args:
        tracking_uri: MLflow's store.
    """

    def read(run_ids: Sequence[str], name: str) -> dict[str, Curve]:
        with told(tracking_uri):
            reader = Reader(tracking_uri)
            return {run_id: reader.curve(run_id, name) for run_id in run_ids}

    return read
