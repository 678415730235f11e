"""`hybrid`: from a recorded binary network to a study that `sweep` takes."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli.hybrid import _share
from orchestrator.home import Home
from orchestrator.mlflow_reader.reader import StoreError
from orchestrator.study.catalog import load_study

Refused = Callable[..., str]
Typed = Callable[..., Any]


@pytest.fixture
def typed(
    cli: Any, home: Home, binary_study: Any, trained: Callable[..., dict[str, str]]
) -> Typed:
    """Types the command for the best binary cell of a study that was swept in a home."""
    trained(binary_study)

    def type_in(*flags: str, cell: str = "best:signs") -> Any:
        return cli("hybrid", cell, *flags, "--home", str(home.root))

    return type_in


def test_a_table_is_printed_and_without_a_rule_no_study_written(
    typed: Typed, tmp_path: Path
) -> None:
    answer = typed()
    assert answer.code == 0, answer.err
    assert "cell      signs: inputs binary, seed " in answer.out
    for said in ("layer", "RMSE", "1 - W²", "share of MACs", "fc2", "fc3", "layer-errors.svg"):
        assert said in answer.out
    assert "add --keep N, --budget SHARE, --threshold X or --named NAME" in answer.out
    assert not list(tmp_path.glob("*.yaml"))


def test_the_worst_layer_stays_real_in_a_study_that_the_printed_command_takes(
    typed: Typed, cli: Any, home: Home, tmp_path: Path
) -> None:
    answer = typed("--keep", "1", "--measure", "one_minus_w2")
    assert answer.code == 0, answer.err
    [path] = tmp_path.glob("*.yaml")
    [row] = [line for line in answer.out.splitlines() if "stays real" in line]
    layer = row.split()[0]
    assert path.name == f"signs-hybrid-{layer}.yaml"
    study = load_study(path)
    assert list(study.axes[0].points) == ["binary", f"hybrid-{layer}", "real"]
    assert list(study.axes[1].points) == ["1", "2"]
    [line] = [line for line in answer.out.splitlines() if line.startswith("next")]
    program, *words = shlex.split(line.removeprefix("next"))
    assert program == "bnn-orchestrate"
    assert words == ["sweep", path.name, "--home", str(home.root)]
    assert cli("validate", path.name).out.startswith(f"{path.stem}: no fault; 6 trials")


def test_where_mlflow_takes_nothing_the_study_is_there_and_told(
    typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise StoreError("it does not answer")

    monkeypatch.setattr("orchestrator.results.hybrid.record_errors", fail)
    answer = typed("--keep", "1", "-o", "mine.yaml")
    assert (answer.code, answer.err) == (2, "error: it does not answer\n")
    assert "next      bnn-orchestrate sweep mine.yaml" in answer.out
    assert "MLflow" not in answer.out
    assert load_study(tmp_path / "mine.yaml").name == "mine"


def test_a_file_is_replaced_only_where_that_is_said(typed: Typed, tmp_path: Path) -> None:
    path = tmp_path / "new" / "mine.yaml"
    assert typed("--keep", "1", "-o", str(path)).code == 0
    assert load_study(path).name == "mine"
    path.write_text("mine")
    answer = typed("--keep", "1", "-o", str(path))
    assert (answer.code, answer.out) == (2, "")
    assert "mine.yaml exists; name another file with -o, or add --overwrite" in answer.err
    assert path.read_text() == "mine"
    assert typed("--keep", "1", "-o", str(path), "--overwrite").code == 0
    assert load_study(path).name == "mine"


def test_the_study_of_a_hybrid_is_another_one_than_that_of_its_network(
    typed: Typed, tmp_path: Path
) -> None:
    for name in ("signs", "signs 2"):
        assert typed("--keep", "1", "-o", f"{name}.yaml").code == 0
        assert load_study(tmp_path / f"{name}.yaml").name.startswith("signs-hybrid-fc")


def test_what_proposes_nothing_is_refused_below_the_table(typed: Typed, tmp_path: Path) -> None:
    for flags, told in (
        (("--keep", "2"), "keeps every input real, which is the control"),
        (("--keep", "7"), "the network has 2 layers with binary inputs"),
        (("--budget", "0"), "the worst layer by rmse, has"),
        (("--threshold", "9"), "no layer's rmse is above 9"),
        (("--named", "v2"), "network 'mlp' has no published hybrid"),
    ):
        answer = typed(*flags)
        assert answer.code == 2
        assert told in answer.err
        assert ("fc2" in answer.out) == ("--named" not in flags)
    assert not list(tmp_path.glob("*.yaml"))


def test_a_network_that_is_not_fully_binary_is_refused_with_the_reason(
    typed: Typed, home: Home, binary_study: Any, trained: Callable[..., dict[str, str]]
) -> None:
    answer = typed(cell=trained(binary_study)["real 1"])
    assert answer.code == 2
    assert "all inputs of layers are real" in answer.err
    assert "train it with activations: {name: sign, closed: true}" in answer.err


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--measure", "rmse"), "--measure ranks layers for --keep, --budget or --threshold"),
        (("-o", "a.yaml"), "a study is written only with one of --keep"),
        (("--overwrite",), "a study is written only with one of --keep"),
        (("--keep", "1", "-o", "a.txt"), "-o a.txt: a study's file is named .yaml or .yml"),
        (("--keep", "1", "--budget", "0.5"), "not allowed with argument"),
        (("--keep", "1", "--measure", "rms"), "invalid choice: 'rms'"),
        (("--keep", "1"), "there are no results in"),
    ],
)
def test_flags_that_do_nothing_together_are_refused(
    flags: tuple[str, ...], told: str, refused: Refused
) -> None:
    assert told in refused("hybrid", "best:mine", *flags)


def test_a_number_that_fits_no_network_is_refused_before_results_are_read(
    refused: Refused,
) -> None:
    told = refused("hybrid", "best:a", "--budget", "2")
    assert "--budget  must be between 0 and 1, got 2.0" in told
    told = refused("hybrid", "best:a", "--threshold", "nan")
    assert "--threshold  must be a number, got nan" in told
    assert "--keep  must be 1 or more, got 0" in refused("hybrid", "best:a", "--keep", "0")


def test_a_folder_is_no_file_for_a_study(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").mkdir()
    assert "a.yaml is a folder" in refused("hybrid", "abc", "--keep", "1", "-o", "a.yaml")


def test_an_unknown_run_is_told(typed: Typed) -> None:
    answer = typed(cell="abc")
    assert answer.code == 2
    assert "has no run 'abc'" in answer.err


def test_a_small_share_is_not_shown_as_none() -> None:
    assert [_share(part) for part in (0.0004, 0.001, 0.25)] == ["less than 0.1%", "0.1%", "25.0%"]
