"""Which photographs lie where in an archive, and archives that are refused."""

import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.datasets.errors import PrepareError
from orchestrator.datasets.members import Index, training_members, validation_members
from tests.support.photographs import WNIDS
from tests.support.releases import (
    add,
    content_of,
    packed,
    train_names,
    training_archive,
    val_names,
    validation_archive,
)


def _index(path: Path, content: bytes) -> Index:
    path.write_bytes(content)
    return training_members(path, seen=lambda _: None)


def test_each_photograph_is_found_in_place(tmp_path: Path) -> None:
    whole = training_archive()
    index = _index(tmp_path / "train.tar", whole)
    assert list(index.members) == list(WNIDS)
    for wnid, members in index.members.items():
        assert [member.name for member in members] == train_names(wnid)
        for name, offset, size in members:
            assert whole[offset : offset + size] == content_of(name)
    assert index.extra == []


def test_validation_photographs_lie_flat_or_in_a_folder(tmp_path: Path) -> None:
    path = tmp_path / "val.tar"
    path.write_bytes(validation_archive())
    assert [member.name for member in validation_members(path).members[""]] == val_names()
    path.write_bytes(packed([(f"val/{name}", b"1") for name in val_names()]))
    assert [member.name for member in validation_members(path).members[""]] == val_names()


def test_other_files_are_told_and_left(tmp_path: Path) -> None:
    wnid = WNIDS[0]
    inner = packed([(f"{wnid}_1.JPEG", b"1"), ("n99999999_2.JPEG", b"2"), ("notes.txt", b"3")])
    index = _index(tmp_path / "train.tar", packed([(f"{wnid}.tar", inner), ("readme", b"4")]))
    assert [member.name for member in index.members[wnid]] == [f"{wnid}_1.JPEG"]
    assert index.extra == [f"{wnid}.tar: n99999999_2.JPEG", f"{wnid}.tar: notes.txt", "readme"]


def _odd(path: Path, name: str = "a", **changes: Any) -> bytes:
    with tarfile.open(path, "w") as archive:
        add(archive, name, b"", **changes)
    return path.read_bytes()


ODD: dict[str, tuple[dict[str, Any], str]] = {
    "symlink": ({"type": tarfile.SYMTYPE, "linkname": "/etc"}, "a link, a device or the like"),
    "hard link": ({"type": tarfile.LNKTYPE, "linkname": "b"}, "a link, a device or the like"),
    "device": ({"type": tarfile.CHRTYPE}, "a link, a device or the like"),
    "pipe": ({"type": tarfile.FIFOTYPE}, "a link, a device or the like"),
    "parent": ({"name": "../../n01440764_1.JPEG"}, "leads elsewhere"),
    "root": ({"name": "/etc/n01440764_1.JPEG"}, "leads elsewhere"),
}


@pytest.mark.parametrize("is_inner", [False, True])
@pytest.mark.parametrize("kind", ODD)
def test_a_hostile_member_ends_it(kind: str, is_inner: bool, tmp_path: Path) -> None:
    changes, message = ODD[kind]
    content = _odd(tmp_path / "odd.tar", **changes)
    if is_inner:
        content = packed([(f"{WNIDS[0]}.tar", content)])
    with pytest.raises(PrepareError, match=message):
        _index(tmp_path / "train.tar", content)


def _flipped(whole: bytes) -> bytes:
    """The header of the second class, damaged."""
    place = whole.index(f"{WNIDS[1]}.tar".encode())
    return whole[:place] + b"X" + whole[place + 1 :]


DAMAGED: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda whole: b"", "cannot be read as a tar"),
    "no tar": (lambda whole: b"hello" * 1000, "cannot be read as a tar"),
    "cut in a member": (lambda whole: whole[:8000], "ends in the middle of"),
    "cut behind it": (lambda whole: whole[: whole.index(f"{WNIDS[1]}.tar".encode())], "damaged"),
    "a header": (_flipped, "is damaged at byte"),
    "twice": (lambda whole: packed([(f"{WNIDS[0]}.tar", packed([]))] * 2), "twice"),
    "inner": (lambda whole: packed([(f"{WNIDS[0]}.tar", b"x" * 600)]), "in it n01440764.tar"),
    "inner twice": (
        lambda whole: packed([(f"{WNIDS[0]}.tar", packed([(f"{WNIDS[0]}_1.JPEG", b"1")] * 2))]),
        "n01440764_1.JPEG twice",
    ),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_archive_ends_it(kind: str, tmp_path: Path) -> None:
    damage, message = DAMAGED[kind]
    with pytest.raises(PrepareError, match=message):
        _index(tmp_path / "train.tar", damage(training_archive()))


def test_a_missing_archive_is_named(tmp_path: Path) -> None:
    with pytest.raises(PrepareError, match=r"none\.tar cannot be opened \(No such file"):
        validation_members(tmp_path / "none.tar")
