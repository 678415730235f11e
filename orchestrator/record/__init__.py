"""From the journal to MLflow, exactly once; the only writer of MLflow."""
