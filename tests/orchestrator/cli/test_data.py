"""`data prepare`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

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
