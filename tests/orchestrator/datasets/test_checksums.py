"""Published checksums."""

import hashlib
from pathlib import Path

import pytest

from orchestrator.datasets import checksums
from orchestrator.datasets.checksums import check_published
from orchestrator.datasets.errors import PrepareError

NAME = "ILSVRC2012_img_val.tar"


def test_the_published_archive_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, told = tmp_path / NAME, []
    archive.write_bytes(b"hello")
    monkeypatch.setitem(checksums.PUBLISHED, NAME, hashlib.md5(b"hello").hexdigest())
    for _ in range(2):
        check_published(archive, tmp_path / "to", told=told.append)
    assert len(told) == 1
    archive.write_bytes(b"other")
    with pytest.raises(PrepareError, match="is not the published archive: its MD5 is"):
        check_published(archive, tmp_path / "to", told=told.append)


def test_an_archive_of_another_name_is_not_compared(tmp_path: Path) -> None:
    told: list[str] = []
    check_published(tmp_path / "mine.tar", tmp_path, told=told.append)
    assert told == []
