"""Standard output and error that never fail: a command ends for its own reasons alone.

A reader may go away, a disk be full, a terminal vanish, an encoding lack a character. What cannot
be written is lost, and the first reason is kept. What cannot be encoded is written otherwise.
"""

import codecs
import errno
import io
import os
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

PLAINLY = "bnn-orchestrate.plainly"
"""The name of the error handler that writes characters in ASCII."""
EXIT_UNREAD = 128 + signal.SIGPIPE
_PLAIN = {
    "·": "-",
    "±": "+-",
    "×": "x",
    "→": "->",
    "…": "...",
    "–": "-",
    "—": "-",
    "’": "'",
}  # fmt: skip


def _plainly(error: UnicodeError) -> tuple[str, int]:
    """Says in ASCII what cannot be encoded, also half a surrogate, which no encoding has."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end]
    escaped = (letter.encode("ascii", "backslashreplace").decode() for letter in lost)
    return "".join(map(_PLAIN.get, lost, escaped)), error.end


codecs.register_error(PLAINLY, _plainly)


class Lost:
    """What could not be written to an output.

    Attributes:
        reason: The first error; None: everything was written, or the reader went away.
    """

    def __init__(self) -> None:
        self.reason: OSError | None = None
        self.is_closed = False

    def note(self, error: OSError) -> None:
        """Keeps the first error; nothing more is written."""
        if error.errno != errno.EPIPE and not self.is_closed:
            self.reason = error
        self.is_closed = True


_current = Lost()


def end_if_unread() -> None:
    """Ends a command that is of no use without its output, once that takes nothing more.

    Raises:
        SystemExit: If the reader went away, or something was lost.
    """
    if _current.is_closed:
        raise SystemExit(0 if _current.reason else EXIT_UNREAD)


@contextmanager
def steady_output() -> Iterator[Lost]:
    """Within the block, writing to standard output and error raises nothing.

    Yields:
        What standard output has lost; complete once it is flushed.
    """
    _open_standard_descriptors()
    global _current
    lost = _current = Lost()
    before = sys.stdout, sys.stderr
    sys.stdout = _steady(sys.stdout, 1, lost)
    sys.stderr = _steady(sys.stderr, 2, Lost())
    try:
        yield lost
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        sys.stdout, sys.stderr = before


def _open_standard_descriptors() -> None:
    """Opens those that were closed.

    Else the next file, a database perhaps, would get the number, and with it what libraries say.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest free number is this one. What a command starts shall have it too.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def _steady(stream: TextIO | None, descriptor: int, lost: Lost) -> TextIO:
    """A stream to the same file that raises nothing; one of no file only encodes everything."""
    if stream is None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        return _text(_SteadyFile(nowhere, lost), "utf-8", is_terminal=False)
    try:
        number = stream.fileno()
    except (OSError, ValueError):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=PLAINLY)
        return stream
    with suppress(OSError, ValueError):
        stream.flush()
    is_unbuffered = isinstance(stream, io.TextIOWrapper) and stream.write_through
    return _text(
        _SteadyFile(number, lost),
        stream.encoding or "utf-8",
        is_terminal=stream.isatty() or descriptor == 2,
        is_unbuffered=is_unbuffered,
    )


def _text(
    file: "_SteadyFile", encoding: str, *, is_terminal: bool, is_unbuffered: bool = False
) -> TextIO:
    return io.TextIOWrapper(
        io.BufferedWriter(file),
        encoding=encoding,
        errors=PLAINLY,
        line_buffering=is_terminal,
        write_through=is_unbuffered,
    )


class _SteadyFile(io.RawIOBase):
    """A file descriptor that takes everything; closing it leaves the descriptor open."""

    def __init__(self, descriptor: int, lost: Lost) -> None:
        self._descriptor, self._lost = descriptor, lost

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        """Writes all of it, unless something was lost before: no output has holes."""
        view = memoryview(data).cast("B")
        done = 0
        while done < len(view) and not self._lost.is_closed:
            try:
                done += os.write(self._descriptor, view[done:])
            except BlockingIOError:
                # Somebody made the pipe one that does not wait for its reader.
                poll = select.poll()
                poll.register(self._descriptor, select.POLLOUT)
                poll.poll(1000)
            except OSError as error:
                self._lost.note(error)
        return len(view)
