"""Artifacts follow a home that is moved, copied or renamed, and no former place is made anew."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator import vocabulary
from orchestrator.execution.leases import Leases
from orchestrator.home import Home
from orchestrator.mlflow_reader.reader import StoreError
from orchestrator.record.conflicts import study_record
from orchestrator.record.delivery_lock import InUseError, held
from orchestrator.record.describe import describe
from orchestrator.record.relocation import address_of
from orchestrator.record.store import Store
from orchestrator.study.cells import Cell
from orchestrator.study.spec import StudySpec

pytestmark = pytest.mark.slow


def _addresses(home: Home) -> set[str]:
    """All addresses in the tables, but that of MLflow's own first experiment."""
    assert home.database is not None
    with closing(sqlite3.connect(home.database)) as database:
        rows = database.execute(
            "SELECT artifact_location FROM experiments WHERE experiment_id != 0 "
            "UNION SELECT artifact_uri FROM runs "
            "UNION SELECT artifact_location FROM logged_models "
            "UNION SELECT source FROM model_versions "
            "UNION SELECT storage_location FROM model_versions"
        ).fetchall()
    return {address for (address,) in rows if address is not None}


@pytest.fixture
def recorded(home: Home, store: Store, study: StudySpec, cells: tuple[Cell, ...]) -> str:
    """Records a study with a cell, a text, a model and its registered version; the cell's run."""
    ids = store.open_study(study_record(study))
    run = store.create_cell(describe(cells[0], study, tags={}), ids)
    store.log_text(run, "before", "note.txt")
    model = store.client.create_logged_model(ids.experiment, "network", source_run_id=run)
    store.client.create_registered_model("mine")
    store.client.create_model_version("mine", model.artifact_location, run)
    assert len(_addresses(home)) == 4
    return run


Place = Callable[[Home], Home]


def _moved(home: Home) -> Home:
    return Home.at(home.root.rename(home.root.with_name("moved")))


def _moved_far(home: Home) -> Home:
    return Home.at(shutil.move(home.root, home.root.parent / "a b" / "100%" / "größer?"))


def _copied(home: Home) -> Home:
    return Home.at(shutil.copytree(home.root, home.root.with_name("copied")))


def _renamed_to_longer(home: Home) -> Home:
    return Home.at(home.root.rename(f"{home.root}-and-more"))


@pytest.mark.parametrize("place", [_moved, _moved_far, _copied, _renamed_to_longer])
def test_artifacts_follow_the_home(place: Place, home: Home, recorded: str) -> None:
    before = address_of(home.artifacts)
    (home.root.parent / "a b" / "100%").mkdir(parents=True)
    now = place(home)
    left = sorted(home.root.rglob("*.txt"))
    store = Store(now)
    store.log_text(recorded, "after", "after.txt")
    assert (
        now.artifacts.joinpath("tiny", recorded, "artifacts", "after.txt").read_text() == "after"
    )
    assert sorted(store.file_sizes(recorded, "")) == ["after.txt", "note.txt"]
    assert all(address.startswith(f"{address_of(now.artifacts)}/") for address in _addresses(now))
    # Neither is the former place made anew, nor does a copy write into its original.
    assert sorted(home.root.rglob("*.txt")) == left
    if home.root.exists():
        assert all(address.startswith(f"{before}/") for address in _addresses(home))


def test_a_home_that_stays_keeps_its_addresses_whatever_link_leads_there(
    home: Home, recorded: str
) -> None:
    before = _addresses(home)
    link = home.root.with_name("link")
    link.symlink_to(home.root)
    Store(Home.at(link))
    moved = home.root.rename(home.root.with_name("elsewhere"))
    home.root.symlink_to(moved)
    Store(home)
    Store(Home.at(moved))
    assert _addresses(home) == before
    # The link is what made the addresses true.
    home.root.unlink()
    Store(Home.at(moved))
    assert not before & _addresses(Home.at(moved))


def test_a_study_whose_tag_somebody_removed_follows_too(home: Home, recorded: str) -> None:
    assert home.database is not None
    with closing(sqlite3.connect(home.database)) as database, database:
        database.execute("DELETE FROM experiment_tags WHERE key = ?", [vocabulary.STUDY])
    now = _moved(home)
    Store(now).log_text(recorded, "after", "after.txt")
    assert list(now.artifacts.rglob("after.txt"))
    assert not home.root.exists()


