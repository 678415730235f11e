"""Reads MLflow and nothing else: result matrices, statistics, reports."""

from dashboards.matrix import result_matrix
from dashboards.runs import NoResultsError

__all__ = ["NoResultsError", "result_matrix"]
