"""What a user has to know while data are read: downloads, and what was decided about odd pictures.

The command line shows these messages, each once. A program that uses the loaders alone sees them
as any other messages of the module `logging`.
"""

import logging
import os

MOST_SHOWN = 300
"""Most characters of a path, or of a library's error, in a message."""

log = logging.getLogger(__name__)


def tell(text: str) -> None:
    """Tells the user something that is neither an error nor progress."""
    log.warning("%s", text)


def shown(path: "str | os.PathLike[str]") -> str:
    r"""Returns a path for a message: one line of printable text, whatever bytes the name has.

    Bytes that are not UTF-8 are shown as `\xe9`, a line break as `\n`; a long path loses its
    middle.
    """
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    text = "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode("ascii")
        for sign in text
    )
    return _short(text)


def reason_of(error: Exception) -> str:
    """Returns what a library's error says, in one line; a long text loses its middle."""
    return _short(" ".join(str(error).split()) or type(error).__name__)


def _short(text: str) -> str:
    half = MOST_SHOWN // 2
    return text if len(text) <= MOST_SHOWN else f"{text[:half]}...{text[-half:]}"
