"""A study's key `trial`: how many processes train each trial together."""

from dataclasses import dataclass

from trainers.errors import require_at_least


@dataclass(frozen=True, kw_only=True, slots=True)
class Together:
    """How many processes train a trial together; it is no part of what the trial trains.

    Args:
        processes: Processes of each trial. Each trains a part of every batch.
        timeout_s: Seconds after which a process that does not answer the others counts as lost;
            the trial is then retried. It must be longer than what a process does alone between
            two batches, such as writing a checkpoint.

    Raises:
        SpecError: If a number is out of range.
    """

    processes: int = 1
    timeout_s: float = 600.0

    def __post_init__(self) -> None:
        """Checks the numbers."""
        require_at_least(self, {"processes": 1, "timeout_s": 1})
