"""`protocol` as a user types it: mistakes."""

from collections.abc import Callable
from pathlib import Path

import pytest

Refused = Callable[..., str]
Files = Callable[..., str]


@pytest.fixture
def _shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two networks with a whole protocol, one with a part of it."""
    whole = [f"{name}-{s}" for name in ("mnist300", "vgg5") for s in ("sensitivity", "lr", "full")]
    files = {name: Path(f"{name}.yaml") for name in [*whole, "vgg9-lr", "digits-orders"]}
    monkeypatch.setattr("orchestrator.protocol.stages.study_files", lambda: files)


def test_a_protocol_is_of_a_network(refused: Refused) -> None:
    for line in ([], ["--networks", ""], ["--networks", " , "], ["--dry-run"]):
        err = refused("protocol", *line)
        assert "name a network, such as: bnn-orchestrate protocol digits --dry-run" in err
        assert "nothing was launched" in err


@pytest.mark.usefixtures("_shipped")
@pytest.mark.parametrize("line", [["vgg"], ["mnist300", "--networks", "vgg"]])
def test_an_unknown_network_brings_the_nearest_and_the_known(
    line: list[str], refused: Refused
) -> None:
    for flags in ([], ["--dry-run"], ["--only", "matrix"]):
        err = refused("protocol", *line, *flags)
        assert err.startswith("vgg: 1 fault")
        assert "unknown network 'vgg', did you mean 'vgg5'?" in err
        assert "known: mnist300, vgg5" in err
        assert err.endswith("nothing was launched\n")


@pytest.mark.usefixtures("_shipped")
def test_a_network_with_a_part_of_its_stages_is_told_which(refused: Refused) -> None:
    err = refused("protocol", "vgg9")
    assert "'vgg9' has no complete protocol: it has only the stages lr" in err
    assert "sweep vgg9-lr; complete protocols: mnist300, vgg5" in err


def test_where_to_begin_and_one_stage_alone_do_not_go_together(
    refused: Refused, protocol_files: Files
) -> None:
    err = refused("protocol", protocol_files(), "--from", "lr", "--only", "lr")
    assert "--from and --only do not go together" in err
    assert "nothing was launched" in err


@pytest.mark.parametrize("flag", ["--from", "--only"])
def test_an_unknown_stage_brings_the_known(
    flag: str, refused: Refused, protocol_files: Files
) -> None:
    err = refused("protocol", protocol_files(), flag, "rates")
    assert f"argument {flag}: invalid choice: 'rates'" in err
    for stage in ("sensitivity", "lr", "full", "matrix"):
        assert stage in err


@pytest.mark.parametrize("stage", ["sensitivity", "lr", "full"])
def test_a_stage_whose_file_is_missing_is_told_before_anything_starts(
    stage: str, refused: Refused, protocol_files: Files
) -> None:
    network = protocol_files(**{stage: None})
    for flags in ([], ["--dry-run"]):
        err = refused("protocol", network, *flags)
        assert err.startswith(f"./net-{stage}.yaml: 1 fault")
        assert "there is no such file" in err


@pytest.mark.parametrize("stage", ["sensitivity", "lr", "full"])
def test_a_fault_of_any_stage_is_told_before_anything_starts(
    stage: str, refused: Refused, protocol_files: Files
) -> None:
    network = protocol_files(**{stage: {"metric": {"name": "test/eror"}, "retries": -1}})
    err = refused("protocol", network)
    assert err.startswith(f"./net-{stage}.yaml: 2 faults")
    assert "did you mean 'test/error'" in err
    assert f"check again with: bnn-orchestrate validate ./net-{stage}.yaml" in err


def test_a_fault_of_the_second_network_is_told_before_the_first_starts(
    refused: Refused, protocol_files: Files
) -> None:
    good, bad = protocol_files("good"), protocol_files("bad", full={"retries": -1})
    err = refused("protocol", "--networks", f"{good},{bad}")
    assert err.startswith("./bad-full.yaml: 1 fault")


def test_an_order_that_no_stage_measures_is_no_order(
    refused: Refused, protocol_files: Files
) -> None:
    axis = {"name": "order", "sets": "layers.order", "permutations": ["acsend"]}
    err = refused("protocol", protocol_files(lr={"axes": [axis]}))
    assert err.startswith("./net-lr.yaml: ")
    assert "'acsend' is no order of layers 1 to 3" in err


def test_a_rate_for_an_order_that_is_searched_too_is_refused(
    refused: Refused, protocol_files: Files
) -> None:
    err = refused("protocol", protocol_files(), "--set", "base.optimizer.lr=0.5")
    assert "--set base.optimizer.lr" in err
    assert "does nothing: the axis lr sets it in every trial" in err
    assert "axes.lr.values" in err


@pytest.mark.parametrize(
    ("flag", "what"),
    [
        ("--set=base.epochs", "expected key.path=value"),
        ("--set=base.epoks=3", "did you mean 'epochs'"),
        ("--seeds=1,1", "expected different seeds"),
        ("--seeds=a", "--seeds"),
        ("--scale-epochs=2", "expected a factor in (0, 1], got 2"),
        ("--concurrency=0", "--concurrency must be 1 or more, got 0"),
        ("--cpus-per-trial=0", "more than 0"),
    ],
)
def test_a_flag_that_makes_no_sense_is_refused(
    flag: str, what: str, refused: Refused, protocol_files: Files
) -> None:
    err = refused("protocol", protocol_files(), flag)
    assert what in err


@pytest.mark.parametrize(
    ("flags", "earlier"),
    [
        (["--from", "lr"], "sensitivity"),
        (["--only", "lr"], "sensitivity"),
        (["--from", "full"], "sensitivity"),
        (["--only", "matrix"], "sensitivity"),
    ],
    ids=" ".join,
)
def test_a_stage_without_those_before_it_is_told_what_to_run(
    flags: list[str], earlier: str, refused: Refused, protocol_files: Files, home_folder: Path
) -> None:
    err = refused("protocol", protocol_files(), *flags)
    assert f"no results in {home_folder / 'mlflow.db'}" in err
    assert f"run stage {earlier} first" in err
    assert "nothing was launched" in err
