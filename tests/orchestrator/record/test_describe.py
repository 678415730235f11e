"""What the MLflow run of a cell says from its start."""

from collections.abc import Mapping
from dataclasses import replace

from orchestrator import vocabulary
from orchestrator.record.describe import describe, flat_params
from orchestrator.study.cells import Cell
from orchestrator.study.spec import StudySpec, cell_key
from orchestrator.study.variant import Variant
from orchestrator.vocabulary import State


def test_flat_params_are_readable(cells: tuple[Cell, ...]) -> None:
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
    cells: tuple[Cell, ...],
) -> None:
    params = flat_params(cells[0])
    assert cells[0].labels["order"] == "float"
    assert (params["weights"], params["layers.order"]) == ("none", "none")


def test_a_description_holds_what_finds_the_cell_again(
    study: StudySpec, cells: tuple[Cell, ...]
) -> None:
    cell = cells[5]
    found = describe(cell, study, tags={vocabulary.DATA_SHA256: "d"})
    assert (found.cell, found.trial, found.name) == (cell_key(study, cell), cell.id, cell.name)
    assert found.params == flat_params(cell)
    expected = {
        vocabulary.KIND: vocabulary.CELL,
        vocabulary.STUDY: "tiny",
        vocabulary.VARIANT: study.variant_id,
        vocabulary.TRIAL: cell.id,
        vocabulary.CELL_KEY: found.cell,
        vocabulary.STATE: State.RUNNING,
        "bnn.label.order": "forward",
        "bnn.label.seed": "2",
        vocabulary.DATA_SHA256: "d",
    }
    assert expected.items() <= found.tags.items()
    assert vocabulary.EPOCH_SCALE not in found.tags
    scaled = replace(study, variant=Variant(epoch_scale="0.5"))
    tags = describe(cell, scaled, tags={}).tags
    assert tags[vocabulary.EPOCH_SCALE] == "0.5"


def test_a_cell_trained_as_published_says_so(study: StudySpec, cells: tuple[Cell, ...]) -> None:
    def tags(of: StudySpec) -> Mapping[str, str]:
        return describe(cells[0], of, tags={}).tags

    assert vocabulary.AS_PUBLISHED not in tags(study)
    assert (
        tags(replace(study, variant=Variant(as_published=True)))[vocabulary.AS_PUBLISHED] == "true"
    )
