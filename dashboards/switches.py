"""Which curves are shown, and where the layers of cells turned binary."""

from collections.abc import Iterable

from orchestrator import vocabulary
from orchestrator.mlflow_reader.overview import Switch
from orchestrator.mlflow_reader.reader import Reader

CHARTED = ("validation/error", "test/error", "train/error", "train/loss", "validation/loss", "lr")
"""Curves that are shown, the usual one first."""


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
        for epoch, value in reader.curve(run_id, key):
            if value > before:
                found.append((epoch, layer))
            before = value
    return tuple(sorted(found))
