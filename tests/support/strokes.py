"""A folder of pictures that look like sketches: dark strokes on white, grey PNGs of many sizes."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from sklearn.datasets import load_digits


def draw_sketches(folder: Path, *, train: int, test: int, classes: int = 10) -> None:
    """Draws scikit-learn's handwritten digits, each pixel of ink as strokes to those beside it.

    Args:
        folder: Receives `train/CLASS/` and `val/CLASS/`.
        train: Pictures of each class to train on.
        test: Pictures of each class to test on.
        classes: The first so many digits.
    """
    digits = load_digits()
    for label in range(classes):
        images = digits.images[digits.target == label][: train + test]
        for number, image in enumerate(images):
            part = "train" if number < train else "val"
            path = folder / part / str(label) / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            # 36 to 68 pixels on a side, square or not.
            size = (36 + 8 * (number % 5), 36 + 8 * (number % 3))
            _strokes(image > 7, size).save(path)


def _strokes(ink: np.ndarray, size: tuple[int, int]) -> Image.Image:
    picture = Image.new("L", size, 255)
    pen = ImageDraw.Draw(picture)
    places = [(int(row), int(column)) for row, column in np.argwhere(ink)]
    for row, column in places:
        for other in ((row, column + 1), (row + 1, column), (row + 1, column + 1)):
            if other in places:
                ends = [_place(end, size) for end in ((row, column), other)]
                pen.line(ends, fill=0, width=2)
    return picture


def _place(pixel: tuple[int, int], size: tuple[int, int]) -> tuple[float, float]:
    row, column = pixel
    return (column + 0.5) * size[0] / 8, (row + 0.5) * size[1] / 8
