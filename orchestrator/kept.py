"""Keeps what a command worked out, so that the next one need not.

A value is plain data that depends on what is given and on this program alone. It lies in the
user's cache folder, under a digest of both: other sources or another version of torch are another
digest, so nothing is ever out of date. Whatever goes wrong with the folder, the value is worked
out anew.
"""

import contextlib
import hashlib
import json
import logging
import os
import shutil
import sys
import tempfile
import time
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import trainers

PACKAGES = ("torch", "torchvision", "pyyaml")
"""Packages that have a say in what a study comes to."""
STAYS_S = 30 * 86400
"""Seconds after which what another version of the program kept is deleted."""

log = logging.getLogger(__name__)


def kept(what: str, given: object) -> Any:
    """Returns a value that was kept, as JSON gives it back; None if there is none.

    Args:
        what: The kind of value.
        given: Plain data that the value depends on, beside this program.
    """
    try:
        text = _file(what, given).read_text(encoding="utf-8")
        return json.loads(text)
    except (OSError, ValueError, RuntimeError):
        return None


def keep(what: str, given: object, value: object) -> None:
    """Keeps a value, if the cache folder can be written.

    Args:
        what: The kind of value.
        given: Plain data that the value depends on, beside this program.
        value: Plain data; not None.
    """
    try:
        file = _file(what, given)
        if not file.parent.exists():
            _tidy(file.parent.parent)
        file.parent.mkdir(parents=True, exist_ok=True)
        # It appears whole or not at all, also when several commands write it.
        descriptor, name = tempfile.mkstemp(dir=file.parent)
        with os.fdopen(descriptor, "w", encoding="utf-8") as begun:
            json.dump(value, begun)
        os.replace(name, file)
    except (OSError, RuntimeError) as error:
        log.info("%s cannot be kept: %s", what, error)


def cache_folder() -> Path:
    """Returns the folder of all that is kept: XDG_CACHE_HOME, else ~/.cache.

    Raises:
        RuntimeError: If nobody knows where this user's home is.
    """
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "bnn-orchestrate"


@cache
def program() -> str:
    """Returns a digest of this program: its sources, and versions of what it runs on.

    Raises:
        RuntimeError: If it cannot be known, because the sources are no files.
    """
    digest = hashlib.sha256(sys.version.encode())
    for package in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            digest.update(f"{package} {metadata.version(package)}\0".encode())
    for folder in (Path(__file__).parent, Path(trainers.__file__).parent):
        sources = sorted(folder.rglob("*.py"))
        if not sources:
            raise RuntimeError(f"no sources in {folder}")
        for path in sources:
            name = str(path.relative_to(folder)).encode()
            digest.update(name + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _file(what: str, given: object) -> Path:
    text = json.dumps([what, given], sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:32]
    return cache_folder() / program() / f"{what}-{digest}.json"


def _tidy(root: Path) -> None:
    """Deletes what other versions of the program kept, some time after they last did."""
    for folder in root.glob("*"):
        if time.time() - folder.stat().st_mtime > STAYS_S:
            shutil.rmtree(folder, ignore_errors=True)
