"""Sources that a test may change."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.fingerprint import sources
from orchestrator.fingerprint.module import Module
from orchestrator.fingerprint.sources import Sources, installed

_read: dict[tuple[bytes, frozenset[str]], Module] = {}


@pytest.fixture(autouse=True)
def _equal_files_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(path: Path, tables: frozenset[str]) -> Module:
        key = path.read_bytes(), tables
        if key not in _read:
            _read[key] = Module(path, tables)
        return _read[key]

    monkeypatch.setattr(sources, "Module", read)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the sources."""
    copy = tmp_path / "trainers"
    shutil.copytree(installed().folder, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@pytest.fixture
def change(folder: Path) -> Callable[..., Sources]:
    """Puts a text in the place of another one, or at the end of a file; the sources anew."""

    def changed(file: str, before: str = "", after: str = "\n_MORE = 1\n") -> Sources:
        path = folder / file
        text = path.read_text(encoding="utf-8")
        assert before in text
        text = text.replace(before, after, 1) if before else text + after
        path.write_text(text, encoding="utf-8")
        return Sources(folder)

    return changed
