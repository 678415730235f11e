"""Reading MLflow: its client's settings, its pages, runs as cells; shared with dashboards."""
