"""`sweep`: what is refused before anything is launched or written."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torchvision

from orchestrator.cli.main import _parser
from orchestrator.execution.outcome import Outcome
from orchestrator.home import Home
from orchestrator.mlflow_reader.reader import StoreError
from orchestrator.planning.planning import plan
from orchestrator.process import signals
from orchestrator.study.expansion import expand
from orchestrator.study.spec import StudySpec

Refused = Callable[..., str]
File = Callable[..., str]


@pytest.mark.parametrize(
    ("flag", "value", "what"),
    [
        ("--cpus-per-trial", "0", "more than 0"),
        ("--cpus-per-trial", "two", "expected a number, got 'two'"),
        ("--cpus-per-trial", "inf", "0 or more"),
        ("--cpus-per-trial", "nan", "0 or more"),
        ("--gpus-per-trial", "-1", "0 or more, got -1; or write auto"),
        ("--gpus-per-trial", "Auto", "expected a number, got 'Auto'; or write auto"),
        ("--concurrency", "0", "1 or more"),
        ("--concurrency", "many", "many"),
        ("--min-nodes", "-1", "0 or more"),
        ("--min-nodes", "two", "two"),
        ("--min-nodes", "2", "add --ray-address"),
    ],
)
def test_resources_that_make_no_sense_are_refused(
    flag: str, value: str, what: str, refused: Refused, file: File
) -> None:
    err = refused("sweep", file(), f"{flag}={value}")
    assert flag in err
    assert what in err


def test_a_cluster_and_its_storage_may_be_named_by_variables(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, text in (("RAY_ADDRESS", "head:1"), ("MIN_NODES", "3"), ("STORAGE", "s3://b/c")):
        monkeypatch.setenv(f"BNN_{name}", text)
    named = _parser().parse_args(["sweep", "digits-orders"])
    assert (named.ray_address, named.min_nodes, named.storage) == ("head:1", 3, "s3://b/c")
    flags = ["--ray-address", "other:1", "--min-nodes", "0", "--storage", "here"]
    named = _parser().parse_args(["sweep", "digits-orders", *flags])
    assert (named.ray_address, named.min_nodes, named.storage) == ("other:1", 0, "here")


def test_a_variable_with_a_wrong_number_is_refused(
    monkeypatch: pytest.MonkeyPatch, refused: Refused, file: File
) -> None:
    monkeypatch.setenv("BNN_MIN_NODES", "some")
    assert "--min-nodes: invalid int value: 'some'" in refused("sweep", file())


def test_a_search_has_no_failed_cells_to_try_again(refused: Refused) -> None:
    err = refused("sweep", "mnist300-lr-search", "--retry-failed")
    assert "--retry-failed does not work for a search" in err


@pytest.fixture
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a network: what torchvision raises after its last mirror."""

    def download(data: object) -> None:
        raise RuntimeError("Error downloading train-images-idx3-ubyte.gz")

    monkeypatch.setattr(torchvision.datasets.MNIST, "download", download)


@pytest.mark.slow
def test_a_trial_that_asks_for_more_cpus_than_there_are_is_refused(
    cli: Callable[..., Any], file: File
) -> None:
    have = len(os.sched_getaffinity(0))
    answer = cli("sweep", file(), "--cpus-per-trial", str(have + 62))
    assert answer.code == 2
    assert f"a trial asks for {have + 62} CPUs, but no node has more than {have}" in answer.err
    assert "lower --cpus-per-trial" in answer.err
    assert "nothing was launched" in answer.err


@pytest.mark.slow
@pytest.mark.usefixtures("_no_network")
def test_data_that_is_missing_is_said_before_anything_starts(
    cli: Callable[..., Any], tmp_path: Path
) -> None:
    folder = tmp_path / "no-data"
    answer = cli("sweep", "mnist300-orders", "--data-dir", str(folder))
    assert answer.code == 2
    assert "MNIST is missing" in answer.err
    assert str(folder) in answer.err
    assert "Error downloading" in answer.err
    assert "--data-dir" in answer.err
    assert "digits-orders needs no files" in answer.err
    assert "nothing was launched" in answer.err


