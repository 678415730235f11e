"""Loads an exported network for MLflow: a `pyfunc` model whose only data is the file.

MLflow imports this module by name to load such a model. It calls `_load_pyfunc` with the path of
the file, then `predict` on the result. Nothing is pickled.
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from trainers.export.load import load_packed

BATCH = 1000
"""Images in a batch."""


class Scores:
    """Computes class scores of images with an exported network.

    Args:
        path: The file.

    Raises:
        SpecError: If the file is not an exported network.
    """

    def __init__(self, path: Path) -> None:
        self.network = load_packed(path)
        self.dtype = next(self.network.parameters()).dtype

    def predict(self, images: ArrayLike, params: object = None) -> NDArray[np.floating]:
        """Logits, (n, classes); a larger one means a likelier class.

        Args:
            images: (n, channels, height, width), normalised as in training.
            params: Passed by MLflow; ignored.
        """
        batch = torch.from_numpy(np.array(images, dtype=np.float64)).to(self.dtype)
        with torch.inference_mode():
            parts = [self.network(part) for part in torch.split(batch, BATCH)]
        scores: NDArray[np.floating] = torch.cat(parts).numpy()
        return scores


def _load_pyfunc(path: str) -> Scores:
    """The loader that MLflow calls."""
    return Scores(Path(path))
