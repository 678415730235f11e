"""A recorded cell as the command line names it, and where its network is looked for."""

import argparse
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.cli.cells import add_cell, cell_lines, trained_cell_of
from orchestrator.cli.options import add_data_dir, add_home, add_storage
from orchestrator.home import Home


@pytest.fixture
def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    add_cell(parser)
    for add in (add_data_dir, add_storage, add_home):
        add(parser)
    return parser


@pytest.mark.parametrize("storage", [None, "elsewhere"])
def test_checkpoints_are_looked_for_where_the_flags_say(
    storage: str | None,
    parser: argparse.ArgumentParser,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: dict[str, Any] = {}

    def trained_cell(store: Any, checkpoints: Any, run_id: str, **options: Any) -> str:
        asked.update(options, checkpoints=str(checkpoints), run_id=run_id)
        return "the cell"

    monkeypatch.setattr("orchestrator.results.export.trained_cell", trained_cell)
    home = Home.at(tmp_path / "home")
    flags = ["--storage", str(tmp_path / storage)] if storage else []
    data = ["--data-dir", str(tmp_path / "data"), "--retrain", "--threads", "3"]
    args = parser.parse_args(["abc", *flags, *data, "--home", str(home.root)])
    store = argparse.Namespace(home=home)
    assert trained_cell_of(args, store, "abc") == "the cell"  # type: ignore[arg-type, comparison-overlap]
    expected = str(tmp_path / storage) if storage else str(home.checkpoints)
    assert asked == {
        "checkpoints": expected, "run_id": "abc", "retrain": True, "threads": 3,
        "data_dir": tmp_path / "data",
    }  # fmt: skip


def test_epochs_are_counted_from_1_as_the_lines_of_training_do() -> None:
    epoch = SimpleNamespace(epoch=41, validation=SimpleNamespace(error=0.0056))
    cell: Any = SimpleNamespace(
        title="mine: seed 1",
        run_id="abc",
        spec=SimpleNamespace(all_epochs=60),
        network=SimpleNamespace(which="best", epoch=epoch),
    )
    assert cell_lines(cell)[1] == "weights   best kept, epoch 42 of 60: validation error 0.56%"


@pytest.mark.parametrize("command", ["export", "compare", "replay"])
def test_the_help_says_which_cell_is_the_best(command: str, cli: Any) -> None:
    text = " ".join(cli(command, "--help").out.split())
    assert "among those with as many layers binary as any cell has" in text
