"""Checkpoints to MLflow: those that were asked for, whole, and each once."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from orchestrator import vocabulary
from orchestrator.home import Home
from orchestrator.record.conflicts import study_record
from orchestrator.record.store import Store
from orchestrator.record.uploading import upload_checkpoints
from orchestrator.study.checkpointing import upload_order
from orchestrator.study.spec import StudySpec
from trainers.storage import Place, place_at, remove_folder, write

pytestmark = pytest.mark.slow
FOLDER = vocabulary.CHECKPOINT_ARTIFACTS


class Counting:
    """A real store that counts uploads."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.uploaded: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def log_file(self, run_id: str, file: Path, folder: str) -> None:
        self.uploaded.append(file.name)
        self.store.log_file(run_id, file, folder)


@pytest.fixture
def store(home: Home) -> Any:
    return Counting(Store(home))


@pytest.fixture
def run_id(store: Any, study: StudySpec) -> str:
    run_id = store.open_study(study_record(study)).run
    return str(run_id)


def _put(folder: Place, stem: str, content: bytes) -> str:
    name = f"{stem}-{hashlib.sha256(content).hexdigest()[:16]}.pt"
    write(folder / name, content)
    return name


def test_what_was_asked_for_is_uploaded_once(store: Any, run_id: str, tmp_path: Path) -> None:
    best = _put(tmp_path, "best-000001", b"best")
    older = _put(tmp_path, "epoch-000002", b"older")
    newest = _put(tmp_path, "epoch-000003", b"newest")
    (tmp_path / "notes.txt").write_text("mine")
    upload_checkpoints(store, run_id, upload_order(tmp_path, "best"))
    assert store.file_sizes(run_id, FOLDER) == {best: 4}
    for _ in range(2):
        upload_checkpoints(store, run_id, upload_order(tmp_path, "last"))
    assert store.file_sizes(run_id, FOLDER) == {best: 4, newest: 6}
    upload_checkpoints(store, run_id, upload_order(tmp_path, "all"))
    assert store.file_sizes(run_id, FOLDER) == {best: 4, older: 5, newest: 6}
    assert store.uploaded == [best, newest, older]


def test_an_upload_that_was_cut_off_is_done_again(store: Any, run_id: str, tmp_path: Path) -> None:
    name = _put(tmp_path / "trial", "epoch-000001", b"whole")
    (tmp_path / name).write_bytes(b"wh")
    store.store.log_file(run_id, tmp_path / name, FOLDER)
    upload_checkpoints(store, run_id, upload_order(tmp_path / "trial", "last"))
    assert store.file_sizes(run_id, FOLDER) == {name: 5}


def test_what_is_damaged_is_not_uploaded(
    store: Any, run_id: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    name = _put(tmp_path, "epoch-000001", b"whole")
    (tmp_path / name).write_bytes(b"damaged")
    upload_checkpoints(store, run_id, upload_order(tmp_path, "last"))
    assert store.file_sizes(run_id, FOLDER) == {}
    assert "is damaged; not uploaded" in caplog.text


def test_from_behind_a_url_it_is_uploaded_too(store: Any, run_id: str) -> None:
    place = place_at("memory://tests/uploading")
    try:
        name = _put(place, "epoch-000001", b"whole")
        upload_checkpoints(store, run_id, upload_order(place, "last"))
        assert store.file_sizes(run_id, FOLDER) == {name: 5}
    finally:
        remove_folder(place)


def test_where_nothing_was_kept_nothing_is_uploaded(
    store: Any, run_id: str, tmp_path: Path
) -> None:
    upload_checkpoints(store, run_id, upload_order(tmp_path / "none", "last"))
    assert store.file_sizes(run_id, FOLDER) == {}


def test_of_a_home_that_was_moved_they_are_taken_from_where_it_lies(
    store: Any, run_id: str, home: Home, tmp_path: Path
) -> None:
    former = tmp_path / "former" / "checkpoints" / "trial"
    order = upload_order(former, "last")
    name = _put(home.checkpoints / "trial", "epoch-000001", b"whole")
    upload_checkpoints(store, run_id, order)
    assert store.file_sizes(run_id, FOLDER) == {name: 5}
    assert not former.exists()
