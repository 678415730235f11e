"""What loaders of data tell, as commands show it."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from orchestrator.cli.news import TOLD_BY, shown_news
from trainers.data import news


def test_the_name_of_the_logger_is_that_of_the_module() -> None:
    assert news.log.name == TOLD_BY


def test_messages_are_printed_once_without_passwords_and_only_meanwhile(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "level", logging.ERROR)
    with shown_news():
        for text in ("from http://me:secret@host/", "from http://me:secret@host/", "more"):
            news.tell(text)
    news.tell("after")
    assert capsys.readouterr().err == "from http://***@host/\nmore\n"


STUDY: dict[str, Any] = {
    "study": "deep",
    "question": "What is said of 16 bits?",
    "base": {
        "model": {"name": "mlp", "widths": [64, 4, 2]},
        "data": {
            "name": "image_folder",
            "folder": "grey",
            "size": 8,
            "channels": 1,
            "classes": 2,
            "train_images": 8,
            "validation": 2,
            "batch_size": 2,
            "mean": [0.5],
            "std": [0.5],
        },
        "optimizer": {"name": "adam", "lr": 0.01},
        "layers": {"order": "all", "epochs_per_layer": 0},
        "epochs": 1,
    },
    "axes": [{"name": "seed", "seeds": [1]}],
    "metric": {"name": "selected/test_error"},
    "matrix": {"rows": "seed"},
}


@pytest.fixture
def grey(tmp_path: Path) -> Path:
    """A study on pictures of 16 bits, and its data folder."""
    for part, num in (("train", 4), ("test", 1)):
        for name in ("dark", "light"):
            folder = tmp_path / "data" / "grey" / part / name
            folder.mkdir(parents=True)
            for index in range(num):
                pixels = np.full((8, 8), 5_000 * index, dtype=np.uint16)
                Image.fromarray(pixels).save(folder / f"{index}.png")
    (tmp_path / "deep.yaml").write_text(yaml.safe_dump(STUDY))
    return tmp_path


def test_a_command_says_once_what_was_decided_about_odd_pictures(
    grey: Path, cli: Callable[..., Any]
) -> None:
    arguments = ("train", str(grey / "deep.yaml"), "--threads", "1", "--device", "cpu")
    answer = cli(*arguments, "--data-dir", str(grey / "data"))
    assert answer.code == 0, answer
    said = f"{grey}/data/grey/train: 8 of 8 pictures with 16 bits for each value"
    assert answer.err.count(said) == 1
    assert answer.err.count("16 bits") == 2


def test_broken_pictures_are_refused_with_their_names(
    grey: Path, refused: Callable[..., str]
) -> None:
    for name in ("train/dark/1.png", "train/light/2.png", "test/dark/0.png"):
        (grey / "data" / "grey" / name).write_bytes(b"")
    err = refused("sweep", str(grey / "deep.yaml"), "--data-dir", str(grey / "data"))
    for name in ("train/dark/1.png", "train/light/2.png", "test/dark/0.png"):
        assert f"{name} is empty" in err
    assert "nothing was launched" in err
