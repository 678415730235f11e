"""What binary inputs lose in a recorded cell's network."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from orchestrator import vocabulary
from orchestrator.home import Home
from orchestrator.mlflow_reader.reader import StoreError
from orchestrator.record.store import Store
from orchestrator.results.export import trained_cell
from orchestrator.results.hybrid import (
    binary_trial,
    is_fully_binary,
    measured_cell,
    origin_of,
    record_errors,
)
from orchestrator.study.variant import Variant
from trainers import SpecError, layer_errors
from trainers.build import load_splits

Trained = Callable[..., dict[str, str]]


@pytest.fixture
def measured(home: Home, store: Store, tmp_path: Path) -> Callable[[str], Any]:
    def measure(run_id: str) -> Any:
        options: dict[str, Any] = {"retrain": False, "threads": 1, "data_dir": tmp_path}
        cell = trained_cell(store, home.checkpoints, run_id, **options)
        return measured_cell(cell, data_dir=tmp_path)

    return measure


def test_errors_are_those_of_the_kept_network_on_the_validation_images(
    binary_study: Any, trained: Trained, measured: Callable[[str], Any], tmp_path: Path
) -> None:
    found = measured(trained(binary_study)["binary 1"])
    split = load_splits(found.cell.spec.data.source, data_dir=tmp_path).validation
    # One batch: they are fewer than a batch for evaluation holds.
    assert found.errors == layer_errors(found.cell.network.model, [split])
    assert list(found.errors) == ["fc2", "fc3"]
    total = 64 * 12 + 12 * 8 + 8 * 10
    assert found.shares == pytest.approx({"fc2": 96 / total, "fc3": 80 / total})
    assert torch.is_grad_enabled()


def test_a_trial_with_a_stage_before_is_measured_like_one_without(
    binary_study: Any, trained: Trained, measured: Callable[[str], Any], tmp_path: Path
) -> None:
    found = measured(trained(binary_study)["binary 1"])
    spec = found.cell.spec
    staged = replace(found.cell, spec=replace(spec, before=replace(spec, epochs=1)))
    assert measured_cell(staged, data_dir=tmp_path).errors == found.errors


def test_mlflow_gets_a_table_a_csv_and_a_bar_chart_once(
    binary_study: Any, trained: Trained, measured: Callable[[str], Any], store: Store, home: Home
) -> None:
    run_id = trained(binary_study)["binary 1"]
    found = measured(run_id)
    for real in ((), ("fc3",)):
        record_errors(store, found, real)
    folder = home.artifacts / binary_study.name / run_id / "artifacts"
    table = json.loads((folder / "layer-errors.json").read_text())
    assert table["columns"][:4] == ["layer", *vocabulary.LAYER_MEASURES]
    assert [row[0] for row in table["data"]] == ["fc2", "fc3"]
    assert [row[-1] for row in table["data"]] == ["binary", "real"]
    assert (folder / "layer-errors.csv").read_text().count("\n") == 3
    assert f"{found.cell.title}, run {run_id}" in (folder / "layer-errors.svg").read_text()
    logged = json.loads(store.tags_of(run_id)["mlflow.loggedArtifacts"])
    assert logged == [{"path": "layer-errors.json", "type": "table"}]


def test_a_hybrids_study_takes_seeds_and_metric_from_the_binary_networks_own(
    binary_study: Any, trained: Trained, store: Store
) -> None:
    run_id = trained(binary_study)["binary 2"]
    origin = origin_of(store, run_id)
    assert (origin.study, origin.run_id) == (binary_study.name, run_id)
    assert origin.seeds == (1, 2)
    assert origin.metric == {"name": "selected/test_error", "better": "lower"}
    assert origin.epoch_scale == ""
    scaled = replace(binary_study, variant=Variant(epoch_scale="0.5"))
    assert origin_of(store, trained(scaled)["binary 1"]).epoch_scale == "0.5"


def test_a_metric_that_somebody_changed_in_mlflow_is_not_taken(
    binary_study: Any, trained: Trained, store: Store
) -> None:
    run_id = trained(binary_study)["binary 1"]
    (experiment,) = store.reader.studies()
    (variant,) = store.reader.variants([experiment])
    store.set_tags(variant.run_id, {vocabulary.METRIC_NAME: "mine"})
    assert origin_of(store, run_id).metric == {"name": "selected/validation_error"}


def test_what_is_not_fully_binary_is_refused_before_its_network_is_read(
    binary_study: Any, trained: Trained, store: Store
) -> None:
    runs = trained(binary_study)
    assert binary_trial(store, runs["binary 1"]).seed == 1
    with pytest.raises(SpecError, match=r"\.activations: all inputs of layers are real"):
        binary_trial(store, runs["real 1"])
    with pytest.raises(StoreError, match="has no run 'abc'"):
        binary_trial(store, "abc")


def test_a_recorded_trial_that_cannot_be_read_is_not_binary(binary_study: Any) -> None:
    trials = {cell.labels["inputs"]: cell.train.to_mapping() for cell in binary_study.trials}
    assert is_fully_binary(trials["binary"])
    assert not is_fully_binary(trials["real"])
    assert not is_fully_binary({})
