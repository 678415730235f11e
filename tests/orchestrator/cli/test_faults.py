"""How errors are told, and the exit code that goes with each."""

from pathlib import Path

import pytest

from dashboards import NoResultsError
from orchestrator.cli.faults import EXIT_FAILED, EXIT_WRONG, UsageError, explain
from orchestrator.free_space import DiskFullError
from orchestrator.launch import ResourceError
from orchestrator.record.journal import JournalError
from orchestrator.record.store import StoreError
from orchestrator.study.catalog import StudyError
from trainers.errors import BadLossError, Fault, MissingDataError, SpecError


def test_faults_of_a_study_stand_below_each_other_with_aligned_paths(
    capsys: pytest.CaptureFixture[str],
) -> None:
    faults = (
        Fault("base.weights.name", "unknown weight binarizer 'xnr'", "known: sign, xnor"),
        Fault("retries", "must be 0 or more, got -1"),
    )
    assert explain(StudyError("a.yaml", *faults)) == EXIT_WRONG
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
    assert lines[4].startswith("nothing was launched")
    assert "bnn-orchestrate validate a.yaml" in lines[4]


def test_one_fault_is_no_faults(capsys: pytest.CaptureFixture[str]) -> None:
    explain(StudyError("a.yaml", Fault("x", "is wrong")))
    assert capsys.readouterr().err.startswith("a.yaml: 1 fault\n")


def test_a_study_that_is_not_there_cannot_be_validated(
    capsys: pytest.CaptureFixture[str],
) -> None:
    explain(StudyError("a.yaml", "there is no such file", is_there=False))
    err = capsys.readouterr().err
    assert err.splitlines()[-1] == "nothing was launched"


@pytest.mark.parametrize(
    "error", [SpecError("one thing"), MissingDataError(Fault("", "one thing", "get it"))]
)
def test_faults_without_a_file_are_told_too(
    error: SpecError, capsys: pytest.CaptureFixture[str]
) -> None:
    assert explain(error) == EXIT_WRONG
    err = capsys.readouterr().err
    assert "one thing" in err
    assert "nothing was launched" in err


@pytest.mark.parametrize(
    "kind", [StoreError, JournalError, ResourceError, NoResultsError, UsageError]
)
def test_what_can_be_expected_to_go_wrong_is_told_without_its_type(
    kind: type[Exception], capsys: pytest.CaptureFixture[str]
) -> None:
    assert explain(kind("it does not answer")) == EXIT_WRONG
    err = capsys.readouterr().err
    assert "error: it does not answer" in err
    assert kind.__name__ not in err


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
    assert explain(error) == EXIT_FAILED
    lines = capsys.readouterr().err.splitlines()
    assert what in lines[0]
    assert "-v" in lines[1]
    assert len(lines) == 2


def test_a_disk_that_filled_up_on_the_way_is_no_wrong_request(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert explain(DiskFullError("journal.db cannot be written")) == EXIT_FAILED
    assert capsys.readouterr().err == "stopped: journal.db cannot be written\n"
