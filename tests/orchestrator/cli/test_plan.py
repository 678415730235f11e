"""`plan`: what a study would cost, and that nothing is started or written."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator import vocabulary
from orchestrator.home import Home
from orchestrator.record.describe import describe
from orchestrator.record.entries import Point
from orchestrator.record.journal import Journal
from orchestrator.study.spec import StudySpec
from orchestrator.vocabulary import State

Cli = Callable[..., Any]
File = Callable[..., str]


def _rows(out: str) -> dict[str, list[str]]:
    """The table: what was changed, and the figures."""
    lines = out[out.index("\nwith") :].splitlines()[2:]
    found = {}
    for line in lines:
        what, *figures = re.split(r"  +", line.strip())
        found[what] = figures
    return found


def test_a_plan_says_what_a_study_costs_and_leaves_no_trace(
    cli: Cli, file: File, home_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.launch.resources.os.sched_getaffinity", lambda _: range(4))
    answer = cli("plan", file(), "--concurrency", "2")
    assert (answer.code, answer.err) == (0, "")
    assert not home_folder.exists()
    head, _, _ = answer.out.partition("\nwith")
    assert head.splitlines()[0].startswith("tiny  Does the order matter")
    for line in (
        "cells     8, 0 of them finished",
        "epochs    16 to train",
        "slots     2 at a time",
        "a rough idea: nothing like it was measured before",
        "disk      about",
    ):
        assert line in head
    rows = _rows(answer.out)
    assert rows["as asked"][:3] == ["8", "8", "16"]
    assert rows["--concurrency 1"][:3] == rows["--concurrency 4"][:3] == ["8", "8", "16"]
    assert rows["1 seed"][:3] == ["4", "4", "8"]
    assert rows["3 seeds"][:3] == ["12", "12", "24"]
    # Of two layers that turn binary one after another, no epoch can be left out.
    assert rows["--scale-epochs 0.5"][:2] == ["8", "8"]
    assert answer.out.endswith("nothing was started\n")


def test_it_takes_the_options_that_change_a_study(cli: Cli, file: File) -> None:
    line = ("plan", file(), "--seeds", "5", "--set", "base.epochs=6", "--apart", "mine")
    answer = cli(*line)
    assert answer.code == 0, answer.err
    assert "cells     4, 0 of them finished" in answer.out
    assert "changed   base.epochs=6; kept apart as mine" in answer.out
    assert "1 seed" not in answer.out


def test_finished_cells_and_measured_epochs_are_read(
    cli: Cli, file: File, home: Home, study: StudySpec, record: Callable[..., None]
) -> None:
    first, second, *_ = study.trials
    # One by others, one here that MLflow lacks.
    record(study, {" ".join(first.labels.values()): 0.25})
    journal = Journal(home.journal)
    description = describe(second, study, tags={})
    journal.begin(description)
    journal.append(
        description.cell, [Point("epoch_s", step, 3600.0, step * 3_600_000) for step in (0, 1)]
    )
    journal.end(description.cell, State.FINISHED, {vocabulary.WEIGHTS_SHA256: "a"})
    journal.close()
    answer = cli("plan", file(), "--home", str(home.root), "--concurrency", "1")
    assert answer.code == 0, answer.err
    assert "cells     8, 2 of them finished" in answer.out
    # Six cells of two epochs: an hour in full precision, a tenth longer for each binary layer.
    assert "time      about 14.0 h, from 1 epochs of 1 cells measured here" in answer.out


def test_a_finished_study_has_nothing_left(
    cli: Cli, file: File, home: Home, study: StudySpec, record: Callable[..., None]
) -> None:
    record(study, {" ".join(cell.labels.values()): 0.25 for cell in study.trials})
    answer = cli("plan", file(), "--home", str(home.root))
    assert "cells     8, 8 of them finished\nnothing left to do" in answer.out
    assert _rows(answer.out)["as asked"][1] == "0"


def test_data_that_is_missing_is_said_and_not_needed(cli: Cli, tmp_path: Path) -> None:
    answer = cli("plan", "mnist300-lr-search", "--data-dir", str(tmp_path / "none"))
    assert answer.code == 0
    assert f"data that is not there yet: mnist, looked for in {tmp_path / 'none'}" in answer.out
    assert "time      at most about" in answer.out


@pytest.mark.parametrize(
    ("study", "folder"),
    [
        ("tricks-ablation", "cifar10"),
        ("resnet21-full", "imagenet"),
        ("dab-tuberlin", "tuberlin"),
        ("dab-sketchy", "sketchy_recognition"),
    ],
)
def test_a_folder_of_pictures_that_is_missing_is_named(
    study: str, folder: str, cli: Cli, tmp_path: Path
) -> None:
    answer = cli("plan", study, "--data-dir", str(tmp_path))
    assert answer.code == 0
    said = f"data that is missing, without which a sweep does not begin: {tmp_path / folder}"
    assert said in answer.out
    assert "fetches" not in answer.out


def test_a_network_shows_each_stage_of_its_protocol(
    cli: Cli, protocol_files: Callable[..., str]
) -> None:
    answer = cli("plan", protocol_files())
    assert answer.code == 0, answer.err
    heads = re.findall(r"(?m)^(net-\w+)  ", answer.out)
    assert heads == ["net-sensitivity", "net-lr", "net-full"]
    rows = _rows(answer.out)
    assert rows["as asked"][0] == str(6 + 10 + 10)
    assert rows["3 seeds"][0] == str(6 + 10 + 15)


def test_a_name_that_is_neither_is_refused_with_the_nearest(refused: Callable[..., str]) -> None:
    err = refused("plan", "digts")
    assert "unknown study or network 'digts', did you mean 'digits'?" in err
    assert "there is no such file" in refused("plan", "./digits.yaml")
    assert "--concurrency must be 1 or more" in refused("plan", "digits", "--concurrency", "0")
    assert "4096 CPUs" in refused("plan", "digits-orders", "--cpus-per-trial", "4096")


def test_a_store_that_does_not_answer_is_no_obstacle(cli: Cli, file: File) -> None:
    answer = cli("plan", file(), "--tracking-uri", "nonsense://here")
    assert answer.code == 0
    assert "MLflow does not answer, so the journal alone counts" in answer.out


def test_a_cluster_is_not_asked(cli: Cli, file: File) -> None:
    answer = cli("plan", file(), "--ray-address", "head:1", "--concurrency", "40")
    assert answer.code == 0
    assert "slots     40 at a time" in answer.out
    assert "the cluster is not asked what it has; as many slots as --concurrency" in answer.out
