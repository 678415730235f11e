"""Where common beginnings lie, and which are deleted."""

from pathlib import Path

import pytest

from orchestrator.planning.sharing import stems
from orchestrator.planning.stem_store import StemStore
from orchestrator.study.cells import Cell
from trainers.spec.train_spec import TrainSpec
from trainers.storage import place_at, write


@pytest.fixture
def store(tmp_path: Path) -> StemStore:
    return StemStore(tmp_path / "stems")


@pytest.fixture
def pair() -> list[Cell]:
    """Two orders that begin alike."""

    def cell(order: list[int]) -> Cell:
        mapping = {
            "model": {"name": "mlp", "widths": [64, 8, 8, 10]},
            "data": "digits",
            "optimizer": {"name": "adam", "lr": 0.01},
            "layers": {"order": order, "epochs_per_layer": 2},
            "epochs": 6,
        }
        return Cell(train=TrainSpec.from_mapping(mapping), labels={"order": str(order)})

    return [cell([1, 2, 3]), cell([1, 3, 2])]


def _put(store: StemStore, stem: str) -> None:
    folder = store.folder(stem)
    folder.mkdir(parents=True)
    (folder / f"epoch-000001-{'0' * 16}.pt").write_bytes(b"a state")


def test_stems_are_found_where_they_were_left(store: StemStore) -> None:
    assert store.found() == frozenset()
    _put(store, "a")
    store.folder("empty").mkdir()
    (store.root / "a-file").touch()
    assert store.found() == {"a"}
    store.remove("a")
    assert store.found() == frozenset()
    store.remove("a")


def test_what_no_unfinished_cell_needs_is_tidied_up(store: StemStore, pair: list[Cell]) -> None:
    [stem] = stems(pair[0].train)
    _put(store, stem.id)
    _put(store, "of another study")
    store.tidy(pair, finished=[pair[0].id])
    assert store.found() == {stem.id, "of another study"}
    store.tidy(pair, finished=[cell.id for cell in pair])
    assert store.found() == {"of another study"}
    store.tidy(pair, finished=[])


def test_stems_lie_behind_a_url_as_in_a_folder() -> None:
    store = StemStore(place_at("memory://tests/stems"))
    assert store.found() == frozenset()
    write(store.folder("a") / f"epoch-000001-{'0' * 16}.pt", b"a state")
    write(store.folder("b") / "notes.txt", b"none")
    assert store.found() == {"a"}
    store.remove("a")
    store.remove("b")
    assert store.found() == frozenset()
