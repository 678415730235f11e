"""The base class of expected errors, and the exit codes; imports nothing of this project.

Each error is defined in the module that raises it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

EXIT_FAILED, EXIT_WRONG = 1, 2


class OrchestratorError(RuntimeError):
    """An expected error; its message alone tells the user what to do.

    Attributes:
        launched: Whether anything may have been launched before the error.
        source: The object with the error, such as a study; empty: the message names it.
        hint: What to type next; empty: the message says it.
    """

    launched = False
    source = ""
    hint = ""

    def with_hint(self, hint: str) -> Self:
        """The same error, which also says what to type next."""
        self.hint = hint
        return self

    @property
    def exit_code(self) -> int:
        """The command's exit code: a request counts as wrong only if nothing was launched."""
        return EXIT_FAILED if self.launched else EXIT_WRONG


@contextmanager
def after_launch() -> Iterator[None]:
    """Sets `launched` on errors that leave the block."""
    try:
        yield
    except OrchestratorError as error:
        error.launched = True
        raise
