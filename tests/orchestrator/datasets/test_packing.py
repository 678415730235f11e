"""ImageNet decoded once: how much room it is said to need, and what is done twice."""

import errno
from pathlib import Path

import pytest

from orchestrator.datasets import packing
from orchestrator.datasets.errors import PrepareError
from orchestrator.datasets.packing import pack
from orchestrator.free_space import DiskFullError
from tests.support.photographs import lay_out


def _packed_bytes(folder: Path) -> int:
    return sum(
        path.stat().st_size for path in (folder / ".bnn-cache").rglob("*") if path.is_file()
    )


def test_the_room_that_is_asked_for_is_about_what_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay_out(tmp_path / "imagenet")
    # Of 6 x (40, 30), (30, 44) and (33, 33), the shorter side 28.
    needed = 3 * 28**2 * 6 * (40 / 30 + 44 / 30 + 1)
    monkeypatch.setattr(packing, "free_bytes", lambda path: int(needed) - 1)
    with pytest.raises(PrepareError, match="or train without packed: true"):
        pack(tmp_path, folder="imagenet", shorter_side=28, told=lambda text: None)
    monkeypatch.setattr(packing, "free_bytes", lambda path: int(needed) + 1)
    assert pack(tmp_path, folder="imagenet", shorter_side=28, told=lambda text: None) == 18
    assert _packed_bytes(tmp_path) == pytest.approx(needed, rel=0.25)


def test_only_the_part_that_is_missing_is_decoded(tmp_path: Path) -> None:
    lay_out(tmp_path / "imagenet")
    told: list[str] = []
    pack(tmp_path, folder="imagenet", shorter_side=28, told=told.append)
    assert [line.split(" photographs")[0] for line in told] == ["decoding 12", "decoding 6"]
    told.clear()
    next((tmp_path / "imagenet" / "val").rglob("*.JPEG")).write_bytes(
        next((tmp_path / "imagenet" / "train").rglob("*.JPEG")).read_bytes()
    )
    pack(tmp_path, folder="imagenet", shorter_side=28, told=told.append)
    assert [line.split(" photographs")[0] for line in told] == ["decoding 6"]


def test_what_cannot_be_written_where_the_user_chose_goes_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay_out(tmp_path / "imagenet")
    # Not even a user who may write everything can write here.
    (tmp_path / ".bnn-cache").write_text("")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("BNN_CACHE_DIR", raising=False)
    told: list[str] = []
    with pytest.raises(PrepareError, match=r"\.bnn-cache: .* set BNN_CACHE_DIR to another one"):
        pack(tmp_path, folder="imagenet", shorter_side=28, told=told.append)
    assert not told
    assert not (tmp_path / "home").exists()
    monkeypatch.setenv("BNN_CACHE_DIR", str(tmp_path / "chosen"))
    assert pack(tmp_path, folder="imagenet", shorter_side=28, told=told.append) == 18
    assert f"into {tmp_path / 'chosen'}" in told[0]
    assert len(list((tmp_path / "chosen").rglob("images.bin"))) == 2


def test_a_disk_that_fills_up_is_told_and_no_other_one_is_filled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay_out(tmp_path / "imagenet")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))

    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("trainers.data.cache.decode", full)
    with pytest.raises(DiskFullError, match="make room and repeat the command"):
        pack(tmp_path, folder="imagenet", shorter_side=28, told=lambda text: None)
    assert not (tmp_path / "home").exists()
    assert not list(tmp_path.rglob("images.bin"))
