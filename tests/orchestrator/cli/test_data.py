"""`data prepare` and `data pack`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.datasets import packing
from tests.support.photographs import lay_out
from tests.support.releases import release
from trainers.data.imagenet import load_imagenet


def test_it_says_what_a_study_writes(cli: Callable[..., Any], tmp_path: Path) -> None:
    source, to = str(release(tmp_path / "from")), str(tmp_path / "to")
    answer = cli("data", "prepare", "imagenet", "--from", source, "--to", to, "--part")
    assert answer.code == 0, answer
    first, second = answer.out.splitlines()
    assert first == f"{to}: 12 photographs of 3 classes to train, 6 to test"
    options = yaml.safe_load(second.removeprefix("in a study: "))["data"]
    assert options.pop("name") == "imagenet"
    splits = load_imagenet(tmp_path, **options)
    assert (len(splits.train), len(splits.validation)) == (11, 1)
    assert "train: 3 of 3 classes" in answer.err
    assert "val: 3 of 3 classes" in answer.err


def test_mistakes_are_told(refused: Callable[..., str], tmp_path: Path) -> None:
    to = str(tmp_path / "to")
    missing = str(tmp_path / "none")
    assert "--from names no folder" in refused(
        "data", "prepare", "imagenet", "--from", missing, "--to", to
    )
    assert "is empty" in refused(
        "data", "prepare", "imagenet", "--from", str(tmp_path), "--to", to
    )
    assert "invalid choice: 'imgenet'" in refused(
        "data", "prepare", "imgenet", "--from", missing, "--to", to
    )
    assert not Path(to).exists()


def test_packed_photographs_are_what_a_study_reads(
    cli: Callable[..., Any], tmp_path: Path
) -> None:
    lay_out(tmp_path / "imagenet")
    answer = cli("data", "pack", "imagenet", "--data-dir", str(tmp_path), "--shorter-side", "28")
    assert answer.code == 0, answer
    assert answer.out.splitlines() == [
        "18 photographs are packed",
        "in a study: data: {name: imagenet, packed: true, shorter_side: 28}",
    ]
    assert "decoding 12 photographs" in answer.err
    again = cli("data", "pack", "imagenet", "--data-dir", str(tmp_path), "--shorter-side", "28")
    assert (again.out, "decoding" in again.err) == (answer.out, False)


def test_the_disk_is_asked_before_packing(
    cli: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay_out(tmp_path / "imagenet")
    monkeypatch.setattr(packing, "free_bytes", lambda path: 1000)
    answer = cli("data", "pack", "imagenet", "--data-dir", str(tmp_path))
    assert answer.code == 2
    assert "this needs about 4.5 MB in" in answer.err
    assert not (tmp_path / ".bnn-cache").exists()


def test_a_mistaken_folder_or_side_is_told(cli: Callable[..., Any], tmp_path: Path) -> None:
    missing = cli("data", "pack", "imagenet", "--data-dir", str(tmp_path))
    assert missing.code == 2
    assert "imagenet/train is missing" in missing.err
    side = cli("data", "pack", "imagenet", "--data-dir", str(tmp_path), "--shorter-side", "0")
    assert (side.code, "must be 1 or more, got 0" in side.err) == (2, True)
