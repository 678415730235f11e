"""Measures what binary inputs lose in a recorded cell's network, and records it in MLflow."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator import vocabulary
from orchestrator.mlflow_reader.reader import told
from orchestrator.planning.hybrid import shares_of
from orchestrator.process.waiting import waiting_for
from orchestrator.record.store import Store
from orchestrator.results.bars import layer_bars
from orchestrator.results.export import TrainedCell, recorded_trial
from orchestrator.study.hybrid import Origin
from trainers.data.batches import ordered_batches
from trainers.engine.layer_errors import LayerErrors, layer_errors
from trainers.errors import SpecError
from trainers.export.measure import splits_of
from trainers.spec.hybrids import not_binary
from trainers.spec.train_spec import TrainSpec

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """A fully binary network, and what the signs of its inputs lose.

    Args:
        cell: The network's cell.
        errors: The errors by layer, in layer order.
        shares: Each layer's share of the network's multiply-accumulates, in [0, 1].
    """

    cell: TrainedCell
    errors: Mapping[str, LayerErrors]
    shares: Mapping[str, float]


def is_fully_binary(trial: Mapping[str, Any]) -> bool:
    """Whether a recorded trial, as plain values, has binary weights and inputs."""
    try:
        return not_binary(TrainSpec.from_mapping(trial)) is None
    except SpecError:
        # Recorded by another version, or changed in MLflow.
        return False


def binary_trial(store: Store, run_id: str) -> TrainSpec:
    """The trial of a finished cell whose network is fully binary.

    Raises:
        StoreError: If there is no such run, or it is not a finished cell.
        SpecError: If the network is not fully binary; says why.
    """
    _, spec = recorded_trial(store, run_id)
    if fault := not_binary(spec):
        raise SpecError(fault.under(run_id))
    return spec


def measured_cell(cell: TrainedCell, *, data_dir: Path) -> Measured:
    """Measures the network of a cell on the validation part, without augmentation.

    Args:
        cell: The cell; its network is fully binary.
        data_dir: Where data sets are stored.

    Raises:
        MissingDataError: If the data set is missing and cannot be downloaded.
    """
    spec = cell.spec
    with waiting_for("the inputs of layers to be measured"):
        # The stages before have the same data, and would have to leave out the test part too.
        alone = replace(spec, before=None, measure_test=False)
        split = splits_of(alone, data_dir=data_dir).validation
        batches = ordered_batches(split, size=spec.data.eval_batch_size)
        errors = layer_errors(cell.network.model, batches)
    shares = shares_of(spec.model, spec.data.source, errors)
    return Measured(cell=cell, errors=errors, shares=shares)


def record_errors(store: Store, measured: Measured, real: Collection[str]) -> None:
    """Records the errors on the cell's run: a table, the same as CSV, and a bar chart.

    Args:
        store: The store with the run.
        measured: The errors.
        real: The layers whose inputs are proposed to stay real.

    Raises:
        StoreError: If MLflow does not answer.
    """
    run_id, stem = measured.cell.run_id, vocabulary.LAYER_ERRORS_ARTIFACT
    table = errors_table(measured, real)
    of = f"{measured.cell.title}, run {run_id}"
    with told(store.home.tracking_uri), waiting_for("MLflow to take the errors"):
        store.log_table(run_id, table, stem)
        store.log_text(run_id, table.to_csv(index=False, lineterminator="\n"), f"{stem}.csv")
        store.log_text(run_id, layer_bars(measured.errors, real, of=of), f"{stem}.svg")


def errors_table(measured: Measured, real: Collection[str]) -> "pd.DataFrame":
    """The errors as a table, a row for each layer in layer order."""
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "layer": layer,
                **errors._asdict(),
                "share_of_macs": measured.shares[layer],
                "input": "real" if layer in real else "binary",
            }
            for layer, errors in measured.errors.items()
        ]
    )


def origin_of(store: Store, run_id: str) -> Origin:
    """What a hybrid's study takes from the study of a cell: its seeds and its metric.

    Args:
        store: The store with the run.
        run_id: MLflow's run of the cell.

    Raises:
        StoreError: If there is no such run, or MLflow does not answer.
    """
    tags, spec = recorded_trial(store, run_id)
    own = {vocabulary.VARIANT: tags[vocabulary.VARIANT]}
    with told(store.home.tracking_uri):
        experiments = [experiment] if (experiment := store.experiment_of(run_id)) else []
        cells = store.reader.cells(experiments, own)
        variants = store.reader.variants(experiments)
    found = (variant.tags for variant in variants if variant.id == tags[vocabulary.VARIANT])
    shown = next(found, {})
    seeds = {cell.trained.get("seed") for cell in cells} | {spec.seed}
    return Origin(
        study=tags[vocabulary.STUDY],
        run_id=run_id,
        seeds=tuple(sorted(seed for seed in seeds if isinstance(seed, int))),
        metric=_metric(shown),
        epoch_scale=shown.get(vocabulary.EPOCH_SCALE, ""),
    )


def _metric(shown: Mapping[str, str]) -> dict[str, str]:
    """The metric in the tags of a study's run; another one if somebody changed them in MLflow."""
    name = shown.get(vocabulary.METRIC_NAME, "")
    if name not in vocabulary.METRICS:
        return {"name": f"{vocabulary.SELECTED}/validation_error"}
    better = "higher" if shown.get(vocabulary.METRIC_BETTER) == "higher" else "lower"
    return {"name": name, "better": better}
