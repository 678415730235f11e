"""Classes written out of an archive: each whole, or not at all."""

from pathlib import Path

import pytest

from orchestrator.datasets import unpacking
from orchestrator.datasets.errors import PrepareError, StoppedError
from orchestrator.datasets.members import Index, Member
from orchestrator.datasets.unpacking import Job, Progress, check_room, job, unpack

FISH, BIRD = "n01440764", "n01443537"
CLASSES = {FISH: [Member("a.JPEG", 0, 3), Member("b.JPEG", 3, 2)], BIRD: [Member("c.JPEG", 5, 4)]}


@pytest.fixture
def index(tmp_path: Path) -> Index:
    archive = tmp_path / "train.tar"
    archive.write_bytes(b"aaabbcccc")
    return Index(archive, {}, [])


def _whole(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_bytes_come_from_where_the_index_says(index: Index, tmp_path: Path) -> None:
    told: list[Progress] = []
    todo = job(tmp_path / "train", index, CLASSES)
    unpack(todo, num=2, threads=2, tell=told.append)
    whole = {f"{FISH}/a.JPEG": b"aaa", f"{FISH}/b.JPEG": b"bb", f"{BIRD}/c.JPEG": b"cccc"}
    assert _whole(tmp_path / "train") == whole
    assert told[-1][:5] == ("train", 2, 2, 9, 9)
    assert job(tmp_path / "train", index, CLASSES).classes == {}


def test_what_an_interrupted_command_left_is_removed_and_nothing_else(
    index: Index, tmp_path: Path
) -> None:
    half, other = tmp_path / "train" / f".{FISH}.part", tmp_path / "train" / ".mine.part"
    for folder in (half, other):
        folder.mkdir(parents=True)
        (folder / "a.JPEG").write_bytes(b"a")
    unpack(job(tmp_path / "train", index, CLASSES), num=2, threads=1, tell=lambda told: None)
    assert not half.exists()
    assert _whole(other) == {"a.JPEG": b"a"}
    assert (tmp_path / "train" / FISH / "a.JPEG").read_bytes() == b"aaa"


def test_an_archive_that_is_too_short_leaves_no_class_with_its_name(
    index: Index, tmp_path: Path
) -> None:
    todo = job(tmp_path / "train", index, CLASSES)
    index.archive.write_bytes(b"aaab")
    with pytest.raises(StoppedError, match=r"train.tar ends in the middle of [bc].JPEG"):
        unpack(todo, num=2, threads=1, tell=lambda told: None)
    assert not (tmp_path / "train" / FISH).exists()


def test_a_class_with_other_files_is_named(index: Index, tmp_path: Path) -> None:
    (tmp_path / "train" / BIRD).mkdir(parents=True)
    (tmp_path / "train" / BIRD / "c.JPEG").write_bytes(b"short")
    with pytest.raises(PrepareError, match=f"{BIRD} holds 1 files, which are not the 1 photogr"):
        job(tmp_path / "train", index, CLASSES)


def test_room_is_counted_in_blocks_of_the_disk(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [Job(tmp_path / "train", index.archive, CLASSES)]
    monkeypatch.setattr(unpacking, "free_bytes", lambda path: 3 * unpacking.BLOCK)
    assert check_room(tmp_path, jobs) == 9
    monkeypatch.setattr(unpacking, "free_bytes", lambda path: 3 * unpacking.BLOCK - 1)
    with pytest.raises(PrepareError, match="or name another folder with --to"):
        check_room(tmp_path, jobs)
