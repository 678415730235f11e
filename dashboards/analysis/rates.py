"""Error against learning rate, for each row of a matrix."""

import math
from collections.abc import Sequence

import pandas as pd

from dashboards.analysis.trials import Trial, ViewError, trials_of
from dashboards.chosen import Chosen
from dashboards.runs import StudyRuns
from dashboards.statistics import summarise
from orchestrator import vocabulary

NEEDS = "an axis of two learning rates or more"


def rate_curves(runs: StudyRuns, shown: Chosen) -> pd.DataFrame:
    """The metric of each row at each learning rate, over all other axes.

    Args:
        runs: The recorded study.
        shown: The cells, and the metric.

    Returns:
        One line for each row and rate: `row`, `label` (of the rate), `lr`, `mean`, `std`, `n`;
        rows in the study's order, rates from large to small. Its `attrs` hold `title`, `metric`,
        `better`, `rows` and `rates` (the names of the two axes).

    Raises:
        ViewError: If the study has no axis of learning rates.
    """
    trials = trials_of(runs, shown)
    axis = rate_axis(runs, trials)
    found: dict[tuple[str, str], list[Trial]] = {}
    for trial in trials:
        found.setdefault((trial.row, trial.labels[axis]), []).append(trial)
    place = {row: number for number, row in enumerate(runs.labels())}
    lines: list[tuple[str, str, float, float, float, int]] = []
    for (row, label), group in found.items():
        summary = summarise([trial.value for trial in group], better=shown.better)
        rate = group[0].rate
        assert rate is not None
        lines.append((row, label, rate, summary.mean, summary.std, summary.n))
    lines.sort(key=lambda line: (place.get(line[0], math.inf), line[0], -line[2]))
    frame = pd.DataFrame(lines, columns=["row", "label", "lr", "mean", "std", "n"])
    frame.attrs = {
        "title": runs.title,
        "metric": shown.metric,
        "better": shown.better,
        "rows": runs.tags[vocabulary.ROWS_AXIS],
        "rates": axis,
    }
    return frame


def by_rate(curves: pd.DataFrame, rows: Sequence[str] = ()) -> pd.DataFrame:
    """The means as a table of row by rate; NaN where no cell is finished.

    Args:
        curves: The result of `rate_curves`.
        rows: All rows in the study's order; others follow.
    """
    wanted = list(dict.fromkeys([*rows, *curves["row"]]))
    order = curves.drop_duplicates("label").sort_values("lr", ascending=False)["label"]
    table = curves.pivot(index="row", columns="label", values="mean").reindex(
        index=wanted, columns=list(order)
    )
    table.index.name, table.columns.name = curves.attrs["rows"], curves.attrs["rates"]
    table.attrs = {**curves.attrs, "n": int(curves["n"].max())}
    return table


def rate_axis(runs: StudyRuns, trials: Sequence[Trial]) -> str:
    """The axis each of whose labels stands for one learning rate.

    Raises:
        ViewError: If there is none.
    """
    rows = runs.tags[vocabulary.ROWS_AXIS]
    counts: dict[str, int] = {}
    for axis in sorted({axis for trial in trials for axis in trial.labels} - {rows}):
        pairs = {(trial.labels.get(axis), trial.rate) for trial in trials}
        labels, rates = ({pair[place] for pair in pairs} for place in (0, 1))
        if len(pairs) == len(labels) == len(rates) and None not in labels | rates:
            counts[axis] = len(labels)
    if max(counts.values(), default=0) < 2:
        raise ViewError(f"{runs.title} lacks {NEEDS} with finished cells")
    return max(counts, key=counts.__getitem__)
