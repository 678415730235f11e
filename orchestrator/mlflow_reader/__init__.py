"""Reads MLflow: client settings, pages, runs as cells; dashboards use it, too."""
