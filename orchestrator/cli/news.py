"""Shows what the loaders of data tell: downloads, and decisions about odd pictures."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from orchestrator.masking import masked

TOLD_BY = "trainers.data.news"
"""The logger of that module, by name: its import would load PyTorch for every command."""


class _Printed(logging.Handler):
    """Prints each message once; a sweep may load one folder several times."""

    def __init__(self) -> None:
        super().__init__()
        self._told: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Prints a message to stderr, at once."""
        text = masked(record.getMessage())
        if text not in self._told:
            self._told.add(text)
            print(text, file=sys.stderr, flush=True)


@contextmanager
def shown_news() -> Iterator[None]:
    """Prints the messages of the loaders as long as the block runs."""
    logger, handler = logging.getLogger(TOLD_BY), _Printed()
    level, propagates = logger.level, logger.propagate
    logger.addHandler(handler)
    # Commands log errors alone; with `-v` the log would print each message again.
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagates
