"""Calls the hooks of a model's weight binarizers during training."""

from collections.abc import Callable

import torch
from torch import Generator, Tensor, nn

from trainers.binarize.attach import binarizers, latent_weights
from trainers.binarize.weights import WeightBinarizer

Attached = tuple[tuple[WeightBinarizer, nn.Parameter], ...]


class Hooks:
    """The hooks of all binarizers of a model, in forward order: see `WeightBinarizer`.

    Args:
        model: A model with or without binarizers.
    """

    def __init__(self, model: nn.Module) -> None:
        latent = latent_weights(model)
        self._all: Attached = tuple((step, latent[name]) for name, step in binarizers(model))
        # Small networks train thousands of batches per second, so call only hooks that do work.
        self._before_batch = self._with_own(WeightBinarizer.before_batch)
        self._after_step = self._with_own(WeightBinarizer.after_step)

    def begin_epoch(self, epoch: int, generator: Generator) -> None:
        """Calls `begin_epoch` of all binarizers.

        Args:
            epoch: Counted from 0.
            generator: A CPU generator, seeded for this epoch.
        """
        for binarizer, _ in self._all:
            binarizer.begin_epoch(epoch, generator)

    def before_batch(self) -> None:
        """Calls `before_batch` of the binarizers that define it."""
        if self._before_batch:
            with torch.no_grad():
                for binarizer, latent in self._before_batch:
                    binarizer.before_batch(latent)

    def after_step(self) -> None:
        """Calls `after_step` of the binarizers that define it."""
        if self._after_step:
            with torch.no_grad():
                for binarizer, latent in self._after_step:
                    binarizer.after_step(latent)

    @torch.no_grad()
    def before_evaluation(self) -> None:
        """Calls `before_evaluation` of all binarizers."""
        for binarizer, latent in self._all:
            binarizer.before_evaluation(latent)

    def _with_own(self, hook: Callable[[WeightBinarizer, Tensor], None]) -> Attached:
        """Returns the binarizers whose class overrides this hook."""
        return tuple(
            (binarizer, latent)
            for binarizer, latent in self._all
            if getattr(type(binarizer), hook.__name__) is not hook
        )
