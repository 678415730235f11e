"""The table of views: what each answers, what it needs, and how it looks in a terminal."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from dashboards.analysis import effects as effects_of
from dashboards.analysis import orders, rates, sensitivity, shares, text
from dashboards.analysis.trials import ViewError
from dashboards.chosen import Chosen, chosen
from dashboards.curves import Curve, ReadCurves
from dashboards.matrix import matrix_of
from dashboards.runs import NoResultsError, StudyRuns
from orchestrator import vocabulary

BUDGET_CURVE = "validation/error"


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """A view of a study.

    Args:
        answers: The question that it answers.
        needs: What a study must have.
        frame: Makes its table of cells; raises ViewError if the study does not fit.
        text: The table for a terminal, and sentences.
    """

    answers: str
    needs: str
    frame: Callable[[StudyRuns, Chosen, ReadCurves], pd.DataFrame]
    text: Callable[[pd.DataFrame], text.Shown]


def view_frame(
    name: str,
    runs: StudyRuns,
    read: ReadCurves,
    *,
    metric: str | None = None,
    where: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """The table of a view, with values as fractions.

    Args:
        name: A key of `VIEWS`.
        runs: The recorded study.
        read: Reads curves; only `budget` does.
        metric: As for `result_matrix`.
        where: As for `result_matrix`.

    Raises:
        NoResultsError: If no cell matches, or none has the metric.
        ViewError: If the view does not fit the study; names those that do.
    """
    shown = chosen(runs, metric=metric, where=where)
    try:
        return VIEWS[name].frame(runs, shown, read)
    except ViewError as error:
        others = fitting(runs, metric=metric, where=where)
        way = f"views that fit: {', '.join(others)}" if others else "only its matrix can be shown"
        raise ViewError(f"{error}, which the view '{name}' needs; {way}") from error


def fitting(
    runs: StudyRuns, *, metric: str | None = None, where: Mapping[str, str] | None = None
) -> tuple[str, ...]:
    """The views that fit a study; reads no curve.

    Args:
        runs: The recorded study.
        metric: As for `result_matrix`.
        where: As for `result_matrix`.
    """
    try:
        shown = chosen(runs, metric=metric, where=where)
    except NoResultsError:
        return ()
    return tuple(name for name, view in VIEWS.items() if _fits(view, runs, shown))


def _fits(view: View, runs: StudyRuns, shown: Chosen) -> bool:
    try:
        view.frame(runs, shown, _no_curves)
    except ViewError:
        return False
    return True


def _no_curves(runs: Sequence[str], name: str) -> Mapping[str, Curve]:
    return {}


def _sensitivity(runs: StudyRuns, shown: Chosen, read: ReadCurves) -> pd.DataFrame:
    found = sensitivity.sensitivity(runs, shown)
    found.table.attrs |= {
        "names": found.names,
        "best": found.best,
        "ascending": found.ascending,
        "missing": found.missing,
    }
    return found.table


def _rates(runs: StudyRuns, shown: Chosen, read: ReadCurves) -> pd.DataFrame:
    return rates.rate_curves(runs, shown)


def _positions(runs: StudyRuns, shown: Chosen, read: ReadCurves) -> pd.DataFrame:
    return orders.by_position(orders.orders_of(runs, shown))


def _pairs(runs: StudyRuns, shown: Chosen, read: ReadCurves) -> pd.DataFrame:
    return orders.by_pair(orders.orders_of(runs, shown))


def _budget(runs: StudyRuns, shown: Chosen, read: ReadCurves) -> pd.DataFrame:
    found = orders.orders_of(runs, shown)
    table = orders.under_budget(
        found, read([trial.run_id for trial in found.trials], BUDGET_CURVE)
    )
    table.attrs |= {"metric": BUDGET_CURVE, "better": "lower"}
    return table


def _shares(runs: StudyRuns, shown: Chosen, read: ReadCurves) -> pd.DataFrame:
    return shares.share_curves(runs, shown)


def _effects(runs: StudyRuns, shown: Chosen, read: ReadCurves) -> pd.DataFrame:
    own = runs.tags[vocabulary.METRIC_NAME]
    metric = None if shown.metric == own else shown.metric
    cells = {cell.run_id for cell in shown.cells}
    kept = tuple(cell for cell in runs.cells if cell.run_id in cells)
    return effects_of.effects(matrix_of(runs.with_cells(kept), metric=metric))


VIEWS: Mapping[str, View] = {
    "sensitivity": View(
        answers="How much does one binary layer cost, at which rate?",
        needs=sensitivity.NEEDS,
        frame=_sensitivity,
        text=text.sensitivity_text,
    ),
    "rates": View(
        answers="Which learning rate suits each row?",
        needs=rates.NEEDS,
        frame=_rates,
        text=text.rates_text,
    ),
    "positions": View(
        answers="Which layer should turn binary first, second, ..., last?",
        needs=orders.NEEDS,
        frame=_positions,
        text=text.positions_text,
    ),
    "pairs": View(
        answers="Which of two layers should turn binary first?",
        needs=orders.NEEDS,
        frame=_pairs,
        text=text.pairs_text,
    ),
    "budget": View(
        answers="Which order is best after so many epochs?",
        needs=orders.NEEDS,
        frame=_budget,
        text=text.budget_text,
    ),
    "shares": View(
        answers="How does the share of kept weights change tickets?",
        needs=shares.NEEDS,
        frame=_shares,
        text=text.shares_text,
    ),
    "effects": View(
        answers="What does each row change, against the control?",
        needs=effects_of.NEEDS,
        frame=_effects,
        text=text.effects_text,
    ),
}
