"""Reads a cell's tags from MLflow and logs its exported network as an MLflow model."""

import os
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

from orchestrator import vocabulary
from orchestrator.mlflow_reader.cells import recorded_cell, state_of
from orchestrator.mlflow_reader.reader import StoreError, told
from orchestrator.process.variables import FOR_MLFLOW, MLFLOW_DEFAULTS
from orchestrator.record.store import Store
from orchestrator.vocabulary import State

os.environ.update({**MLFLOW_DEFAULTS, **os.environ, **FOR_MLFLOW})

import mlflow
import numpy as np
from mlflow.entities import LoggedModelOutput, LoggedModelStatus
from mlflow.models import Model, ModelSignature
from mlflow.types.schema import Schema, TensorSpec


def cell_tags(store: Store, run_id: str) -> dict[str, str]:
    """The tags of a finished cell's run.

    Raises:
        StoreError: If MLflow does not answer, there is no such run, or it is not a finished cell.
    """
    with told(store.home.tracking_uri):
        tags = None if store.is_unknown(run_id) else store.tags_of(run_id)
    if tags is None:
        raise StoreError(f"{store.home.shown_uri} has no run '{run_id}'")
    if tags.get(vocabulary.KIND) != vocabulary.CELL:
        raise StoreError(f"the run '{run_id}' is not a cell of a study")
    if not recorded_cell(tags, run_id=run_id, name="", params={}, metrics={}).is_known:
        what = f"the tags of the run '{run_id}' were changed in MLflow"
        raise StoreError(f"{what}; the command sync sets them again")
    state = state_of(tags)
    if state != State.FINISHED:
        raise StoreError(f"the cell of run '{run_id}' is {state}, not finished")
    return tags


def log_network(
    store: Store, run_id: str, file: Path, *, shape: Sequence[int], num_outputs: int
) -> str:
    """Logs an exported network as a model of its run and returns the model's URI.

    The model is a folder with the file and what MLflow needs to load it; nothing is pickled.

    Args:
        store: The store with the run.
        run_id: MLflow's run.
        file: The packed network.
        shape: Channels, height and width of an image.
        num_outputs: Number of scores for each image.
    """
    number = np.dtype("float32")
    signature = ModelSignature(
        inputs=Schema([TensorSpec(number, (-1, *shape))]),
        outputs=Schema([TensorSpec(number, (-1, num_outputs))]),
    )
    client = store.client
    run = client.get_run(run_id)
    model = client.create_logged_model(
        run.info.experiment_id, vocabulary.NETWORK_ARTIFACT, source_run_id=run_id
    )
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # MLflow warns that it prefers an example of the input to its shape.
        warnings.simplefilter("ignore", UserWarning)
        mlflow.pyfunc.save_model(
            Path(folder, "model"),
            loader_module="orchestrator.flavour",
            data_path=str(file),
            signature=signature,
            pip_requirements=["bnn-orchestrate"],
            mlflow_model=Model(run_id=run_id, model_id=model.model_id),
        )
        client.log_model_artifacts(model.model_id, str(Path(folder, "model")))
    client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    client.log_outputs(run_id, models=[LoggedModelOutput(model.model_id, 0)])
    return str(model.model_uri)
