"""Folders here and behind URLs: what is written, found, deleted, and refused."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from trainers import storage
from trainers.errors import SpecError
from trainers.storage import (
    Place,
    Remote,
    names,
    names_below,
    place_at,
    read,
    remove,
    remove_folder,
    require_writable,
    write,
    write_atomically,
)


@pytest.fixture(params=["folder", "memory", "renamed"])
def place(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    """A folder that is not there yet: here, in an object store, and in one that is none."""
    if request.param == "folder":
        yield tmp_path / "mine"
        return
    if request.param == "renamed":
        monkeypatch.setattr(storage, "OBJECT_STORES", frozenset())
    root = f"/{uuid.uuid4().hex}"
    yield place_at(f"memory:/{root}/mine")
    files = fsspec.filesystem("memory")
    if files.exists(root):
        files.rm(root, recursive=True)


def test_what_is_written_is_found_read_and_deleted(place: Place) -> None:
    assert names(place) == []
    write(place / "b", b"two")
    write(place / "a", b"one")
    write(place / "b", b"three")
    assert names(place) == ["a", "b"]
    assert read(place / "b") == b"three"
    remove(place / "b")
    remove(place / "b")
    assert names(place) == ["a"]


def test_files_are_found_by_their_folders(place: Place) -> None:
    assert not names_below(place)
    for folder in ("a", "b"):
        write(place / folder / "x", b"")
        write(place / folder / "y", b"")
    write(place / "a-file", b"")
    found = names_below(place)
    assert {folder: sorted(found[folder]) for folder in ("a", "b")} == {
        "a": ["x", "y"],
        "b": ["x", "y"],
    }
    remove_folder(place / "a")
    remove_folder(place / "a")
    assert names(place / "a") == []
    assert "b" in names_below(place)


def test_a_file_that_is_not_there_cannot_be_read(place: Place) -> None:
    with pytest.raises(OSError, match="none"):
        read(place / "none")


def test_a_folder_that_can_be_written_is_left_as_it_was(place: Place) -> None:
    require_writable(place)
    assert names(place) == []


def test_a_place_has_the_name_of_its_folder(place: Place) -> None:
    assert place.name == "mine"
    assert (place / "below").name == "below"
    assert str(place / "below").endswith("mine/below")


def test_paths_and_file_urls_are_folders_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert place_at("some/where") == tmp_path / "some" / "where"
    assert place_at("file:///some/where%20else") == Path("/some/where else")


def test_what_configures_the_client_stays_at_the_end() -> None:
    place = place_at("s3://bucket/mine?region=us-east-1&scheme=http")
    assert place / "a" == Remote("s3://bucket/mine/a?region=us-east-1&scheme=http")
    assert (place / "a").name == "a"


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("s4://bucket/mine", "nothing here knows 's4://', did you mean 's3'"),
        ("file://some/where", "write file:///folder"),
        ("s3://[bucket/mine", "this is not a valid URL"),
        ("s3://name:hunter2@bucket/mine", "has a secret before its @"),
        ("s3://name:hun/ter2@bucket/mine", "has a secret before its @"),
        ("s3://bucket/mine?secret_key=hunter2", "has a secret in 'secret_key'"),
        ("s3://bucket/mine?X-Amz-Signature=hunter2", "taken from the environment"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_and_no_secret_told(url: str, what: str) -> None:
    with pytest.raises(SpecError, match=what) as raised:
        place_at(url)
    assert "hunter2" not in str(raised.value)


def test_a_client_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(scheme: str) -> None:
        raise ImportError(f"install {scheme}fs")

    monkeypatch.setattr(fsspec, "get_filesystem_class", missing)
    with pytest.raises(SpecError, match="package that is missing"):
        place_at("gcs://bucket/mine")


def test_whatever_a_client_raises_is_an_error_of_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> None:
        raise RuntimeError("no answer")

    monkeypatch.setattr(type(fsspec.filesystem("memory")), "cat_file", broken)
    with pytest.raises(OSError, match="memory://mine/a: RuntimeError: no answer"):
        read(place_at("memory://mine") / "a")


def test_writing_makes_the_folder_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]


def test_a_write_that_fails_leaves_the_old_file_and_no_half_of_a_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
