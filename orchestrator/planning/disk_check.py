"""Checks that the disks have room for a sweep, and says so in one line."""

import os
from pathlib import Path

from orchestrator.errors import OrchestratorError
from orchestrator.free_space import existing, free_bytes, size_text
from orchestrator.home import Home
from orchestrator.planning.disk import Need
from trainers.storage import Place


class NoRoomError(OrchestratorError):
    """A sweep would fill the disk before its end."""


def room(need: Need, home: Home, storage: Place, *, force: bool) -> str:
    """Says how much each disk needs and how much is free.

    Args:
        need: The estimate of `orchestrator.planning.disk`.
        home: Where results are stored.
        storage: Where checkpoints are stored.
        force: Continue even if a disk has too little room.

    Raises:
        NoRoomError: If a disk has too little room.
    """
    if isinstance(storage, Path) and _same_disk(storage, home.root):
        wanted = {home.root: need.home + need.checkpoints}
    else:
        wanted = {home.root: need.home}
        if isinstance(storage, Path) and need.checkpoints:
            wanted[storage] = need.checkpoints
    parts: list[str] = []
    for folder, size in wanted.items():
        free = free_bytes(folder)
        parts.append(f"about {size_text(size)}; {size_text(free)} free in {folder}")
        if size > free and not force:
            raise NoRoomError(
                f"this needs about {size_text(size)} in {folder}, but {size_text(free)} are free; "
                "make room, keep fewer checkpoints (--set checkpoint.policy=last), keep them "
                "elsewhere (--storage), or continue anyway with --force"
            )
    if not isinstance(storage, Path) and need.checkpoints:
        parts.append(f"about {size_text(need.checkpoints)} in {storage}")
    return ", and ".join(parts)


def _same_disk(one: Path, other: Path) -> bool:
    return os.stat(existing(one)).st_dev == os.stat(existing(other)).st_dev
