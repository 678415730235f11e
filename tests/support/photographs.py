"""Folders laid out as ImageNet, of tiny JPEGs."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

WNIDS = ("n01440764", "n01443537", "n02105855")


def photograph(path: Path, *, seed: int, size: tuple[int, int] = (40, 30)) -> None:
    """Writes a JPEG of random blocks of colour; size is width and height."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(photograph_bytes(seed=seed, size=size))


def photograph_bytes(*, seed: int, size: tuple[int, int] = (40, 30)) -> bytes:
    """The bytes of the same JPEG."""
    target = io.BytesIO()
    blocks = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    Image.fromarray(blocks).resize(size, Image.Resampling.BILINEAR).save(
        target, "JPEG", quality=92
    )
    return target.getvalue()


def lay_out(root: Path, *, train: int = 4, val: int = 2) -> None:
    """Writes `train/WNID/` and `val/WNID/` with so many photographs each, of several shapes."""
    number = 0
    for part, num in (("train", train), ("val", val)):
        for wnid in WNIDS:
            for index in range(num):
                number += 1
                shape = ((40, 30), (30, 44), (33, 33))[number % 3]
                name = f"{wnid}_{index}.JPEG" if part == "train" else f"val_{number:08d}.JPEG"
                photograph(root / part / wnid / name, seed=number, size=shape)
