"""The commands that commands print; typed as printed, in the same folder, they do their work."""

import argparse
import shlex
import sys
from collections.abc import Sequence

from orchestrator.masking import shown_address

PROGRAM = "bnn-orchestrate"


def command(args: argparse.Namespace, *words: str) -> str:
    """A command for the same home and store as this one, as a shell reads it.

    Args:
        args: This command; what it did not name comes from the environment, now as then.
        words: The command and its own arguments.
    """
    flags = [] if args.home is None else _flag("--home", args.home)
    if args.tracking_uri is not None and not has_secret(args):
        flags += _flag("--tracking-uri", args.tracking_uri)
    return _line([*words, *flags])


def same_command(args: argparse.Namespace) -> str:
    """This command as it was typed, without an address that holds a password."""
    words = list(args.typed)
    if has_secret(args):
        words = _without_value(words, args.tracking_uri)
    return _line(words)


def secret_hint(args: argparse.Namespace) -> str:
    """What to do before one types a printed command; empty: nothing."""
    if not has_secret(args):
        return ""
    address = shown_address(args.tracking_uri)
    return f"first set MLFLOW_TRACKING_URI to {address}, whose password is not shown"


def has_secret(args: argparse.Namespace) -> bool:
    """Whether the address of the store was typed with a password in it."""
    uri = args.tracking_uri
    return uri is not None and shown_address(uri) != uri


def _without_value(words: Sequence[str], value: str) -> list[str]:
    """The words without a flag's value, and without the flag, which may be shortened."""
    kept: list[str] = []
    for word in words:
        if word == value and kept and kept[-1].startswith("--t"):
            kept.pop()
        elif not (word.startswith("--t") and word.partition("=")[2] == value):
            kept.append(word)
    return kept


def _flag(name: str, value: str) -> list[str]:
    # A value like a flag must stand in the same word.
    return [f"{name}={value}"] if value.startswith("-") else [name, value]


def _line(words: Sequence[str]) -> str:
    return " ".join([PROGRAM, *map(_quoted, words)])


def _quoted(word: str) -> str:
    """A word as a shell reads it; letters that the output lacks are written as bytes."""
    try:
        word.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        octal = "".join(
            chr(byte) if chr(byte).isalnum() and byte < 128 else f"\\{byte:03o}"
            for byte in word.encode("utf-8", "surrogateescape")
        )
        return f"$'{octal}'"
    return shlex.quote(word)