def test_what_is_not_of_this_program_stays(home: Home, store: Store, recorded: str) -> None:
    place = f"file://{home.root}/artifacts-of-mine/x"
    store.client.create_experiment("mine", place)
    first = store.client.get_experiment("0").artifact_location
    moved = Store(_moved(home))
    assert moved.client.get_experiment_by_name("mine").artifact_location == place
    assert moved.client.get_experiment("0").artifact_location == first


def test_while_a_sweep_uses_the_home_nothing_is_changed(home: Home, recorded: str) -> None:
    with closing(Leases(home.journal)):
        now = _moved(home)
        before = _addresses(now)
        with pytest.raises(
            InUseError, match="another name or place than before, and a sweep uses"
        ):
            Store(now)
        assert _addresses(now) == before
    assert not home.root.exists()
    Store(now)
    assert _addresses(now) != before


def test_while_another_process_delivers_nothing_is_changed(home: Home, recorded: str) -> None:
    now = _moved(home)
    before = _addresses(now)
    with held(now.journal), pytest.raises(InUseError, match="is in use by another"):
        Store(now)
    assert _addresses(now) == before


def test_a_former_place_that_cannot_be_written_is_not_needed(home: Home, recorded: str) -> None:
    now = _moved(home)
    home.root.write_text("a file, where nobody can make a folder")
    Store(now).log_text(recorded, "after", "after.txt")
    assert list(now.artifacts.rglob("after.txt"))


def test_a_copy_of_the_database_alone_keeps_its_new_artifacts_to_itself(
    home: Home, recorded: str, tmp_path: Path
) -> None:
    copy = Home.at(tmp_path / "copy")
    copy.root.mkdir()
    for file in home.root.glob("mlflow.db*"):
        shutil.copy(file, copy.root)
    Store(copy).log_text(recorded, "after", "after.txt")
    assert list(copy.artifacts.rglob("after.txt"))
    assert not list(home.artifacts.rglob("after.txt"))


@pytest.fixture
def shared(home: Home, tmp_path: Path) -> Any:
    """A home in the same folder with a database that several homes use."""
    assert home.database is not None
    home.database.rename(tmp_path / "shared.db")
    return lambda root: Home.at(root, f"sqlite:///{tmp_path}/shared.db")


def test_in_a_shared_database_another_home_changes_no_address(
    home: Home, shared: Any, study: StudySpec, tmp_path: Path
) -> None:
    first = shared(home.root)
    run = Store(first).open_study(study_record(study)).run
    Store(first).log_text(run, "first", "first.txt")
    before = _addresses(first)
    Store(shared(tmp_path / "second")).log_text(run, "second", "second.txt")
    assert _addresses(first) == before
    assert list(home.artifacts.rglob("second.txt"))


def test_in_a_shared_database_they_follow_the_home_that_was_moved(
    home: Home, shared: Any, study: StudySpec, tmp_path: Path
) -> None:
    record = study_record(study)
    run = Store(shared(home.root)).open_study(record).run
    Store(shared(home.root)).log_text(run, "before", "before.txt")
    now = shared(home.root.rename(tmp_path / "moved"))
    other = shared(tmp_path / "other")
    with pytest.raises(StoreError, match=r"artifacts of 'tiny' lie in .*/home/artifacts, .* gone"):
        Store(other).open_study(record)
    assert not home.root.exists()
    assert Store(now).open_study(record).run == run
    Store(now).log_text(run, "after", "after.txt")
    assert list(now.artifacts.rglob("after.txt"))
    assert Store(other).open_study(record).run == run
    assert not home.root.exists()


def test_artifacts_of_another_home_in_our_database_stay_where_they_are(
    home: Home, study: StudySpec, tmp_path: Path
) -> None:
    guest = Home.at(tmp_path / "guest", f"sqlite:///{home.database}")
    Store(home)
    run = Store(guest).open_study(study_record(study)).run
    Store(guest).log_text(run, "theirs", "theirs.txt")
    before = _addresses(home)
    Store(home).log_text(run, "ours", "ours.txt")
    assert _addresses(home) == before
    assert list(guest.artifacts.rglob("ours.txt"))
    assert not home.artifacts.exists()


def test_two_copies_go_on_apart(home: Home, recorded: str, study: StudySpec) -> None:
    copies = [_copied(home), _moved(home)]
    for copy in copies:
        store = Store(copy)
        store.open_study(replace(study_record(study), title=copy.root.name))
        store.log_text(recorded, copy.root.name, "whose.txt")
    for copy in copies:
        [path] = copy.artifacts.rglob("whose.txt")
        assert path.read_text() == copy.root.name
    assert not os.path.lexists(home.root)
