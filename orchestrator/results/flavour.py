"""An exported network as MLflow loads it: a `pyfunc` model whose data is the file alone.

MLflow imports this module by name when it loads such a model, to predict or to serve; it calls
`_load_pyfunc` with the path of the file, and `predict` of what that returns. Nothing is pickled.
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from trainers.export.load import load_packed

BATCH = 1000
"""Images computed at a time."""


class Scores:
    """Class scores of images, by an exported network.

    Args:
        path: The file.

    Raises:
        SpecError: If it is no exported network.
    """

    def __init__(self, path: Path) -> None:
        self.network = load_packed(path)
        self.dtype = next(self.network.parameters()).dtype

    def predict(self, images: ArrayLike, params: object = None) -> NDArray[np.floating]:
        """Logits, (n, classes): the larger, the likelier the class.

        Args:
            images: (n, channels, height, width), normalised as the network was trained on them.
            params: MLflow's; there are none.
        """
        batch = torch.from_numpy(np.array(images, dtype=np.float64)).to(self.dtype)
        with torch.inference_mode():
            parts = [self.network(part) for part in torch.split(batch, BATCH)]
        scores: NDArray[np.floating] = torch.cat(parts).numpy()
        return scores


def _load_pyfunc(path: str) -> Scores:
    """What MLflow calls."""
    return Scores(Path(path))
