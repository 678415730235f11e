"""Logs the results of a protocol's stages on the MLflow runs of their studies."""

import time
from collections.abc import Mapping

import pandas as pd

from dashboards.stages import with_best
from orchestrator import vocabulary
from orchestrator.protocol.stages import Sensitivities
from orchestrator.record.store import Store


def publish_sensitivities(store: Store, found: Sensitivities) -> None:
    """Logs the table of layer by learning rate, and the resulting orders, on the stage's run."""
    run_id, stem = found.table.attrs["run_id"], vocabulary.SENSITIVITY_ARTIFACT
    _publish_table(store, run_id, found.table.reset_index(), stem)
    store.log_text(run_id, found.to_json(), f"{stem}-orders.json")
    if found.kendall_tau is not None:
        values = {"sensitivity/kendall_tau": found.kendall_tau}
        store.log_values(run_id, values, time.time_ns() // 1_000_000)


def publish_rates(store: Store, table: pd.DataFrame) -> None:
    """Logs the table of row by learning rate, and each row's best rate, on the stage's run.

    Args:
        store: The store to write to.
        table: The result of `dashboards.stages.table_of`.
    """
    _publish_table(store, table.attrs["run_id"], with_best(table), vocabulary.RATES_ARTIFACT)


def publish_protocol(
    store: Store, matrices: Mapping[str, pd.DataFrame], table: pd.DataFrame
) -> None:
    """Logs the matrix of all networks on the run of each network's full stage.

    Args:
        store: The store to write to.
        matrices: Network to the result of `dashboards.stages.full_matrix`.
        table: The result of `dashboards.stages.by_network`.
    """
    for matrix in matrices.values():
        _publish_table(store, matrix.attrs["run_id"], table, vocabulary.PROTOCOL_ARTIFACT)


def _publish_table(store: Store, run_id: str, table: pd.DataFrame, stem: str) -> None:
    store.log_table(run_id, table, stem)
    store.log_text(run_id, table.to_csv(index=False, lineterminator="\n"), f"{stem}.csv")
