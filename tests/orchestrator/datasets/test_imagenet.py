"""ImageNet from archives of the published shape."""

import dataclasses
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.datasets import unpacking
from orchestrator.datasets.errors import PrepareError, StoppedError
from orchestrator.datasets.imagenet import Prepared, Request, prepare
from orchestrator.datasets.members import Member
from orchestrator.datasets.unpacking import Progress
from orchestrator.free_space import DiskFullError
from tests.support.photographs import WNIDS
from tests.support.releases import (
    class_of,
    content_of,
    packed,
    release,
    solution,
    train_names,
    val_names,
)

EXPECTED = {
    **{f"train/{wnid}/{name}": content_of(name) for wnid in WNIDS for name in train_names(wnid)},
    **{f"val/{class_of(name)}/{name}": content_of(name) for name in val_names()},
}
Ask = Callable[..., Prepared]


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def ask(tmp_path: Path, told: list[str]) -> Ask:
    """Prepares `to` from `from`, in which there is a release unless the folder is there."""
    if not (tmp_path / "from").exists():
        release(tmp_path / "from")
    request = Request(
        source=tmp_path / "from",
        to=tmp_path / "to",
        is_part=True,
        checks=True,
        threads=2,
        told=told.append,
        progress=lambda progress: None,
    )

    def prepared(**changes: Any) -> Prepared:
        return prepare(dataclasses.replace(request, **changes))

    return prepared


def _files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for part in ("train", "val")
        for path in (folder / part).rglob("*")
        if path.is_file()
    }


def test_each_photograph_comes_into_the_folder_of_its_class(ask: Ask, tmp_path: Path) -> None:
    assert ask() == Prepared(tmp_path / "to", 3, 12, 6)
    assert _files(tmp_path / "to") == EXPECTED


def test_what_is_there_is_not_written_again(
    ask: Ask, tmp_path: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ask()
    assert any(line.startswith("writing") for line in told)
    told.clear()
    monkeypatch.setattr(unpacking, "_read", None)
    ask()
    assert not any(line.startswith("writing") for line in told)


@pytest.mark.parametrize("stop_after", range(0, 18, 3))
def test_an_interrupted_preparation_goes_on(
    stop_after: int, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, reads = unpacking._read, 0

    def interrupted(source: int, member: Member) -> bytes:
        nonlocal reads
        reads += 1
        if reads > stop_after:
            raise KeyboardInterrupt
        return read(source, member)

    with monkeypatch.context() as patch:
        patch.setattr(unpacking, "_read", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ask(threads=1)
    whole = [path.name for path in (tmp_path / "to").glob("*/n*")]
    assert len(whole) <= stop_after // 2
    ask()
    assert _files(tmp_path / "to") == EXPECTED
    assert not list((tmp_path / "to").glob("*/.n*"))


def test_a_full_disk_is_told_and_the_rest_follows(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: int, member: Member) -> bytes:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(unpacking, "_read", full)
        with pytest.raises(DiskFullError, match="make room and repeat the command"):
            ask()
    ask()
    assert _files(tmp_path / "to") == EXPECTED


def test_the_disk_is_asked_first(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking, "free_bytes", lambda path: 1000)
    with pytest.raises(PrepareError, match=r"needs 74 kB in .*, but 1\.0 kB are free"):
        ask()
    assert not (tmp_path / "to" / "train").exists()


def test_an_archive_that_shrinks_meanwhile_stops_it(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking.os, "pread", lambda source, size, place: b"")
    with pytest.raises(StoppedError, match="ends in the middle of n"):
        ask()


def test_a_class_that_holds_something_else_is_named(ask: Ask, tmp_path: Path) -> None:
    ask()
    (tmp_path / "to" / "train" / WNIDS[1] / "mine.txt").write_text("keep me")
    with pytest.raises(PrepareError, match=rf"{WNIDS[1]} holds 5 files, .* take that folder away"):
        ask()


def test_the_list_of_the_competition_stands_for_the_devkit(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "from" / "ILSVRC2012_devkit_t12.tar.gz").unlink()
    (tmp_path / "from" / "LOC_val_solution.csv").write_text(solution())
    ask()
    assert _files(tmp_path / "to") == EXPECTED


def _kaggle(folder: Path) -> Path:
    data = folder / "ILSVRC" / "Data" / "CLS-LOC"
    for name, content in EXPECTED.items():
        part, wnid, photograph = name.split("/")
        path = data / part / (wnid if part == "train" else "") / photograph
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (folder / "LOC_val_solution.csv").write_text(solution())
    return data


def test_folders_of_the_competition_are_linked_and_sorted(ask: Ask, tmp_path: Path) -> None:
    data = _kaggle(tmp_path / "kaggle")
    for _ in range(2):
        assert ask(source=tmp_path / "kaggle") == Prepared(tmp_path / "to", 3, 12, 6)
        assert (tmp_path / "to" / "train").resolve() == data / "train"
        found = {
            f"{part}/{path.parent.name}/{path.name}": path.read_bytes()
            for part in ("train", "val")
            for path in (tmp_path / "to" / part).glob("*/*")
        }
        assert found == EXPECTED


def test_folders_of_the_layout_are_taken_as_they_are(ask: Ask, tmp_path: Path) -> None:
    ask()
    again = ask(source=tmp_path / "to", to=tmp_path / "elsewhere")
    assert again == Prepared(tmp_path / "to", 3, 12, 6)
    assert not (tmp_path / "elsewhere").exists()
    shutil.rmtree(tmp_path / "to" / "val" / WNIDS[0])
    with pytest.raises(PrepareError, match=f"other classes: '{WNIDS[0]}'"):
        ask(source=tmp_path / "to")


def test_fewer_than_published_need_a_word(ask: Ask, tmp_path: Path) -> None:
    with pytest.raises(PrepareError, match=r"has 3 classes, 12 training and 6 .*; --part takes"):
        ask(is_part=False, checks=False)
    assert not (tmp_path / "to" / "train").exists()
    with pytest.raises(PrepareError, match="is not the published archive"):
        ask(is_part=False)


def test_two_do_not_prepare_one_folder(ask: Ask, tmp_path: Path) -> None:
    def again(progress: Progress) -> None:
        with pytest.raises(PrepareError, match="another process prepares"):
            ask()

    ask(progress=again)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda source: os.remove(source / "ILSVRC2012_img_val.tar"), "has no ILSVRC2012_img_val"),
        (lambda source: os.remove(source / "ILSVRC2012_img_train.tar"), "has neither ILSVRC2012"),
        (lambda source: shutil.rmtree(source), "--from names no folder"),
        (
            lambda source: (source / "ILSVRC2012_img_val.tar").write_bytes(
                packed([("ILSVRC2012_val_00000007.JPEG", b"1")])
            ),
            "00000007.JPEG, whose class nothing says",
        ),
        (
            lambda source: (source / "ILSVRC2012_img_val.tar").write_bytes(
                packed([("ILSVRC2012_val_00000001.JPEG", b"1")])
            ),
            "has no photographs of",
        ),
        (
            lambda source: (source / "ILSVRC2012_img_train.tar").write_bytes(
                packed([(f"{wnid}.tar", packed([])) for wnid in WNIDS])
            ),
            "img_train.tar has no photographs of",
        ),
    ],
)
def test_what_is_missing_is_said_before_anything_is_written(
    change: Callable[[Path], object], message: str, ask: Ask, tmp_path: Path
) -> None:
    change(tmp_path / "from")
    with pytest.raises(PrepareError, match=message):
        ask()
    assert not list((tmp_path / "to").glob("[!.]*"))
