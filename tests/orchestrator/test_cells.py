"""What a cell is called and what its MLflow run says from its start."""

from collections.abc import Mapping
from dataclasses import replace

from orchestrator import vocabulary
from orchestrator.cells import cell_key, describe, flat_params, study_title
from orchestrator.expansion import expand
from orchestrator.study import StudySpec, TrialSpec


def test_flat_params_are_readable(cells: tuple[TrialSpec, ...]) -> None:
    reverse = next(cell for cell in cells if cell.labels == {"order": "reverse", "seed": "2"})
    params = flat_params(reverse)
    expected = {
        "axis/order": "reverse",
        "axis/seed": "2",
        "model": "mlp",
        "model.widths": "64-8-10",
        "data": "digits",
        "data.batch_size": "64",
        "optimizer": "adam",
        "optimizer.lr": "0.01",
        "weights": "sign",
        "layers.order": "fc2 fc1",
        "layers.epochs_per_layer": "1",
        "epochs": "2",
        "seed": "2",
        "precision": "float32",
        "loss": "cross_entropy",
        "lr_schedule": "constant",
    }
    assert expected.items() <= params.items()
    assert not any(key.endswith(".name") for key in params)


def test_a_network_in_full_precision_has_no_binarizer_among_its_params(
    cells: tuple[TrialSpec, ...],
) -> None:
    params = flat_params(cells[0])
    assert cells[0].labels["order"] == "float"
    assert (params["weights"], params["layers.order"]) == ("none", "none")


def test_the_key_of_a_cell_names_study_variant_labels_and_trial(
    study: StudySpec, cells: tuple[TrialSpec, ...]
) -> None:
    assert cell_key(study, cells[0]) == f"tiny/{study.variant}/order=float,seed=1/{cells[0].id}"
    keys = {cell_key(study, cell) for cell in cells}
    scaled = replace(study, epoch_scale="0.5")
    assert len(keys) == len(cells)
    assert not keys & {cell_key(scaled, cell) for cell in expand(scaled)}


def test_a_study_is_titled_by_its_name_and_its_changes(study: StudySpec) -> None:
    assert study_title(study) == "tiny"
    changed = replace(study, overrides=("a=1", "b=2"), epoch_scale="0.5")
    assert study_title(changed) == "tiny · a=1 · b=2 · 0.5 of the epochs"
    published = replace(study, as_published=True, overrides=("a=1",))
    assert study_title(published) == "tiny · as published · a=1"


def test_a_description_holds_what_finds_the_cell_again(
    study: StudySpec, cells: tuple[TrialSpec, ...]
) -> None:
    cell = cells[5]
    found = describe(cell, study, tags={vocabulary.DATA_SHA256: "d"})
    assert (found.cell, found.trial, found.name) == (cell_key(study, cell), cell.id, cell.name)
    assert found.params == flat_params(cell)
    expected = {
        vocabulary.KIND: vocabulary.CELL,
        vocabulary.STUDY: "tiny",
        vocabulary.VARIANT: study.variant,
        vocabulary.TRIAL: cell.id,
        vocabulary.CELL_KEY: found.cell,
        vocabulary.STATE: vocabulary.RUNNING,
        "bnn.label.order": "forward",
        "bnn.label.seed": "2",
        vocabulary.DATA_SHA256: "d",
    }
    assert expected.items() <= found.tags.items()
    assert vocabulary.EPOCH_SCALE not in found.tags
    scaled = replace(study, epoch_scale="0.5")
    tags = describe(cell, scaled, tags={}).tags
    assert tags[vocabulary.EPOCH_SCALE] == "0.5"


def test_a_cell_trained_as_published_says_so(
    study: StudySpec, cells: tuple[TrialSpec, ...]
) -> None:
    def tags(of: StudySpec) -> Mapping[str, str]:
        return describe(cells[0], of, tags={}).tags

    assert vocabulary.AS_PUBLISHED not in tags(study)
    assert tags(replace(study, as_published=True))[vocabulary.AS_PUBLISHED] == "true"
