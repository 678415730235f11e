"""Delivers results from the journal to MLflow exactly once; the only writer of MLflow."""
