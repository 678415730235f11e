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
        text: The id itself, or best:STUDY.
        home: Where results are stored.
        prefers: Whether a trial, as plain values, goes before others; None: none does.

    Raises:
        NoResultsError: If the study has no finished cell.
    """
    if not text.startswith(BEST):
        return text
    # Only here, so that a command's flags do not wait for MLflow.
    from dashboards.runs import NoResultsError, study_runs
    from orchestrator.vocabulary import SELECTED

    runs = study_runs(text.removeprefix(BEST), home.tracking_uri)
    name = f"{SELECTED}/validation_error"
    cells = [cell for cell in runs.cells if name in cell.metrics]
    if not cells:
        raise NoResultsError(f"no finished cell of {runs.title} has the metric '{name}'")
    if prefers is not None:
        cells = [cell for cell in cells if prefers(cell.trained)] or cells
    return min(cells, key=lambda cell: cell.metrics[name]).run_id
