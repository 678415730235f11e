"""Caches values that a command computed, for later commands.

A value is plain data that depends only on given data and on this program. It is stored in the
user's cache folder under a digest of both. Changed sources or another version of torch change the
digest, so no value is ever stale. If the folder cannot be used, values are computed again.
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
"""Packages whose version can change the cached values."""
STAYS_S = 30 * 86400
"""Seconds after which values of another version of the program are deleted."""

log = logging.getLogger(__name__)


def kept(what: str, given: object) -> Any:
    """Returns a cached value, as read from JSON; None if there is none.

    Args:
        what: The kind of value.
        given: Plain data that the value depends on, in addition to this program.
    """
    try:
        text = _file(what, given).read_text(encoding="utf-8")
        return json.loads(text)
    except (OSError, ValueError, RuntimeError):
        return None


def keep(what: str, given: object, value: object) -> None:
    """Stores a value in the cache, if the cache folder can be written.

    Args:
        what: The kind of value.
        given: Plain data that the value depends on, in addition to this program.
        value: Plain data; not None.
    """
    try:
        file = _file(what, given)
        if not file.parent.exists():
            _tidy(file.parent.parent)
        file.parent.mkdir(parents=True, exist_ok=True)
        # Renamed once complete, so that no one reads half a file, even if two commands write it.
        descriptor, name = tempfile.mkstemp(dir=file.parent)
        with os.fdopen(descriptor, "w", encoding="utf-8") as begun:
            json.dump(value, begun)
        os.replace(name, file)
    except (OSError, RuntimeError) as error:
        log.info("%s cannot be cached: %s", what, error)


def cache_folder() -> Path:
    """Returns the folder of the cache, in XDG_CACHE_HOME, else in ~/.cache.

    Raises:
        RuntimeError: If the user's home folder is unknown.
    """
    named = os.environ.get("XDG_CACHE_HOME", "")
    # The rules of XDG_CACHE_HOME say that a relative path counts as unset.
    root = Path(named) if os.path.isabs(named) else Path.home() / ".cache"
    if not root.is_absolute():
        raise RuntimeError(f"the home folder '{Path.home()}' of the user is not absolute")
    return root / "bnn-orchestrate"


@cache
def program() -> str:
    """Returns a digest of this program: its sources, and the versions of Python and packages.

    Raises:
        RuntimeError: If the sources are not files.
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
    """Deletes values of other versions of the program that have not been written for a while."""
    for folder in root.glob("*"):
        if time.time() - folder.stat().st_mtime > STAYS_S:
            shutil.rmtree(folder, ignore_errors=True)
