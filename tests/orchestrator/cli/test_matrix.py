"""`matrix`: requests that cannot be answered."""

from collections.abc import Callable
from pathlib import Path

import pytest

Refused = Callable[..., str]


@pytest.mark.parametrize("where", ["order", "reverse", ""])
def test_a_choice_of_cells_is_an_axis_and_a_label(where: str, refused: Refused) -> None:
    err = refused("matrix", "digits-orders", f"--where={where}")
    assert f"--where {where}" in err
    assert "expected AXIS=LABEL, such as order=reverse" in err


def test_there_is_no_matrix_without_results(refused: Refused, home_folder: Path) -> None:
    err = refused("matrix", "digits-orders")
    assert err == f"error: there are no results in {home_folder / 'mlflow.db'}\n"
