"""Paths with `~`, where no shell expands them."""

from pathlib import Path

import pytest

from trainers.errors import SpecError
from trainers.paths import expanded
from trainers.storage import place_at


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for text in ("~/a/b.csv", Path("~/a/b.csv")):
        assert expanded(text) == tmp_path / "a" / "b.csv"
    assert expanded("~") == tmp_path
    assert place_at("~/a") == tmp_path / "a"


@pytest.mark.parametrize("text", ["a/~/b", "/a/~", "./~", "a~", "~nobody-has-this-name.csv", ""])
def test_any_other_path_stays(text: str) -> None:
    assert expanded(text) == Path(text)


def test_a_home_folder_that_nobody_knows_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    with pytest.raises(SpecError, match="set HOME"):
        expanded("~/a")
