"""What commands keep for the next one: never out of date, and never in anybody's way."""

import os
import shutil
import time
from pathlib import Path

import pytest

import trainers
from orchestrator import kept as module
from orchestrator.kept import STAYS_S, cache_folder, keep, kept, program


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def _files() -> list[Path]:
    return [path for path in cache_folder().rglob("*") if path.is_file()]


def test_a_value_comes_back_for_what_was_given_and_for_nothing_else() -> None:
    assert kept("sum", {"a": 1, "b": 2}) is None
    keep("sum", {"a": 1, "b": 2}, {"is": 3})
    assert kept("sum", {"b": 2, "a": 1}) == {"is": 3}
    assert kept("sum", {"a": 1, "b": 3}) is None
    assert kept("product", {"a": 1, "b": 2}) is None
    keep("sum", {"a": 1, "b": 2}, {"is": "three"})
    assert kept("sum", {"a": 1, "b": 2}) == {"is": "three"}
    assert len(_files()) == 1


def test_other_sources_keep_values_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "trainers"
    shutil.copytree(Path(trainers.__file__).parent, package)
    monkeypatch.setattr(trainers, "__file__", str(package / "__init__.py"))
    # Without the memory of this process's own.
    digest = program.__wrapped__
    assert digest() == program()
    (package / "notes.txt").write_text("no code")
    assert digest() == program()
    with (package / "losses.py").open("a") as file:
        file.write("# changed\n")
    assert digest() != program()


def test_another_version_of_torch_keeps_values_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    installed = module.metadata.version
    monkeypatch.setattr(
        module.metadata, "version", lambda name: "9.9" if name == "torch" else installed(name)
    )
    assert program.__wrapped__() != program()


def test_without_sources_nothing_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(trainers, "__file__", str(tmp_path / "trainers.zip" / "__init__.py"))
    monkeypatch.setattr(module, "program", program.__wrapped__)
    keep("sum", 1, 2)
    assert kept("sum", 1) is None
    assert not _files()


def test_a_damaged_file_is_as_none() -> None:
    keep("sum", 1, 2)
    [file] = _files()
    for content in (b"", b'{"is": ', b"\xff\xfe"):
        file.write_bytes(content)
        assert kept("sum", 1) is None
    keep("sum", 1, 2)
    assert kept("sum", 1) == 2


def test_a_folder_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder would be")
    keep("sum", 1, 2)
    assert kept("sum", 1) is None


def test_a_user_without_a_home_is_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", homeless)
    keep("sum", 1, 2)
    assert kept("sum", 1) is None


def test_what_older_programs_kept_goes_after_a_while() -> None:
    old, recent = cache_folder() / "old", cache_folder() / "recent"
    for folder in (old, recent):
        folder.mkdir(parents=True)
    long_ago = time.time() - STAYS_S - 60
    os.utime(old, (long_ago, long_ago))
    keep("sum", 1, 2)
    assert not old.exists()
    assert recent.exists()
    assert kept("sum", 1) == 2
