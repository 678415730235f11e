"""The stages one after another: what is checked first, what ends them, who is told."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from dashboards.runs import NoResultsError
from orchestrator.execution.listener import Failure
from orchestrator.execution.options import SweepOptions
from orchestrator.execution.outcome import Outcome, Unwatched
from orchestrator.home import Home
from orchestrator.planning.planning import plan
from orchestrator.protocol import loop
from orchestrator.protocol.loop import STEPS, ProtocolRun
from orchestrator.protocol.stages import Changes
from orchestrator.results.recorded_sweep import SweepResult
from orchestrator.study.catalog import StudyError
from orchestrator.study.given import Given
from orchestrator.study.spec import StudySpec

ORDERS = Given(orders={"ascend": (2, 3, 1), "descend": (1, 3, 2)})
FAILURE = Failure(name="float", reason="it broke", log=Path("a.log"))
Ends = Callable[[StudySpec], Mapping[str, Any]]


class Told:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def stage_begins(self, network: str, stage: str) -> Unwatched:
        self.events.append(f"begins {stage}")
        return Unwatched()

    def stage_ended(self, outcome: Outcome) -> None:
        self.events.append("ended")

    def ranked(self, found: object) -> None:
        self.events.append("ranked")

    def rated(self, table: object) -> None:
        self.events.append("rated")

    def compared(self, matrices: object, rates: object) -> None:
        self.events.append("compared")


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def protocol(told: Told, home: Home, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """A protocol whose sweeps end like this, and whose stages find what is needed."""

    def make(ends: Ends = lambda study: {}, lacks: str = "") -> ProtocolRun:
        def swept(study: StudySpec, *others: object) -> SweepResult:
            return SweepResult(outcome=Outcome(plan=plan(study), **ends(study)), matrix=None)

        def given(network: str, stage: str, *others: object) -> Given:
            if stage == lacks:
                raise NoResultsError(f"{stage} lacks something")
            return ORDERS if stage != "sensitivity" else Given()

        monkeypatch.setattr(loop, "recorded_sweep", swept)
        monkeypatch.setattr(loop, "given_for", given)
        # What stages find, and where it is written, is theirs to test.
        for name in ("sensitivities", "table_of", "Store", "publish_sensitivities"):
            monkeypatch.setattr(loop, name, lambda *arguments, **options: None)
        for name in ("publish_rates", "publish_protocol", "by_network"):
            monkeypatch.setattr(loop, name, lambda *arguments, **options: None)
        monkeypatch.setattr(loop, "matrices", lambda *arguments: {})
        return ProtocolRun(Changes(), home, SweepOptions(data_dir=home.data_folder()), told)

    return make


def test_every_stage_is_told_and_then_the_matrix(
    protocol: Callable[..., ProtocolRun], protocol_files: Callable[..., str], told: Told
) -> None:
    run = protocol()
    run.run([protocol_files()], STEPS)
    assert told.events == [
        *("begins sensitivity", "ended", "ranked"),
        *("begins lr", "ended", "rated"),
        *("begins full", "ended"),
        "compared",
    ]
    assert not run.failed
    assert not run.interrupted


def test_every_file_is_checked_before_the_first_stage(
    protocol: Callable[..., ProtocolRun], protocol_files: Callable[..., str], told: Told
) -> None:
    networks = [protocol_files("one"), protocol_files("two", full={"retries": -1})]
    with pytest.raises(StudyError, match="retries: must be 0 or more"):
        protocol().run(networks, STEPS)
    assert told.events == []


def test_nothing_follows_an_interruption(
    protocol: Callable[..., ProtocolRun], protocol_files: Callable[..., str], told: Told
) -> None:
    run = protocol(lambda study: {"interrupted": study.name == "net-lr"})
    run.run([protocol_files()], STEPS)
    assert run.interrupted
    assert told.events[3:] == ["begins lr", "ended"]


def test_failed_cells_of_an_early_stage_are_remembered(
    protocol: Callable[..., ProtocolRun], protocol_files: Callable[..., str], told: Told
) -> None:
    run = protocol(lambda study: {"failures": (FAILURE,) if study.name == "net-lr" else ()})
    run.run([protocol_files()], STEPS)
    assert run.failed
    assert told.events[-1] == "compared"


def test_a_stage_that_cannot_be_made_ends_what_was_launched(
    protocol: Callable[..., ProtocolRun], protocol_files: Callable[..., str], told: Told
) -> None:
    with pytest.raises(NoResultsError, match="full lacks something") as caught:
        protocol(lacks="full").run([protocol_files()], STEPS)
    assert caught.value.launched
    assert told.events[-1] == "rated"


def test_a_stage_that_cannot_be_made_at_the_start_is_an_error(
    protocol: Callable[..., ProtocolRun], protocol_files: Callable[..., str], told: Told
) -> None:
    with pytest.raises(NoResultsError, match="full lacks something") as caught:
        protocol(lacks="full").run([protocol_files()], ("full", "matrix"))
    assert not caught.value.launched
    assert told.events == []
