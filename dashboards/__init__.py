"""Reads MLflow and nothing else: result matrices, statistics, reports."""
