"""What each row of an ablation does: its difference to the control, sorted, with intervals."""

import math

import pandas as pd

from dashboards.analysis.trials import ViewError
from dashboards.comparison import compare

NEEDS = "a control that the study names (matrix: {control: ROW})"


def effects(matrix: pd.DataFrame) -> pd.DataFrame:
    """Each row less the control, the best first.

    Args:
        matrix: The result of `result_matrix`.

    Returns:
        Row by `mean` (of the paired differences), `low`, `high` (all intervals together hold the
        true values in 95 of 100 studies), `n`, `differs` (None: no verdict), `is_not_worse`
        (None: no margin, or no verdict), `refusal`. Its `attrs` hold `title`, `metric`, `better`,
        `control`, `margin` (in the metric's unit) and `level`.

    Raises:
        ViewError: If the study names no control.
    """
    found = compare(matrix)
    if found is None:
        raise ViewError(f"{matrix.attrs['title']} lacks {NEEDS}")
    columns = ["mean", "low", "high", "n", "differs", "is_not_worse", "refusal"]
    sign = 1 if matrix.attrs["better"] == "lower" else -1
    ranked = sorted(
        found.differences,
        key=lambda one: math.inf if math.isnan(one.mean) else sign * one.mean,
    )
    frame = pd.DataFrame(
        [[getattr(one, column) for column in columns] for one in ranked],
        index=pd.Index([one.row for one in ranked], name=matrix.index.name),
        columns=columns,
    )
    kept = ("title", "metric", "better")
    frame.attrs = {key: matrix.attrs[key] for key in kept}
    frame.attrs |= {"control": found.control, "margin": found.margin, "level": found.level}
    return frame
