"""The processes that use a journal: each holds a locked file in a folder beside it."""

import os
from pathlib import Path

from trainers.locks import lock


def folder_of(journal: Path) -> Path:
    """The folder with the files of the processes that use a journal."""
    return journal.with_name(f"{journal.name}.holders")


def lives(journal: Path, holder: str) -> bool:
    """Whether a process is alive, that is, still locks its file; without locks nobody can tell.

    Args:
        journal: The journal's file.
        holder: The process's id, which is the name of its file.
    """
    return _is_locked(folder_of(journal) / holder) is not False


def living(journal: Path) -> list[str]:
    """The ids of the processes that certainly use a journal."""
    folder = folder_of(journal)
    files = sorted(folder.glob("[!.]*")) if folder.is_dir() else []
    return [file.name for file in files if _is_locked(file)]


def might_live(journal: Path) -> bool:
    """Whether a process may use a journal; False: certainly none does.

    Args:
        journal: The journal's file.
    """
    folder = folder_of(journal)
    files = folder.glob("[!.]*") if folder.is_dir() else ()
    return any(_is_locked(file) is not False for file in files)


def _is_locked(file: Path) -> bool | None:
    """Whether a process locks a file; None: this file system has no locks."""
    try:
        descriptor = os.open(file, os.O_RDWR)
    except OSError:
        return False
    try:
        taken = lock(descriptor)
        return None if taken is None else not taken
    finally:
        os.close(descriptor)
