"""Names a recorded cell: by the id of its run, or as the best of a study."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.home import Home

BEST = "best:"


def run_id_of(
    text: str, home: "Home", *, prefers: Callable[[Mapping[str, Any]], bool] | None = None
) -> str:
    """The id of a cell's run.

    Args:
        text: The id itself, best:STUDY, or best:STUDY/ROW.
        home: Where results are stored.
        prefers: Whether a trial, as plain values, goes before others; None: none does.

    Raises:
        NoResultsError: If the study has no such finished cell.
    """
    if not text.startswith(BEST):
        return text
    # Only here, so that a command's flags do not wait for MLflow.
    from dashboards.runs import study_runs
    from orchestrator.results.best import best_cell

    study, slash, row = text.removeprefix(BEST).partition("/")
    runs = study_runs(study, home.tracking_uri)
    return best_cell(runs, row if slash else None, prefers=prefers).run_id
