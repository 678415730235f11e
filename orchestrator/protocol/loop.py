"""The stages of a protocol one after another, each fed by the one before; then their matrix."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import pandas as pd

from dashboards.matrix import result_matrix
from dashboards.stages import by_network, table_of
from orchestrator.errors import OrchestratorError
from orchestrator.execution.options import SweepOptions
from orchestrator.execution.sweep import Outcome, SweepWatcher
from orchestrator.home import Home
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
from orchestrator.results.recorded_sweep import record_matrix, recorded_sweep
from orchestrator.study.spec import StudySpec

STEPS = (*STAGES, MATRIX)


class ProtocolWatcher(Protocol):
    """Shows a protocol to a person."""

    def stage_begins(self, network: str, stage: str) -> SweepWatcher:
        """A stage is swept next; returns who watches its sweep."""

    def stage_ended(self, outcome: Outcome) -> None:
        """Its sweep is over."""

    def ranked(self, found: Sensitivities) -> None:
        """What stage sensitivity found."""

    def rated(self, table: pd.DataFrame) -> None:
        """What stage lr found: row by learning rate."""

    def compared(
        self, matrices: Mapping[str, pd.DataFrame], rates: Mapping[str, Mapping[str, str]]
    ) -> None:
        """The matrix of the full runs of each network, and the learning rate of each row."""


class ProtocolRun:
    """One run of a protocol, for a network or several.

    Args:
        changes: In what its stages differ from their files.
        home: Where results live.
        options: How each stage is swept.
        watcher: Told what happens.
    """

    def __init__(
        self, changes: Changes, home: Home, options: SweepOptions, watcher: ProtocolWatcher
    ) -> None:
        self.changes, self.home, self.options, self.watcher = changes, home, options, watcher
        self.launched = self.failed = self.interrupted = False

    def run(self, networks: Sequence[str], steps: Sequence[str]) -> None:
        """Sweeps the stages, and records what each of them found.

        Afterwards `interrupted` says whether a signal ended it, `failed` whether cells failed.

        Args:
            networks: As `orchestrator.protocol.stages.check_network` takes them.
            steps: Of `STEPS`, in their order.

        Raises:
            StudyError: If a study is wrong; nothing was launched.
            NoResultsError: If a stage lacks what an earlier one finds.
        """
        # Every file is checked before anything starts, not when its stage comes.
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
            # Such as so many failed cells that the next stage cannot be made.
            error.launched = error.launched or self.launched
            raise

    def _check(self, network: str) -> None:
        # It loads the first stage, too.
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
        """What a stage found; the matrix of the full runs comes at the end."""
        if stage == SENSITIVITY:
            found = sensitivities(study, self.home)
            self.watcher.ranked(found)
            publish_sensitivities(Store(self.home), found)
        elif stage == LR:
            table = table_of(study, self.home.tracking_uri, column="lr")
            self.watcher.rated(table)
            publish_rates(Store(self.home), table)

    def _compare(self, networks: Sequence[str]) -> None:
        found = matrices(networks, self.changes, self.home)
        frames = {name: matrix for name, (_, matrix) in found.items()}
        self.watcher.compared(
            frames, {name: rates_of(study) for name, (study, _) in found.items()}
        )
        for study, _ in found.values():
            record_matrix(study, result_matrix(study, self.home.tracking_uri), self.home)
        publish_protocol(Store(self.home), frames, by_network(frames))
