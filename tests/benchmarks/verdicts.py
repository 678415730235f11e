"""How often a matrix of equal rows is told apart, by us and by the lowest mean."""

import numpy as np
import pandas as pd

from dashboards.comparison import compare

NUM_MATRICES = 2000
ROWS = ("binary", "float", "forward", "reverse", "132", "213", "231", "312")
SEEDS = 5


def false_verdicts() -> tuple[float, float]:
    """Shares of simulated matrices of equal rows, in [0, 1].

    Returns:
        Those whose lowest mean is another row's than the control's; those in which any row is
        said to differ from the control.
    """
    source = np.random.default_rng(1)
    columns = ["mean", "std", "n", "best", *(f"seed {number}" for number in range(SEEDS))]
    lowest = told = 0
    for _ in range(NUM_MATRICES):
        values = source.normal(0.02, 0.005, (len(ROWS), SEEDS))
        frame = pd.DataFrame(
            np.hstack([np.zeros((len(ROWS), 4)), values]), index=list(ROWS), columns=columns
        )
        frame.attrs = {
            "metric": "selected/test_error", "better": "lower", "control": ROWS[0],
            "controls": list(ROWS[:2]), "margin": None, "planned": SEEDS,
        }  # fmt: skip
        found = compare(frame)
        assert found is not None
        lowest += bool(values.mean(1).argmin())
        told += any(one.differs for one in found.differences)
    return lowest / NUM_MATRICES, told / NUM_MATRICES
