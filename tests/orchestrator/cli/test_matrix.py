"""`matrix`: requests that cannot be answered."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dashboards.analysis.views import VIEWS
from orchestrator.cli.matrix import VIEW_NAMES

Refused = Callable[..., str]


def test_the_views_that_help_names_are_those_there_are() -> None:
    assert tuple(VIEWS) == VIEW_NAMES


@pytest.mark.parametrize("where", ["order", "reverse", ""])
def test_a_choice_of_cells_is_an_axis_and_a_label(where: str, refused: Refused) -> None:
    err = refused("matrix", "digits-orders", f"--where={where}")
    assert f"--where {where}" in err
    assert "expected AXIS=LABEL, such as order=reverse" in err


def test_there_is_no_matrix_without_results(refused: Refused, home_folder: Path) -> None:
    err = refused("matrix", "digits-orders")
    where = home_folder / "mlflow.db"
    assert err == f"error: there are no results in {where}; run a sweep first\n"


def test_views_are_named_in_the_help_and_explained_in_the_docs(cli: Callable[..., Any]) -> None:
    help_text = " ".join(cli("matrix", "--help").out.split())
    page = (Path(__file__).parents[3] / "docs" / "matrix.md").read_text(encoding="utf-8")
    for name, view in VIEWS.items():
        assert name in help_text
        assert f"| `{name}` | {view.answers[0].lower()}{view.answers[1:]}" in page


def test_a_view_is_one_of_the_known(refused: Refused) -> None:
    err = refused("matrix", "digits-orders", "--view", "pair")
    assert "unknown view 'pair', did you mean 'pairs'?" in err


def test_a_view_has_no_latex(refused: Refused, tmp_path: Path) -> None:
    err = refused("matrix", "digits-orders", "--view", "pairs", "--latex", str(tmp_path / "a.tex"))
    assert "--latex writes the matrix, not a view; leave out --view" in err
