"""`protocol --dry-run`: what a protocol would cost."""

import os
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from orchestrator.cli.protocol_costs import show_costs
from orchestrator.planning.cost import duration, rough_seconds
from orchestrator.protocol.stages import Changes, load_stage, unmeasured
from orchestrator.study.expansion import expand

Files = Callable[..., str]
Cli = Callable[..., Any]


def _table(out: str) -> dict[str, list[str]]:
    """Lines of a printed table by their first word."""
    return {line.split()[0]: line.split()[1:] for line in out.splitlines() if line.strip()}


def test_a_dry_run_shows_what_each_stage_costs(cli: Cli, protocol_files: Files) -> None:
    answer = cli("protocol", protocol_files(), "--dry-run")
    assert (answer.code, answer.err) == (0, "")
    lines = _table(answer.out)
    # Layers by rates; five rows by rates; five rows by seeds; times the epochs of each.
    assert lines["./net-sensitivity"][:2] == ["6", "24"]
    assert lines["./net-lr"][:2] == ["10", "60"]
    assert lines["./net-full"][:2] == ["10", "120"]
    assert lines["together"][:2] == ["26", "204"]
    assert answer.out.endswith("nothing was trained\n")


def test_a_dry_run_starts_nothing_and_writes_nothing(
    cli: Cli,
    protocol_files: Files,
    home_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def started(*arguments: object, **options: object) -> None:
        raise AssertionError("a sweep began")

    monkeypatch.setattr("orchestrator.execution.sweep.sweep", started)
    network = protocol_files()
    before = sorted(tmp_path.rglob("*"))
    assert cli("protocol", network, "--dry-run", "--home", str(home_folder)).code == 0
    assert sorted(tmp_path.rglob("*")) == before
    assert not home_folder.exists()


def test_a_dry_run_of_fewer_epochs_shows_the_unscaled_cost_beside(
    cli: Cli, protocol_files: Files
) -> None:
    answer = cli("protocol", protocol_files(), "--dry-run", "--scale-epochs", "0.5")
    assert "epochs unscaled" in " ".join(answer.out.split())
    lines = _table(answer.out)
    numbers = [word for word in lines["together"] if word not in ("s", "min", "h", "d")]
    assert numbers[:2] == ["26", "102"]
    assert numbers[3] == "204"


@pytest.mark.parametrize(
    ("flags", "stages", "cells"),
    [
        (["--only", "lr"], ["lr"], "10"),
        (["--from", "lr"], ["lr", "full"], "20"),
        (["--seeds", "1,2,3,4"], ["sensitivity", "lr", "full"], "36"),
        (["--from", "full", "--seeds", "7"], ["full"], "5"),
        (["--only", "matrix"], [], "0"),
    ],
    ids=" ".join,
)
def test_a_dry_run_counts_what_is_asked_for(
    flags: list[str], stages: list[str], cells: str, cli: Cli, protocol_files: Files
) -> None:
    lines = _table(cli("protocol", protocol_files(), "--dry-run", *flags).out)
    assert [name.removeprefix("./net-") for name in lines if name.startswith("./")] == stages
    assert lines["together"][0] == cells


def test_several_networks_are_counted_together_each_once(cli: Cli, protocol_files: Files) -> None:
    one, two = protocol_files("one"), protocol_files("two")
    answer = cli("protocol", one, "--networks", f"{two},{one}, ", "--dry-run")
    assert answer.code == 0
    lines = _table(answer.out)
    assert [name for name in lines if name.startswith("./")] == [
        f"./{name}-{stage}" for name in ("one", "two") for stage in ("sensitivity", "lr", "full")
    ]
    assert lines["together"][0] == "52"


def test_times_are_those_of_the_epochs_to_train_on_all_cores(protocol_files: Files) -> None:
    orders = {"name": "order", "sets": "layers.order", "permutations": "all"}
    name = protocol_files(full={"axes": [orders, {"name": "seed", "seeds": [1]}]})
    changes, out = Changes(), StringIO()
    show_costs([name], ["full"], changes, Console(file=out, width=200))
    heads, row, together, *_ = out.getvalue().splitlines()
    cores = os.cpu_count() or 1
    assert f"rough time, {cores} cores" in heads
    _, _, epochs, *time, _, unit = row.split()
    trials = expand(load_stage(name, "full", changes, unmeasured(name, changes)))
    # Orders that begin alike share their first epochs.
    share = int(epochs) / sum(trial.train.epochs for trial in trials)
    assert share < 1
    assert " ".join(time) == duration(rough_seconds(trials, num_cores=cores) * share)
    assert unit in ("kB", "MB", "GB")
    assert together.split()[1:] == row.split()[1:]
