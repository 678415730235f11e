"""What export asks MLflow of a cell, and the model that MLflow loads."""

from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch
from mlflow.exceptions import MlflowException

from orchestrator import vocabulary
from orchestrator.mlflow_reader.reader import StoreError
from orchestrator.record.describe import describe
from orchestrator.record.store import Store, StudyIds
from orchestrator.results.mlflow_model import cell_tags, log_network
from orchestrator.study.expansion import expand
from orchestrator.study.spec import StudySpec
from orchestrator.vocabulary import State
from trainers import build_model, export_packed


@pytest.fixture
def run_id(store: Store, ids: StudyIds, study: StudySpec) -> str:
    """The run of a cell that has begun."""
    return store.create_cell(describe(expand(study)[0], study, tags={}), ids)


def test_a_finished_cell_has_the_tags_it_was_recorded_with(store: Store, run_id: str) -> None:
    store.set_state(run_id, State.FINISHED, {vocabulary.WEIGHTS_SHA256: "abc"})
    tags = cell_tags(store, run_id)
    assert (tags[vocabulary.KIND], tags[vocabulary.STATE]) == (vocabulary.CELL, "finished")
    assert tags[vocabulary.WEIGHTS_SHA256] == "abc"


def test_a_server_that_does_not_answer_is_not_one_without_the_run(
    store: Store, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise MlflowException("nobody there, http://me:hidden@host")

    monkeypatch.setattr(store.client, "get_run", fail)
    with pytest.raises(StoreError, match=r"nobody there, http://\*\*\*@host"):
        cell_tags(store, run_id)


def test_runs_that_are_no_finished_cells_are_refused(
    store: Store, ids: StudyIds, run_id: str
) -> None:
    with pytest.raises(StoreError, match=r"sqlite:///.*mlflow\.db has no run 'abc'"):
        cell_tags(store, "abc")
    with pytest.raises(StoreError, match=f"the run '{ids.run}' is not a cell of a study"):
        cell_tags(store, ids.run)
    with pytest.raises(StoreError, match=f"the cell of run '{run_id}' is running, not finished"):
        cell_tags(store, run_id)
    store.set_state(run_id, State.FAILED, {})
    with pytest.raises(StoreError, match="is failed, not finished"):
        cell_tags(store, run_id)


def test_a_recorded_network_is_loaded_by_its_uri_and_takes_images_of_its_shape(
    store: Store, run_id: str, tmp_path: Path
) -> None:
    network = build_model("mlp", widths=[12, 5, 3]).eval()
    file = tmp_path / "net.bnn"
    export_packed(network, file, {})
    uri = log_network(store, run_id, file, shape=(1, 3, 4), num_outputs=3)
    model = store.client.get_logged_model(uri.removeprefix("models:/"))
    assert (model.source_run_id, model.name) == (run_id, vocabulary.NETWORK_ARTIFACT)
    assert model.status == "READY"
    folder = Path(model.artifact_location.removeprefix("file://"))
    assert (folder / "data" / "net.bnn").read_bytes() == file.read_bytes()
    assert not [path for path in folder.rglob("*") if path.suffix in (".pkl", ".pickle")]
    loaded = mlflow.pyfunc.load_model(str(folder))
    images = torch.randn(4, 1, 3, 4)
    with torch.no_grad():
        assert np.array_equal(loaded.predict(images.numpy()), network(images).numpy())
    outputs = loaded.metadata.signature.outputs.inputs[0]
    assert (outputs.shape, outputs.type) == ((-1, 3), np.dtype("float32"))
    with pytest.raises(MlflowException, match=r"Shape of input \(4, 1, 4, 3\)"):
        loaded.predict(images.transpose(2, 3).numpy())
