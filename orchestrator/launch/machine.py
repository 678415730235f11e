"""The folder for the files of an embedded Ray, known before Ray is imported."""

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from orchestrator.launch.resources import ResourceError

LONGEST_RAY_FOLDER = 23
"""Most characters: Ray adds up to 84 for its sockets, and a socket's path may have 107."""
SESSION_PREFIX = "bnn"
SYSTEM_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")


def session_parent(folder: Path) -> Path:
    """The folder for a session's files: in the home, else a system folder with a short path.

    Args:
        folder: The folder in the home.

    Raises:
        ResourceError: If no folder can be used, or Ray cannot start Python where it is.
    """
    if any(sign.isspace() for sign in sys.prefix):
        what = f"Ray cannot start workers in {sys.prefix}, because its path has a blank"
        raise ResourceError(f"{what}; make the environment in a folder without one")
    tried = []
    for candidate in _candidates(folder):
        # The folder in the home is made when it is needed.
        why = _unusable(candidate, exists=candidate != folder.absolute())
        if not why:
            return candidate
        tried.append(f"{candidate} ({why})")
    what = "Ray needs a folder for its sockets with a short path, and none can be used"
    hint = f"set TMPDIR to a folder of at most {LONGEST_RAY_FOLDER} characters"
    raise ResourceError(f"{what}: {', '.join(tried)}; {hint}")


def _candidates(folder: Path) -> Iterator[Path]:
    yield folder.absolute()
    seen = set()
    for name in (os.environ.get("TMPDIR", ""), *SYSTEM_FOLDERS):
        path = Path(name).absolute()
        if name and path not in seen:
            seen.add(path)
            yield path


def _unusable(folder: Path, *, exists: bool) -> str:
    """Why Ray cannot keep a session in a folder; empty: it can."""
    path = str(folder)
    if len(path) > LONGEST_RAY_FOLDER:
        return f"its path has {len(path)} characters"
    # Other signs mean something in addresses, or to the commands that Ray runs.
    if not re.fullmatch(r"[A-Za-z0-9/._-]+", path):
        return "its path has a blank or a special character"
    parent = next(place for place in (folder, *folder.parents) if place.exists())
    if parent != folder and exists:
        return "it does not exist"
    if not os.access(parent, os.W_OK | os.X_OK):
        return "it cannot be written to"
    return ""


def session_folder(folder: Path) -> Path:
    """Makes a folder for one session; removes those of drivers that were killed.

    Args:
        folder: Where sessions would be kept, if the path is short enough.

    Raises:
        ResourceError: If no folder can be used.
    """
    parent = session_parent(folder)
    parent.mkdir(parents=True, exist_ok=True)
    for leftover in parent.glob(f"{SESSION_PREFIX}*-*"):
        pid = leftover.name.removeprefix(SESSION_PREFIX).partition("-")[0]
        if pid.isdecimal() and not Path("/proc", pid).exists():
            shutil.rmtree(leftover, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{SESSION_PREFIX}{os.getpid()}-", dir=parent))
