"""How many images evaluation takes at a time: as many as fit where training fits."""

from collections.abc import Callable

import torch

from trainers.engine.memory import is_out_of_memory
from trainers.engine.result import Scores

ROOM = 64 << 20
"""Bytes that evaluation may take beyond what training took. A trial of a small network takes less
than the images of one large batch, and a GPU has several such trials."""


class EvalBatches:
    """The size of evaluation batches, which changes only rounding.

    It begins with what the trial says. On a GPU it doubles from pass to pass until one batch has
    all images, or evaluation takes more memory than training. Where memory is short, it is halved
    until a batch fits.

    Args:
        first: Images per batch, as the trial says.
        peak: The most bytes in use so far, which training has raised before the first pass. None:
            the size never grows.
    """

    def __init__(self, first: int, peak: Callable[[], int] | None = None) -> None:
        self.size, self._first, self._peak = first, first, peak
        self._allowed: int | None = None
        self._grows = peak is not None

    def measured(self, measure: Callable[[int], Scores], *, images: int) -> Scores:
        """Returns the scores of one pass over a split.

        Args:
            measure: Makes a pass in batches of the size that it gets. If one does not fit, it is
                called again with half of it.
            images: How many the split has.

        Raises:
            RuntimeError: If not even one image fits.
        """
        if self._grows and self._allowed is None and self._peak:
            self._allowed = self._peak() + ROOM
        while True:
            try:
                scores = measure(self.size)
            except RuntimeError as error:
                if self.size == 1 or not is_out_of_memory(error):
                    raise
            else:
                self._adapt(images)
                return scores
            # Out of the handler, so that nothing holds the tensors of the failed batch any more.
            self.size, self._grows = self.size // 2, False

    def _adapt(self, images: int) -> None:
        if not self._grows or self._peak is None or self._allowed is None:
            return
        if self._peak() > self._allowed:
            self.size, self._grows = max(self.size // 2, self._first), False
        elif self.size < images:
            self.size *= 2


def eval_batches(first: int, device: torch.device) -> EvalBatches:
    """Returns the sizes for a trial's device.

    A CPU gains nothing by larger batches. With deterministic algorithms every run has the same
    batches, whatever else is in memory.

    Args:
        first: Images per batch, as the trial says.
        device: Where the trial runs.
    """
    if device.type != "cuda" or torch.are_deterministic_algorithms_enabled():
        return EvalBatches(first)
    return EvalBatches(first, lambda: torch.cuda.max_memory_allocated(device))
