"""What a cell is called and what its MLflow run says, without MLflow; pure."""

import json
from collections.abc import Mapping

from orchestrator import vocabulary
from orchestrator.journal import CellDescription, study_key
from orchestrator.study import StudySpec, TrialSpec


def study_title(study: StudySpec) -> str:
    """What the run of a study is called: its name, and in what it differs from its file."""
    apart = [f"apart: {study.apart}"] if study.apart else []
    scale = [f"{study.epoch_scale} of the epochs"] if study.epoch_scale else []
    fed = ["as its protocol found"] if study.given else []
    published = ["as published"] if study.as_published else []
    return " · ".join([study.name, *published, *study.overrides, *fed, *scale, *apart])


def describe(
    cell: TrialSpec,
    study: StudySpec,
    *,
    tags: Mapping[str, str],
) -> CellDescription:
    """What the run of a cell says from its start.

    Args:
        cell: The cell.
        study: Its study.
        tags: Of all cells of the sweep: commit, checksum of the data.
    """
    labels = {vocabulary.LABEL.format(axis=axis): label for axis, label in cell.labels.items()}
    key = cell_key(study, cell)
    own = {
        vocabulary.KIND: vocabulary.CELL,
        vocabulary.STUDY: study.name,
        vocabulary.VARIANT: study.variant,
        vocabulary.TRIAL: cell.id,
        vocabulary.CELL_KEY: key,
        vocabulary.TRAIN: json.dumps(cell.train.to_mapping()),
        vocabulary.STATE: vocabulary.RUNNING,
        "mlflow.source.name": f"bnn-orchestrate sweep {study.name}",
        **labels,
        **tags,
    }
    if study.epoch_scale:
        own[vocabulary.EPOCH_SCALE] = study.epoch_scale
    if study.as_published:
        own[vocabulary.AS_PUBLISHED] = "true"
    if study.apart:
        own[vocabulary.APART] = study.apart
    return CellDescription(
        cell=key,
        study=study_key(study.name, study.variant),
        trial=cell.id,
        name=cell.name,
        params=flat_params(cell),
        tags=own,
    )


def cell_key(study: StudySpec, cell: TrialSpec) -> str:
    """The unique key of a cell: its study, the variant, its labels."""
    labels = ",".join(f"{axis}={label}" for axis, label in cell.labels.items())
    return f"{study_key(study.name, study.variant)}/{labels}/{cell.id}"


def flat_params(cell: TrialSpec) -> dict[str, str]:
    """A trial's parameters under the names they have in every study."""
    flat: dict[str, str] = {
        vocabulary.AXIS_PARAM.format(axis=axis): label for axis, label in cell.labels.items()
    }

    def put(key: str, value: object) -> None:
        if isinstance(value, Mapping):
            for name, item in value.items():
                # `model.name` is what a reader looks for under `model`.
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
