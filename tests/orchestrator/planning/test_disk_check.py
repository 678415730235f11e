"""Whether there is room, and how that is told."""

from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.home import Home
from orchestrator.planning import disk_check as module
from orchestrator.planning.disk import Need
from orchestrator.planning.disk_check import NoRoomError, room
from trainers.storage import place_at

Free = Callable[..., None]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.at(tmp_path)


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Free:
    """How much is free in each folder; all folders are disks of their own, if asked."""

    def pretend(size: int, *, apart: bool = False) -> None:
        monkeypatch.setattr(module, "free_bytes", lambda folder: size)
        monkeypatch.setattr(module, "_same_disk", lambda one, other: not apart)

    return pretend


def test_one_disk_takes_it_all(home: Home, free: Free) -> None:
    free(13_000_000_000)
    said = room(Need(118_000_000, 2_000_000), home, home.checkpoints, force=False)
    assert said == f"about 120 MB; 13 GB free in {home.root}"


def test_of_two_disks_each_is_told(home: Home, free: Free, tmp_path: Path) -> None:
    free(13_000_000_000, apart=True)
    said = room(Need(118_000_000, 2_000_000), home, tmp_path / "other", force=False)
    assert said == (
        f"about 2.0 MB; 13 GB free in {home.root}, "
        f"and about 118 MB; 13 GB free in {tmp_path / 'other'}"
    )


def test_what_lies_behind_a_url_has_all_the_room_it_wants(home: Home, free: Free) -> None:
    free(3_000_000)
    said = room(Need(118_000_000, 2_000_000), home, place_at("memory://a"), force=False)
    assert said == f"about 2.0 MB; 3.0 MB free in {home.root}, and about 118 MB in memory://a"
    said = room(Need(0, 2_000_000), home, place_at("memory://a"), force=False)
    assert said == f"about 2.0 MB; 3.0 MB free in {home.root}"


@pytest.mark.parametrize("apart", [False, True])
def test_too_little_room_is_refused_unless_it_is_forced(
    apart: bool, home: Home, free: Free, tmp_path: Path
) -> None:
    free(100_000_000, apart=apart)
    wanted, storage = Need(118_000_000, 2_000_000), tmp_path / "other"
    with pytest.raises(NoRoomError, match="but 100 MB are free; make room"):
        room(wanted, home, storage, force=False)
    assert "100 MB free" in room(wanted, home, storage, force=True)


def test_folders_of_one_file_system_share_its_room(tmp_path: Path) -> None:
    assert module._same_disk(tmp_path / "not-there", tmp_path)
    assert not module._same_disk(Path("/proc"), tmp_path)