@pytest.mark.slow
@pytest.mark.usefixtures("_no_network")
@pytest.mark.parametrize(
    "line",
    [["digits-orders", "--cpus-per-trial", "4096"], ["mnist300-orders", "--data-dir", "no-data"]],
    ids=["too many CPUs", "missing data"],
)
def test_a_sweep_that_is_refused_writes_nothing(line: list[str], refused: Refused) -> None:
    assert "nothing was launched" in refused("sweep", *line)


@pytest.mark.parametrize("command", ["sweep", "protocol", "train"])
def test_a_storage_that_cannot_be_used_is_refused(
    command: str, refused: Refused, file: File
) -> None:
    what = "mnist300" if command == "protocol" else file()
    line = [command, what, "--storage", "s3://me:hunter2@bucket"]
    if command == "train":
        line += ["--trial", "order=float,seed=1"]
    err = refused(*line)
    assert "--storage" in err
    assert "has a secret" in err
    assert "hunter2" not in err
    assert "nothing was launched" in err


@pytest.mark.slow
def test_a_storage_that_takes_nothing_is_said_before_anything_is_written(
    refused: Refused, file: File, tmp_path: Path
) -> None:
    (tmp_path / "a-file").touch()
    err = refused("sweep", file(), "--storage", str(tmp_path / "a-file" / "below"))
    assert "cannot write to" in err


