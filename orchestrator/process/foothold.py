"""Keeps a process on its feet when the folder that it was started in is removed."""

import os


def keep_foothold() -> None:
    """Goes to the root folder if the current folder is gone; libraries ask for its name.

    All paths of a sweep are absolute by then, so nothing else changes.
    """
    if is_folder_gone():
        os.chdir("/")


def leave_folder() -> None:
    """Goes to the root folder while the current one is still there; for workers and their like.

    Tune asks for the current folder whenever it pleases, also between two cells, where none of our
    code runs. All paths that workers get are absolute.
    """
    os.chdir("/")


def is_folder_gone() -> bool:
    """Whether the current folder no longer exists."""
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False
