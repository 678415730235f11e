"""Compares archives with their published checksums; a preparation that goes on asks only once."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from orchestrator.datasets.errors import PrepareError
from trainers.storage import write_atomically

PUBLISHED = {
    "ILSVRC2012_img_train.tar": "1d675b47d978889d74fa0da5fadfb00e",
    "ILSVRC2012_img_val.tar": "29b22e2961454d5413ddabcf34fc5622",
    "ILSVRC2012_devkit_t12.tar.gz": "fa75699e90414af021442c21a62c3abf",
}
"""MD5 of each archive, as torchvision has them."""
CHECKED = ".checked.json"
AT_ONCE = 1 << 24


def check_published(archive: Path, to: Path, *, told: Callable[[str], None]) -> None:
    """Compares an archive with the published one of its name; others are not compared.

    Args:
        archive: The archive.
        to: Remembers in a hidden file which archives were right.
        told: Called before a file is read, which takes minutes.

    Raises:
        PrepareError: If it is another one.
    """
    wanted = PUBLISHED.get(archive.name)
    if wanted is None:
        return
    status = archive.stat()
    mark = [str(archive.absolute()), status.st_size, status.st_mtime_ns, wanted]
    known = _known(to / CHECKED)
    if mark in known:
        return
    told(f"comparing {archive} with its published checksum; --no-checksum leaves this out")
    found = hashlib.md5(usedforsecurity=False)
    try:
        with archive.open("rb") as file:
            while part := file.read(AT_ONCE):
                found.update(part)
    except OSError as error:
        raise PrepareError(f"{archive} cannot be read ({error.strerror or error})") from error
    if found.hexdigest() != wanted:
        raise PrepareError(
            f"{archive} is not the published archive: its MD5 is {found.hexdigest()}, published "
            f"is {wanted}; copy it again, or take it as it is with --no-checksum"
        )
    to.mkdir(parents=True, exist_ok=True)
    write_atomically(to / CHECKED, json.dumps([*known, mark]).encode())


def _known(path: Path) -> list[object]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return []
    return found if isinstance(found, list) else []
