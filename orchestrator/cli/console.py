"""The console that commands print tables to, and whether it is redrawn or written in lines."""

import os
import sys
from collections.abc import Mapping
from typing import IO

from rich.console import Console

LEAST_COLUMNS = 20
MOST_DIGITS = 4
"""Of a size in the environment; a larger one is a mistake."""
_WITHOUT_CURSOR = ("", "dumb", "unknown")
"""Terminals, as TERM names them, on which nothing can be drawn twice."""


def make_console() -> Console:
    """A console on standard output.

    It draws over what it has drawn only in a terminal that can, whatever the environment says of
    colours.
    """
    environment = _sizes_checked(os.environ)
    return Console(
        file=sys.stdout,
        force_jupyter=False,
        force_interactive=can_redraw(sys.stdout, environment),
        _environ=environment,
    )


def can_redraw(stream: IO[str], environment: Mapping[str, str]) -> bool:
    """Whether a stream is a terminal whose lines can be drawn again, and may be."""
    names = ("TTY_COMPATIBLE", "TTY_INTERACTIVE")
    if any(environment.get(name) == "0" for name in names):
        return False
    return stream.isatty() and environment.get("TERM", "").lower() not in _WITHOUT_CURSOR


def _sizes_checked(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without a width or height in which nothing can be read."""
    kept = dict(environment)
    for name, least in (("COLUMNS", LEAST_COLUMNS), ("LINES", 1)):
        text = kept.get(name, "")
        is_size = text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS
        if not is_size or int(text) < least:
            kept.pop(name, None)
    return kept
