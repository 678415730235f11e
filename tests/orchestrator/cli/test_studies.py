"""`studies`: what comes with the package."""

from collections.abc import Callable
from typing import Any

from orchestrator.study.catalog import study_files


def test_all_studies_are_listed_with_their_questions(cli: Callable[..., Any]) -> None:
    answer = cli("studies")
    assert answer.code == 0
    for name in study_files():
        assert name in answer.out
    assert "?" in answer.out
