"""`report`: what is refused."""

from collections.abc import Callable
from pathlib import Path

Refused = Callable[..., str]


def test_a_folder_has_to_be_named(refused: Refused) -> None:
    assert "-o/--out" in refused("report", "digits-orders")


def test_a_folder_with_other_files_is_left_alone(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    err = refused("report", "digits-orders", "-o", str(tmp_path))
    assert "files that are no report's" in err
    assert "name another folder" in err


def test_without_results_nothing_is_written(refused: Refused, tmp_path: Path) -> None:
    assert "there are no results" in refused("report", "digits-orders", "-o", "out")
    assert not (tmp_path / "out").exists()
