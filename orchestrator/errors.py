"""What can be expected to go wrong, and the exit code that goes with it; imports nothing.

Each error is defined where it is raised. Here is what they have in common.
"""

from collections.abc import Iterator
from contextlib import contextmanager

EXIT_FAILED, EXIT_WRONG, EXIT_INTERRUPTED = 1, 2, 130


class OrchestratorError(RuntimeError):
    """Something that can be expected to go wrong: its message alone says what to do.

    Attributes:
        launched: Whether anything may have been launched by then.
        source: What it is about, such as a study; empty: the message says so.
        hint: What to type next; empty: the message says so.
    """

    launched = False
    source = ""
    hint = ""

    @property
    def exit_code(self) -> int:
        """What a command ends with; a request is wrong only where nothing was launched."""
        return EXIT_FAILED if self.launched else EXIT_WRONG


@contextmanager
def after_launch() -> Iterator[None]:
    """A block that begins when something was launched: errors that leave it say so."""
    try:
        yield
    except OrchestratorError as error:
        error.launched = True
        raise
