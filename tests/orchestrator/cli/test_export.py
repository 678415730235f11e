"""`export`: what it is told, and what it says."""

from collections.abc import Callable

Refused = Callable[..., str]


def test_a_study_without_results_has_no_best_cell(refused: Refused) -> None:
    assert "there are no results in" in refused("export", "best:mine", "-o", "net.bnn")


def test_a_file_must_be_named_and_a_format_known(refused: Refused) -> None:
    assert "-o/--output" in refused("export", "best:mine")
    assert "invalid choice: 'zip'" in refused("export", "abc", "-o", "f", "--format", "zip")
