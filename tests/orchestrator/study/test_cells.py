"""A trial at its place in a study's table, and what identifies it."""

from dataclasses import dataclass, replace

from orchestrator.study.cells import Cell
from orchestrator.study.expansion import expand
from orchestrator.study.spec import StudySpec, cell_key
from orchestrator.study.variant import Variant
from trainers.spec.train_spec import TrainSpec


def test_the_key_of_a_cell_names_study_variant_labels_and_trial(
    study: StudySpec, cells: tuple[Cell, ...]
) -> None:
    assert cell_key(study, cells[0]) == f"tiny/{study.variant_id}/order=float,seed=1/{cells[0].id}"
    keys = {cell_key(study, cell) for cell in cells}
    scaled = replace(study, variant=Variant(epoch_scale="0.5"))
    assert len(keys) == len(cells)
    assert not keys & {cell_key(scaled, cell) for cell in expand(scaled)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Later(TrainSpec):
    """The language with another key."""

    novelty: float = 1.0


def test_a_key_that_is_added_later_moves_no_id(cells: tuple[Cell, ...]) -> None:
    for cell in cells:
        later = replace(cell, train=Later.from_mapping(cell.train.to_mapping()))
        assert later.id == cell.id
        changed = replace(cell, train=replace(later.train, novelty=2.0))
        assert changed.id != cell.id