@pytest.mark.slow
def test_a_sweep_that_would_fill_the_disk_is_refused(
    cli: Callable[..., Any], file: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.planning.disk_check.free_bytes", lambda folder: 1_000_000)
    answer = cli("sweep", file())
    assert answer.code == 2
    assert "this needs about" in answer.err
    assert "1.0 MB are free" in answer.err
    assert "--force" in answer.err
    assert "nothing was launched" in answer.err


@pytest.mark.parametrize(("interrupted", "code"), [(False, 0), (True, 130)])
def test_where_mlflow_has_not_got_all_it_is_said_and_no_matrix_is_shown(
    interrupted: bool,
    code: int,
    cli: Callable[..., Any],
    file: File,
    study: StudySpec,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    outcome = Outcome(plan=plan(study), num_undelivered=2, interrupted=interrupted)

    def swept(*arguments: object) -> Outcome:
        return outcome

    def never(*arguments: object) -> None:
        raise AssertionError("MLflow is not to be asked")

    monkeypatch.setattr("orchestrator.results.recorded_sweep.train_what_is_left", swept)
    monkeypatch.setattr("orchestrator.results.publish.matrix_of_finished", never)
    answer = cli("sweep", file())
    assert answer.code == code
    assert "the matrix is shown once MLflow has the results" in answer.out
    assert "MLflow lacks results of 2 cells; they are safe in" in answer.out
    assert "bnn-orchestrate sync" in answer.out
    assert ("interrupted; resume with:" in answer.out) == interrupted


def test_what_goes_wrong_when_all_is_trained_was_no_wrong_request(
    cli: Callable[..., Any], file: File, study: StudySpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    def swept(*arguments: object) -> Outcome:
        return Outcome(plan=plan(study))

    def away(*arguments: object) -> None:
        raise StoreError("it does not answer")

    monkeypatch.setattr("orchestrator.results.recorded_sweep.train_what_is_left", swept)
    monkeypatch.setattr(
        "orchestrator.results.publish.matrix_of_finished", lambda *others: pd.DataFrame()
    )
    monkeypatch.setattr("orchestrator.results.publish.record_matrix", away)
    monkeypatch.setattr("orchestrator.cli.sweep._show_matrix", lambda *others: None)
    answer = cli("sweep", file())
    assert (answer.code, answer.err) == (1, "stopped: it does not answer\n")


def test_a_server_that_is_away_at_the_end_keeps_the_matrix_back_and_nothing_else(
    cli: Callable[..., Any], file: File, study: StudySpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    def swept(*arguments: object) -> Outcome:
        return Outcome(plan=plan(study), num_finished=1)

    def away(*arguments: object) -> None:
        raise StoreError("http://host: refused")

    monkeypatch.setattr("orchestrator.results.recorded_sweep.train_what_is_left", swept)
    monkeypatch.setattr("orchestrator.results.publish.matrix_of_finished", away)
    answer = cli("sweep", file())
    assert (answer.code, answer.err) == (0, "")
    assert "the matrix cannot be shown now: http://host: refused" in answer.out
    assert "compare   bnn-orchestrate ui" in answer.out


@pytest.mark.slow
def test_what_is_left_of_a_finished_study_is_known_without_reading_it_again(
    cli: Callable[..., Any],
    file: File,
    home: Home,
    study: StudySpec,
    record: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record(study, {" ".join(cell.labels.values()): 0.25 for cell in expand(study)})
    line = ("sweep", file(), "--home", str(home.root))
    # The first one delivers the tags of the study.
    first, second = cli(*line), cli(*line)
    assert first.code == 0, first.err
    assert "nothing left to do" in first.out
    assert second == first
    with monkeypatch.context() as patch:
        patch.setattr("orchestrator.study.catalog.load_variant", _never)
        assert cli(*line) == first
    # What is wrong all the same is still said.
    assert "a trial asks for 4096 CPUs" in cli(*line, "--cpus-per-trial", "4096").err
    (tmp_path / "a-file").touch()
    storage = str(tmp_path / "a-file" / "below")
    assert "cannot write to" in cli(*line, "--storage", storage).err


def _never(*arguments: object, **more: object) -> None:
    raise AssertionError("this is not to be called")


@pytest.mark.parametrize("uri", [None, "http://me:hunter2@host:1"])
def test_what_is_to_be_typed_next_names_the_home_and_no_password(
    uri: str | None,
    cli: Callable[..., Any],
    file: File,
    study: StudySpec,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    outcome = Outcome(plan=plan(study), num_undelivered=2, interrupted=True)
    monkeypatch.setattr(
        "orchestrator.results.recorded_sweep.train_what_is_left", lambda *others: outcome
    )
    line = ["sweep", file(), "--home", "a home"]
    out = cli(*line, *(["--tracking-uri", uri] if uri else [])).out
    assert "or with: bnn-orchestrate sync --home 'a home'\n" in out
    assert "compare   bnn-orchestrate ui tiny --home 'a home'\n" in out
    assert f"resume with: bnn-orchestrate sweep {line[1]} --home 'a home'\n" in out
    hint = "first set MLFLOW_TRACKING_URI to http://***@host:1, whose password is not shown"
    assert (hint in out) == (uri is not None)
    assert "hunter2" not in out


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGUSR1, 138)])
def test_a_sweep_that_a_signal_interrupted_has_its_code(
    number: int,
    code: int,
    cli: Callable[..., Any],
    file: File,
    study: StudySpec,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def swept(*arguments: object) -> Outcome:
        # As Tune's loop does.
        with signals.handled_by(lambda number: None):
            signal.raise_signal(number)
        return Outcome(plan=plan(study), num_undelivered=1, interrupted=True)

    def stopped(*arguments: object) -> Outcome:
        signal.raise_signal(number)
        raise AssertionError("it goes on")

    line = ("sweep", file())
    monkeypatch.setattr("orchestrator.results.recorded_sweep.train_what_is_left", swept)
    answer = cli(*line)
    assert answer.code == code
    assert "interrupted; resume with: bnn-orchestrate sweep" in answer.out
    monkeypatch.setattr("orchestrator.results.recorded_sweep.train_what_is_left", stopped)
    answer = cli(*line)
    assert answer.code == code
    name = signal.Signals(number).name
    assert f"interrupted by {name}; finished cells are kept, the same command" in answer.err
