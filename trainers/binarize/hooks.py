"""Tells the weight binarizers of a model how far its training is."""

from collections.abc import Callable

import torch
from torch import Generator, Tensor, nn

from trainers.binarize.attach import binarizers, latent_weights
from trainers.binarize.weights import WeightBinarizer

Attached = tuple[tuple[WeightBinarizer, nn.Parameter], ...]


class Hooks:
    """The hooks of all binarizers of a model, in forward order: see `WeightBinarizer`.

    Args:
        model: With binarizers attached, or with none.
    """

    def __init__(self, model: nn.Module) -> None:
        latent = latent_weights(model)
        self._all: Attached = tuple((step, latent[name]) for name, step in binarizers(model))
        # Of several thousand batches a second most binarizers need not hear.
        self._before_batch = self._with_own(WeightBinarizer.before_batch)
        self._after_step = self._with_own(WeightBinarizer.after_step)

    def begin_epoch(self, epoch: int, generator: Generator) -> None:
        """An epoch begins.

        Args:
            epoch: Counted from 0.
            generator: A CPU generator, seeded for this epoch.
        """
        for binarizer, _ in self._all:
            binarizer.begin_epoch(epoch, generator)

    def before_batch(self) -> None:
        """A training batch is about to be computed."""
        if self._before_batch:
            with torch.no_grad():
                for binarizer, latent in self._before_batch:
                    binarizer.before_batch(latent)

    def after_step(self) -> None:
        """The optimizer has made a step."""
        if self._after_step:
            with torch.no_grad():
                for binarizer, latent in self._after_step:
                    binarizer.after_step(latent)

    @torch.no_grad()
    def before_evaluation(self) -> None:
        """The model is about to be measured."""
        for binarizer, latent in self._all:
            binarizer.before_evaluation(latent)

    def _with_own(self, hook: Callable[[WeightBinarizer, Tensor], None]) -> Attached:
        """Those whose class has a hook of this name that does something."""
        return tuple(
            (binarizer, latent)
            for binarizer, latent in self._all
            if getattr(type(binarizer), hook.__name__) is not hook
        )
