"""How errors are told, and the exit code that goes with each."""

from pathlib import Path

import pytest

from dashboards import NoResultsError
from orchestrator.cli.faults import UsageError, explain
from orchestrator.errors import EXIT_FAILED, EXIT_WRONG, OrchestratorError
from orchestrator.free_space import DiskFullError
from orchestrator.launch import ResourceError
from orchestrator.mlflow_reader.reader import StoreError
from orchestrator.planning.disk_check import NoRoomError
from orchestrator.record.delivery_lock import InUseError
from orchestrator.record.journal import JournalError
from orchestrator.study.catalog import StudyError
from orchestrator.study.checkpointing import StorageError
from trainers.errors import BadLossError, Fault, MissingDataError, SpecError


def test_faults_of_a_study_stand_below_each_other_with_aligned_paths(
    capsys: pytest.CaptureFixture[str],
) -> None:
    faults = (
        Fault("base.weights.name", "unknown weight binarizer 'xnr'", "known: sign, xnor"),
        Fault("retries", "must be 0 or more, got -1"),
    )
    assert explain(StudyError("a.yaml", *faults, in_file=True), trains=True) == EXIT_WRONG
    printed = capsys.readouterr()
    assert printed.out == ""
    lines = printed.err.splitlines()
    assert lines[0] == "a.yaml: 2 faults"
    assert lines[1].split() == [
        "base.weights.name", "unknown", "weight", "binarizer", "'xnr'"
    ]  # fmt: skip
    column = lines[1].index("unknown")
    assert lines[2].index("known: sign") == column
    assert lines[3].index("must be") == column
    way = "check again with: bnn-orchestrate validate a.yaml"
    assert lines[4] == f"nothing was launched; {way}"
    explain(StudyError("a.yaml", *faults, in_file=True), trains=False)
    assert capsys.readouterr().err.splitlines()[4] == way


def test_one_fault_is_no_faults(capsys: pytest.CaptureFixture[str]) -> None:
    explain(StudyError("a.yaml", Fault("x", "is wrong")), trains=True)
    assert capsys.readouterr().err.startswith("a.yaml: 1 fault\n")


def test_what_does_not_stand_in_a_file_is_not_to_be_found_in_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    error = StudyError("a.yaml", "there is no such file")
    explain(error, trains=True)
    assert capsys.readouterr().err.splitlines()[-1] == "nothing was launched"
    explain(error, trains=False)
    assert capsys.readouterr().err.splitlines()[-1] == "  there is no such file"


@pytest.mark.parametrize(
    "error", [SpecError("one thing"), MissingDataError(Fault("", "one thing", "get it"))]
)
@pytest.mark.parametrize("trains", [True, False])
def test_faults_without_a_file_are_told_too(
    error: SpecError, trains: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert explain(error, trains=trains) == EXIT_WRONG
    err = capsys.readouterr().err
    assert err.startswith("error: 1 fault\n  one thing\n")
    assert err.endswith("nothing was launched\n") == trains


@pytest.mark.parametrize(
    "kind",
    [
        InUseError,
        JournalError,
        NoResultsError,
        NoRoomError,
        ResourceError,
        StorageError,
        StoreError,
        UsageError,
    ],
)
def test_what_can_be_expected_to_go_wrong_is_told_without_its_type(
    kind: type[OrchestratorError], capsys: pytest.CaptureFixture[str]
) -> None:
    error = kind("http://me:secret@host does not answer")
    told = "http://***@host does not answer\n"
    assert explain(error, trains=True) == EXIT_WRONG
    assert capsys.readouterr().err == f"error: {told}nothing was launched\n"
    # What launches nothing anyway need not say that it did not.
    assert explain(error, trains=False) == EXIT_WRONG
    assert capsys.readouterr().err == f"error: {told}"
    error.launched = True
    assert explain(error, trains=True) == EXIT_FAILED
    assert capsys.readouterr().err == f"stopped: {told}"


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (BadLossError("the loss is nan\nmore"), "BadLossError: the loss is nan"),
        (FileNotFoundError(2, "No such file", str(Path("/a"))), "FileNotFoundError: [Errno 2]"),
        (ValueError(), "ValueError: no message"),
    ],
)
def test_whatever_else_goes_wrong_is_told_in_one_line_with_a_way_to_more(
    error: Exception, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert explain(error, trains=True) == EXIT_FAILED
    lines = capsys.readouterr().err.splitlines()
    assert what in lines[0]
    assert "-v" in lines[1]
    assert len(lines) == 2


def test_a_disk_that_filled_up_on_the_way_is_no_wrong_request(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert explain(DiskFullError("journal.db cannot be written"), trains=True) == EXIT_FAILED
    assert capsys.readouterr().err == "stopped: journal.db cannot be written\n"
