"""Paths as people write them: `~` is a home folder, in files and flags that no shell expands."""

import os
from pathlib import Path

from trainers.errors import Fault, SpecError


def expanded(text: str | Path) -> Path:
    """Returns the path with a leading `~` or `~name` replaced by that user's home folder.

    A name that is no user stays: a file may be called `~notes.csv`.

    Raises:
        SpecError: If the path begins with `~/` and nobody knows the home folder.
    """
    path = os.path.expanduser(str(text))
    if path == "~" or path.startswith("~/"):
        what = f"nothing says where the home folder of {path} is"
        raise SpecError(Fault("", what, "set HOME, or write the whole path"))
    return Path(path)
