"""Keeps a process on its feet when the folder that it was started in is removed."""

import os


def keep_foothold() -> None:
    """Goes to the root folder if the current folder is gone; libraries ask for its name.

    All paths of a sweep are absolute by then, so nothing else changes.
    """
    if is_folder_gone():
        os.chdir("/")


def is_folder_gone() -> bool:
    """Whether the current folder no longer exists."""
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False
