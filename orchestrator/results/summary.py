"""What came of a sweep, as plain values: for programs that are told at its end."""

import logging
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from orchestrator.errors import OrchestratorError
from orchestrator.masking import masked

if TYPE_CHECKING:
    from dashboards.runs import StudyLike
    from orchestrator.execution.outcome import Outcome
    from orchestrator.home import Home

log = logging.getLogger(__name__)

FINISHED, FAILURES, INTERRUPTED, ERROR = "finished", "failures", "interrupted", "error"
MOST_FAILURES = 20
"""Failed cells that are named."""
VALIDATION = "selected/validation_error"


def state_of(outcome: "Outcome") -> str:
    """How a sweep ended, in one word: finished, failures or interrupted."""
    if outcome.interrupted:
        return INTERRUPTED
    return FAILURES if outcome.failures else FINISHED


def summary_of(outcome: "Outcome", home: "Home") -> dict[str, Any]:
    """What came of a sweep: study, state, cells by state, seconds, failures, lowest row.

    Args:
        outcome: How it ended.
        home: Where its results are.
    """
    study = outcome.plan.study
    return {
        **_named(study.name, study.title, state_of(outcome)),
        "cells": _counts(outcome),
        "seconds": round(outcome.wall_s, 1),
        "failures": [
            {"cell": failure.name, "reason": failure.reason, "log": str(failure.log)}
            for failure in outcome.failures[:MOST_FAILURES]
        ],
        "waiting_for_mlflow": outcome.num_undelivered,
        # MLflow has not got all of it.
        "lowest": None if outcome.num_undelivered else lowest_row(study, home),
    }


def summary_of_settled(
    study: "StudyLike", title: str, num_cells: int, home: "Home"
) -> dict[str, Any]:
    """The same of a study that had nothing left to train.

    Args:
        study: The study.
        title: Its name, and how it differs from its file.
        num_cells: Its cells, which are all finished.
        home: Where its results are.
    """
    return {
        **_named(study.name, title, FINISHED),
        "cells": _by_state(num_cells, finished=num_cells, failed=0),
        "seconds": 0.0,
        "failures": [],
        "waiting_for_mlflow": 0,
        "lowest": lowest_row(study, home),
    }


def lowest_row(study: "StudyLike", home: "Home") -> dict[str, Any] | None:
    """The row with the lowest mean validation error; None: no cell is finished, or no answer.

    Args:
        study: The study.
        home: Where its results are.
    """
    # Only here, because pandas takes a while to import.
    from dashboards.matrix import result_matrix
    from dashboards.runs import NoResultsError

    try:
        matrix = result_matrix(study, home.tracking_uri, metric=VALIDATION)
    except NoResultsError:
        return None
    except OrchestratorError as error:
        log.warning("the lowest row is not known: %s", masked(str(error)))
        return None
    found = [
        (float(mean), str(row), int(num))
        for row, mean, num in zip(matrix.index, matrix["mean"], matrix["n"], strict=True)
        if not math.isnan(mean)
    ]
    if not matrix.attrs["is_asked"] or not found:
        return None
    lowest, name, num = min(found)
    return {"axis": str(matrix.index.name), "row": name, "validation_error": lowest, "n": num}


def _named(name: str, title: str, state: str) -> dict[str, Any]:
    """The study, what its variant changes in words, and the state."""
    variant = title.removeprefix(name).removeprefix(" · ")
    return {"study": name, "variant": masked(variant), "state": state}


def _counts(outcome: "Outcome") -> Mapping[str, int]:
    plan = outcome.plan
    if plan.num_samples:
        before = min(len(plan.finished), plan.num_cells)
    else:
        before = sum(cell.id in plan.finished for cell in plan.cells)
    failed = len(outcome.failures)
    if not outcome.interrupted and plan.only is None and not plan.num_samples:
        # What this sweep did not train, another one has trained beside it.
        return _by_state(plan.num_cells, finished=plan.num_cells - failed, failed=failed)
    finished = before + outcome.num_finished
    return _by_state(plan.num_cells, finished=finished, failed=failed)


def _by_state(planned: int, *, finished: int, failed: int) -> dict[str, int]:
    remaining = max(0, planned - finished - failed)
    return {"planned": planned, "finished": finished, "failed": failed, "remaining": remaining}
