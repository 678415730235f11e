"""The params and tags with which a cell's MLflow run starts; pure."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from orchestrator import vocabulary
from orchestrator.record.entries import CellDescription
from orchestrator.study.cells import Cell
from orchestrator.vocabulary import State

if TYPE_CHECKING:
    from orchestrator.study.spec import StudySpec


def describe(cell: Cell, study: "StudySpec", *, tags: Mapping[str, str]) -> CellDescription:
    """The description with which a cell's MLflow run starts.

    Args:
        cell: The cell.
        study: Its study.
        tags: Of the cell, or of all of the sweep: commit, checksum of the data.
    """
    from orchestrator.study.spec import cell_key

    labels = {vocabulary.LABEL.format(axis=axis): label for axis, label in cell.labels.items()}
    key = cell_key(study, cell)
    own = {
        vocabulary.KIND: vocabulary.CELL,
        vocabulary.STUDY: study.name,
        vocabulary.VARIANT: study.variant_id,
        vocabulary.TRIAL: cell.id,
        vocabulary.CELL_KEY: key,
        vocabulary.TRAIN: json.dumps(cell.train.to_mapping()),
        vocabulary.STATE: State.RUNNING.value,
        "mlflow.source.name": f"bnn-orchestrate sweep {study.name}",
        **labels,
        **tags,
        **study.variant.cell_tags,
    }
    return CellDescription(
        cell=key,
        study=study.key,
        trial=cell.id,
        name=cell.name,
        params=flat_params(cell),
        tags=own,
    )


def flat_params(cell: Cell) -> dict[str, str]:
    """A trial's parameters, flat, with the same names in every study."""
    flat: dict[str, str] = {
        vocabulary.AXIS_PARAM.format(axis=axis): label for axis, label in cell.labels.items()
    }

    def put(key: str, value: object) -> None:
        if isinstance(value, Mapping):
            for name, item in value.items():
                # The param `model` holds `model.name`, because readers look for it there.
                put(key if name == "name" else f"{key}.{name}" if key else str(name), item)
        elif isinstance(value, list):
            separator = " " if any(isinstance(item, str) for item in value) else "-"
            flat[key] = separator.join(str(item) for item in value) or "none"
        else:
            flat[key] = str(value)

    put("", cell.train.canonical().to_mapping())
    if not cell.train.layers.order:
        flat["weights"] = "none"
    return flat
