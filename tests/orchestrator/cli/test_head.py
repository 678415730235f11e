"""The head of a plan."""

import io
from collections.abc import Callable

import pytest
from rich.console import Console

from orchestrator.cli.head import LATER, hours, say_plan
from orchestrator.planning.outlook import Expected
from orchestrator.planning.planning import plan
from orchestrator.study.spec import StudySpec

Head = Callable[..., str]


@pytest.fixture
def head(study: StudySpec) -> Head:
    """What is printed of a study, with how long it will take."""

    def shown(expected: Expected | None, *, of: StudySpec | None = None) -> str:
        console = Console(file=io.StringIO(), record=True, width=100)
        say_plan(console, plan(of or study), slots=2, expected=expected)
        return console.export_text()

    return shown


def _lasts(seconds: float, **changes: object) -> Expected:
    parts: dict[str, object] = {"basis": "from 9 epochs", "trial_seconds": 2 * seconds}
    return Expected(seconds=seconds, **(parts | changes))  # type: ignore[arg-type]


def test_the_time_stands_there_with_what_it_rests_on(head: Head) -> None:
    text = head(_lasts(600))
    assert "time      about 10 min, from 9 epochs\n" in text
    assert "GPU" not in text


def test_hours_of_gpus_stand_there_where_gpus_are_asked_for(head: Head) -> None:
    assert "GPUs      about 2 GPU-hours\n" in head(_lasts(7200, gpus=0.5))
    text = head(_lasts(7200, gpus=1.0, is_rough=True))
    assert f"time      {LATER}\n" in text
    assert "GPU-hours" not in text


def test_without_an_estimate_it_is_known_later(head: Head) -> None:
    assert f"time      {LATER}\n" in head(None)


def test_a_search_lasts_at_most(head: Head, make_search: Callable[..., StudySpec]) -> None:
    assert "time      at most about 10 min" in head(_lasts(600), of=make_search())


@pytest.mark.parametrize(("number", "text"), [(0.123, "0.12"), (7.26, "7.3"), (1234.5, "1,234")])
def test_hours_have_as_many_digits_as_one_reads(number: float, text: str) -> None:
    assert hours(number) == text
