"""What ends a preparation."""

from orchestrator.errors import OrchestratorError


class PrepareError(OrchestratorError):
    """Archives cannot be prepared: they are missing, damaged, or not those of the data set."""


class StoppedError(OrchestratorError):
    """A preparation that has written classes ended; the same command goes on."""

    launched = True
