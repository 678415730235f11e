"""From a recorded cell to a file that is known to compute the same."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from orchestrator import vocabulary
from orchestrator.home import Home
from orchestrator.mlflow_reader.reader import StoreError
from orchestrator.record.conflicts import study_record
from orchestrator.record.describe import describe
from orchestrator.record.store import Store
from orchestrator.results.export import TrainedCell, export_cell, trained_cell
from orchestrator.study.expansion import expand
from orchestrator.study.spec import StudySpec
from orchestrator.study.variant import Variant
from orchestrator.vocabulary import State
from trainers import CheckpointPolicy, MissingDataError, RunOptions, SpecError, export_packed, run
from trainers.engine.checkpoint import Policy

Recorded = Callable[..., str]
Found = Callable[..., TrainedCell]


@pytest.fixture
def store(home: Home) -> Store:
    return Store(home)


@pytest.fixture
def recorded(home: Home, store: Store, study: StudySpec) -> Recorded:
    """Trains one cell of the small study as a sweep would, and records it; the run's id."""

    def make(
        label: str = "binary",
        *,
        policy: Policy = "best",
        state: State = State.FINISHED,
    ) -> str:
        cell = next(cell for cell in expand(study) if cell.labels["order"] == label)
        folder = home.checkpoints / cell.id
        options = RunOptions(
            num_threads=1, checkpoint_dir=folder, checkpoints=CheckpointPolicy(policy=policy)
        )
        result = run(cell.train, options=options)
        ids = store.open_study(study_record(study))
        run_id = store.create_cell(describe(cell, study, tags={}), ids)
        store.set_state(run_id, state, {vocabulary.WEIGHTS_SHA256: result.weights_sha256})
        return run_id

    return make


@pytest.fixture
def found(home: Home, store: Store, tmp_path: Path) -> Found:
    def find(run_id: str, **changes: Any) -> TrainedCell:
        options = {"retrain": False, "threads": 1, "data_dir": tmp_path} | changes
        return trained_cell(store, home.checkpoints, run_id, **options)

    return find


def test_a_cells_file_is_written_verified_and_recorded(
    recorded: Recorded, found: Found, store: Store, tmp_path: Path
) -> None:
    run_id = recorded()
    cell = found(run_id)
    assert cell.network.which == "best"
    path = tmp_path / "net.bnn"
    done = export_cell(store, cell, path, format="packed", data_dir=tmp_path)
    assert done.file is not None
    assert done.verified
    assert done.num_images > 100
    assert done.file.metadata["run"] == run_id
    assert done.file.metadata["spec"] == cell.spec.to_mapping()
    assert done.file.metadata["labels"] == {"order": "binary", "seed": "1"}
    assert set(done.file.metadata["metrics"]) == {"validation_error", "test_error"}
    tags = store.tags_of(run_id)
    assert tags[vocabulary.EXPORT_VERIFIED] == "true"
    assert tags[vocabulary.EXPORT] == done.file.checksum


def test_mlflow_loads_the_recorded_file_and_gives_class_scores(
    recorded: Recorded, found: Found, store: Store, tmp_path: Path
) -> None:
    import mlflow

    run_id = recorded()
    cell = found(run_id)
    done = export_cell(store, cell, tmp_path / "net.bnn", format="packed", data_dir=tmp_path)
    model = store.client.get_logged_model(done.model_uri.rpartition("/")[2])
    assert (model.source_run_id, model.name) == (run_id, vocabulary.NETWORK_ARTIFACT)
    folder = Path(model.artifact_location.removeprefix("file://"))
    assert (folder / "data" / "net.bnn").read_bytes() == (tmp_path / "net.bnn").read_bytes()
    assert not [path for path in folder.rglob("*") if path.suffix in (".pkl", ".pickle")]
    loaded = mlflow.pyfunc.load_model(str(folder))
    images = torch.randn(3, 1, 8, 8)
    with torch.no_grad():
        expected = cell.network.model(images).numpy()
    assert np.array_equal(loaded.predict(images.numpy()), expected)


def test_the_last_network_will_do_where_the_best_was_not_kept(
    recorded: Recorded, found: Found
) -> None:
    cell = found(recorded(policy="last"))
    assert (cell.network.which, cell.metadata["weights"]) == ("last", "last")


