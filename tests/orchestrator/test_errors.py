"""What errors say of themselves: whether anything was launched, and the exit code."""

import pytest

from dashboards import NoResultsError
from orchestrator.cli.faults import UsageError
from orchestrator.errors import EXIT_FAILED, EXIT_WRONG, OrchestratorError, after_launch
from orchestrator.free_space import DiskFullError
from orchestrator.launch import ResourceError
from orchestrator.mlflow_reader.reader import StoreError
from orchestrator.planning.disk_check import NoRoomError
from orchestrator.record.delivery_lock import InUseError
from orchestrator.record.journal import JournalError
from orchestrator.study.catalog import StudyError
from orchestrator.study.checkpointing import StorageError
from trainers.errors import SpecError

REFUSALS = (
    InUseError,
    JournalError,
    NoResultsError,
    NoRoomError,
    ResourceError,
    StorageError,
    StoreError,
    StudyError,
    UsageError,
)


@pytest.mark.parametrize("kind", REFUSALS)
def test_what_is_refused_before_anything_is_launched_was_a_wrong_request(
    kind: type[OrchestratorError],
) -> None:
    error = kind("why")
    assert not error.launched
    assert error.exit_code == EXIT_WRONG


def test_a_disk_fills_up_on_the_way() -> None:
    error = DiskFullError("why")
    assert error.launched
    assert error.exit_code == EXIT_FAILED


def test_what_goes_wrong_after_a_launch_says_so() -> None:
    with pytest.raises(StoreError, match="away") as raised, after_launch():
        raise StoreError("away")
    assert raised.value.launched
    assert raised.value.exit_code == EXIT_FAILED
    # Another of its kind does not.
    assert not StoreError("away").launched


def test_other_errors_pass_through_the_block() -> None:
    with pytest.raises(KeyError, match="x"), after_launch():
        raise KeyError("x")


def test_an_error_of_a_study_is_one_of_trainers_too() -> None:
    error = StudyError("a.yaml", "why", in_file=True)
    assert isinstance(error, SpecError)
    assert (error.source, error.hint) == (
        "a.yaml",
        "check again with: bnn-orchestrate validate a.yaml",
    )
    assert StudyError("a.yaml", "why").hint == ""
