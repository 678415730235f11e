"""Decodes ImageNet once, for studies that say `packed: true`."""

import io
import tempfile
from collections.abc import Callable
from pathlib import Path

from orchestrator.datasets.errors import PrepareError
from orchestrator.free_space import existing, free_bytes, size_text, told_if_full
from trainers.data.cache import cached_images, chosen_folders
from trainers.data.imagenet import VAL, packed_form
from trainers.data.listing import Listing, list_images
from trainers.data.parts import TRAIN
from trainers.errors import MissingDataError

LOOKED_AT = 1000
"""Photographs of each part whose height and width tell how much room all of them need."""


def pack(data_dir: Path, *, folder: str, shorter_side: int, told: Callable[[str], None]) -> int:
    """Packs `train` and `val`, or what of it is not packed yet; returns how many photographs.

    They go into a folder that the user chose, and never elsewhere: they may be 340 GB.

    Raises:
        MissingDataError: If a folder is missing, or files in it cannot be used.
        PrepareError: If no such folder is writable, or the disk has less room than they need.
        DiskFullError: If the disk is full.
    """
    listings = [list_images(data_dir / folder / part) for part in (TRAIN, VAL)]
    form = packed_form(shorter_side)
    missing: list[Listing] = []
    for listing in listings:
        try:
            cached_images(listing, form, data_dir=data_dir, decodes=False)
        except MissingDataError:
            missing.append(listing)
    if missing:
        into = _writable(data_dir)
        needed = sum(_needed(listing, shorter_side) for listing in missing)
        free = free_bytes(into)
        if needed > free:
            raise PrepareError(
                f"this needs about {size_text(needed)} in {into}, but {size_text(free)} are free; "
                "make room, or train without packed: true"
            )
    for listing in missing:
        told(
            f"decoding {len(listing.files):,} photographs of {listing.folder} into {into}; both "
            f"parts need about {size_text(needed)} of the {size_text(free)} that are free"
        )
        with told_if_full(into):
            cached_images(listing, form, data_dir=data_dir, into=into)
    return sum(len(listing.files) for listing in listings)


def _writable(data_dir: Path) -> Path:
    """The first cache folder that the user chose and that takes a file.

    Raises:
        PrepareError: If none does; says why.
    """
    reasons = []
    for folder in chosen_folders(data_dir):
        try:
            with tempfile.TemporaryFile(dir=existing(folder)):
                return folder
        except OSError as error:
            reasons.append(f"{folder}: {error.strerror or error}")
    what = f"packed photographs cannot be written ({'; '.join(reasons)})"
    raise PrepareError(
        f"{what}; make the data folder writable, or set BNN_CACHE_DIR to another one"
    )


def _needed(listing: Listing, shorter_side: int) -> float:
    """About how many bytes the photographs have when they are packed."""
    from PIL import Image

    step = max(1, len(listing.files) // LOOKED_AT)
    looked_at = listing.files[::step]
    total = 0.0
    for file in looked_at:
        try:
            with Image.open(io.BytesIO((listing.folder / file.name).read_bytes())) as opened:
                width, height = opened.size
        # What is damaged is named with all others when it is decoded.
        except (OSError, ValueError, Image.DecompressionBombError):
            width = height = 1
        total += 3 * shorter_side**2 * max(width, height) / min(width, height)
    return total / len(looked_at) * len(listing.files)
