"""MLflow's memory, in each process, of where the artifacts of runs lie."""


def forget_artifact_places() -> None:
    """Makes MLflow's clients look up again where the artifacts of each run lie.

    They know runs by their ids alone. Those of a copied home are the same, and a home may have
    been moved since.
    """
    # Only here: `client` sets what MLflow reads when it is imported first.
    from mlflow.tracking._tracking_service import utils

    utils._artifact_repos_cache.clear()
