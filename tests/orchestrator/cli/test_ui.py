"""`ui`: pages without results."""

from collections.abc import Callable
from pathlib import Path

Refused = Callable[..., str]


def test_there_are_no_pages_without_results(refused: Refused, home_folder: Path) -> None:
    err = refused("ui")
    assert f"no results in {home_folder / 'mlflow.db'}" in err
    assert "run a sweep first" in err
