"""Runs the stages of a protocol in order, then makes their matrix."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import pandas as pd

from dashboards.matrix import result_matrix
from dashboards.stages import by_network, table_of
from orchestrator.errors import OrchestratorError
from orchestrator.execution.options import SweepOptions
from orchestrator.execution.outcome import Outcome, SweepWatcher
from orchestrator.home import Home
from orchestrator.process.waiting import waiting_for
from orchestrator.protocol.publish import (
    publish_protocol,
    publish_rates,
    publish_sensitivities,
)
from orchestrator.protocol.stages import (
    FULL,
    LR,
    MATRIX,
    SENSITIVITY,
    STAGES,
    Changes,
    Sensitivities,
    given_for,
    load_stage,
    matrices,
    rates_of,
    sensitivities,
    unmeasured,
)
from orchestrator.record.store import Store
from orchestrator.results.publish import record_matrix
from orchestrator.results.recorded_sweep import recorded_sweep
from orchestrator.study.spec import StudySpec

STEPS = (*STAGES, MATRIX)
TAKES = "MLflow to take the tables"


class ProtocolWatcher(Protocol):
    """Receives the events of a protocol, to show them to the user."""

    def stage_begins(self, network: str, stage: str) -> SweepWatcher:
        """A stage begins; returns the watcher of its sweep."""

    def stage_ended(self, outcome: Outcome) -> None:
        """The sweep of the stage is over."""

    def ranked(self, found: Sensitivities) -> None:
        """The results of stage sensitivity."""

    def rated(self, table: pd.DataFrame) -> None:
        """The results of stage lr: row by learning rate."""

    def compared(
        self, matrices: Mapping[str, pd.DataFrame], rates: Mapping[str, Mapping[str, str]]
    ) -> None:
        """Each network's matrix of full runs, and the learning rate of each row."""


class ProtocolRun:
    """One run of a protocol, for one network or several.

    Args:
        changes: How the stages differ from their files.
        home: Where results are stored.
        options: How to sweep each stage.
        watcher: Told about the protocol's events.
    """

    def __init__(
        self, changes: Changes, home: Home, options: SweepOptions, watcher: ProtocolWatcher
    ) -> None:
        self.changes, self.home, self.options, self.watcher = changes, home, options, watcher
        self.launched = self.failed = self.interrupted = False

    def run(self, networks: Sequence[str], steps: Sequence[str]) -> None:
        """Sweeps the stages and records the results of each.

        Afterwards `interrupted` says whether a signal stopped it, and `failed` whether any cell
        failed.

        Args:
            networks: Names as for `orchestrator.protocol.stages.check_network`.
            steps: Some of `STEPS`, in their order.

        Raises:
            StudyError: If a study has faults; nothing was launched.
            NoResultsError: If a stage lacks the results of an earlier one.
        """
        # Checks every file before anything starts, not only when its stage begins.
        with waiting_for("the studies to be checked"):
            for network in networks:
                self._check(network)
        try:
            for network in networks:
                for stage in (step for step in steps if step != MATRIX):
                    self._sweep(network, stage)
                    if self.interrupted:
                        return
            if MATRIX in steps:
                self._compare(networks)
        except OrchestratorError as error:
            # For example, too many cells failed to build the next stage.
            error.launched = error.launched or self.launched
            raise

    def _check(self, network: str) -> None:
        # Also loads, and so checks, the first stage.
        given = unmeasured(network, self.changes)
        for stage in (LR, FULL):
            load_stage(network, stage, self.changes, given)

    def _sweep(self, network: str, stage: str) -> None:
        given = given_for(network, stage, self.changes, self.home)
        study = load_stage(network, stage, self.changes, given or None)
        watcher = self.watcher.stage_begins(network, stage)
        outcome = recorded_sweep(study, self.home, self.options, watcher).outcome
        self.launched = True
        self.failed = self.failed or bool(outcome.failures)
        self.interrupted = outcome.interrupted
        self.watcher.stage_ended(outcome)
        if not outcome.interrupted:
            self._record(study, stage)

    def _record(self, study: StudySpec, stage: str) -> None:
        """Shows and records a stage's results; the matrix of full runs comes at the end."""
        if stage == SENSITIVITY:
            found = sensitivities(study, self.home)
            self.watcher.ranked(found)
            with waiting_for(TAKES):
                publish_sensitivities(Store(self.home), found)
        elif stage == LR:
            table = table_of(study, self.home.tracking_uri, column="lr")
            self.watcher.rated(table)
            with waiting_for(TAKES):
                publish_rates(Store(self.home), table)

    def _compare(self, networks: Sequence[str]) -> None:
        found = matrices(networks, self.changes, self.home)
        frames = {name: matrix for name, (_, matrix) in found.items()}
        self.watcher.compared(
            frames, {name: rates_of(study) for name, (study, _) in found.items()}
        )
        for study, _ in found.values():
            record_matrix(study, result_matrix(study, self.home.tracking_uri), self.home)
        with waiting_for(TAKES):
            publish_protocol(Store(self.home), frames, by_network(frames))
