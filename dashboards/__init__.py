"""Result matrices, statistics and reports, read from MLflow only."""

from dashboards.matrix import result_matrix
from dashboards.runs import NoResultsError

__all__ = ["NoResultsError", "result_matrix"]