def test_without_a_checkpoint_it_is_said_how_to_get_one_and_training_again_helps(
    recorded: Recorded, found: Found
) -> None:
    run_id = recorded(policy="none")
    with pytest.raises(SpecError, match=r"add --retrain .* or name the --storage") as caught:
        found(run_id)
    # A sweep of finished cells trains nothing, so it keeps nothing either.
    assert "sweep" not in str(caught.value)
    assert found(run_id, retrain=True).network.which == "best"


def test_training_again_to_other_bits_is_refused(
    recorded: Recorded, found: Found, store: Store
) -> None:
    run_id = recorded(policy="none")
    store.set_tags(run_id, {vocabulary.WEIGHTS_SHA256: "0" * 64})
    with pytest.raises(SpecError, match=r"training again ended with \w{12}, not 000000000000"):
        found(run_id, retrain=True)


def test_a_last_checkpoint_of_other_weights_than_recorded_is_refused(
    recorded: Recorded, found: Found, store: Store
) -> None:
    run_id = recorded(policy="last")
    store.set_tags(run_id, {vocabulary.WEIGHTS_SHA256: "0" * 64})
    with pytest.raises(SpecError, match="last checkpoint that differs from the recorded"):
        found(run_id)


def test_a_cell_in_full_precision_can_be_exported_too(
    recorded: Recorded, found: Found, store: Store, tmp_path: Path
) -> None:
    cell = found(recorded("float"))
    done = export_cell(store, cell, tmp_path / "net.bnn", format="packed", data_dir=tmp_path)
    assert done.verified
    assert done.file is not None
    assert {layer.code for layer in done.file.layers} == {"float32"}


def test_a_file_that_computes_something_else_is_not_tagged_verified(
    recorded: Recorded, found: Found, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = recorded()
    cell, other = found(run_id), found(run_id)
    with torch.no_grad():
        other.network.model.get_parameter("bn2.bias").add_(0.25)
    path = tmp_path / "net.bnn"
    export_packed(other.network.model, path, {})

    def write(*arguments: object, **options: object) -> None:
        """Leaves the other network's file where it is."""

    monkeypatch.setattr("orchestrator.results.export.export_packed", write)
    done = export_cell(store, cell, path, format="packed", data_dir=tmp_path)
    assert done.verified is False
    assert "logits are up to 0.25 apart" in done.why
    assert store.tags_of(run_id)[vocabulary.EXPORT_VERIFIED] == "false"


def test_without_the_data_nothing_is_verified_and_the_reason_is_given(
    recorded: Recorded, found: Found, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = recorded()
    cell = found(run_id)

    def missing(*arguments: object, **options: object) -> None:
        raise MissingDataError("no data here")

    monkeypatch.setattr("orchestrator.results.export.splits_of", missing)
    done = export_cell(store, cell, tmp_path / "net.bnn", format="packed", data_dir=tmp_path)
    assert (done.verified, done.why) == (None, "no data here")
    assert store.tags_of(run_id)[vocabulary.EXPORT_VERIFIED] == "false"


def test_runs_that_are_no_finished_cells_are_refused(
    recorded: Recorded, found: Found, store: Store, study: StudySpec
) -> None:
    with pytest.raises(StoreError, match="has no run 'abc'"):
        found("abc")
    parent = store.open_study(study_record(study)).run
    with pytest.raises(StoreError, match="is not a cell of a study"):
        found(parent)
    with pytest.raises(StoreError, match="is failed, not finished"):
        found(recorded(state=State.FAILED))


def test_a_cell_that_did_not_note_its_trial_is_refused(
    recorded: Recorded, found: Found, store: Store
) -> None:
    run_id = recorded()
    store.client.delete_tag(run_id, vocabulary.TRAIN)
    with pytest.raises(SpecError, match="recorded by an earlier version"):
        found(run_id)


def test_every_cell_notes_its_trial_in_full(study: StudySpec) -> None:
    cell = expand(replace(study, variant=Variant(epoch_scale="0.5")))[2]
    tags = describe(cell, study, tags={}).tags
    assert json.loads(tags[vocabulary.TRAIN]) == cell.train.to_mapping()
