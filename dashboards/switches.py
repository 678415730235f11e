"""Curves that are shown, and where the layers of cells turned binary, read from MLflow."""

from collections.abc import Iterable

from dashboards.curves import Curve
from orchestrator import vocabulary
from orchestrator.mlflow_reader.outages import is_gone
from orchestrator.mlflow_reader.overview import Switch
from orchestrator.mlflow_reader.reader import Reader

CHARTED = ("validation/error", "test/error", "train/error", "train/loss", "validation/loss", "lr")
"""Curves that are shown, the usual one first."""


def curve_of(reader: Reader, run_id: str, key: str) -> Curve:
    """A curve of a run, by epoch; of a point that was sent twice, the last.

    Empty if the run is gone: the overview of a study may still have a cell that was deleted.

    Args:
        reader: Of the store.
        run_id: The cell's run.
        key: The curve's name.
    """
    try:
        history = reader.client.get_metric_history(run_id, key)
    except Exception as error:
        if is_gone(error):
            return ()
        raise
    points = {int(point.step): float(point.value) for point in history}
    return tuple(sorted(points.items()))


def switches_of(reader: Reader, run_id: str, metrics: Iterable[str]) -> tuple[Switch, ...]:
    """Epochs at which layers of a cell turned binary, with the layer.

    A layer that is binary from the first epoch counts with epoch 0.

    Args:
        reader: Of the store.
        run_id: The cell's run.
        metrics: The names of its metrics.
    """
    prefix = vocabulary.LAYER_CURVES["binary"].format(layer="")
    found: list[Switch] = []
    for key in metrics:
        layer = key.removeprefix(prefix)
        if layer in (key, "layers"):
            continue
        before = 0.0
        for epoch, value in curve_of(reader, run_id, key):
            if value > before:
                found.append((epoch, layer))
            before = value
    return tuple(sorted(found))
