"""What every weight binarizer is."""

from torch import Generator, Tensor, nn


class WeightBinarizer(nn.Module):
    """Maps a latent weight to the weight the layer computes with; identity while not `enabled`.

    A constructor takes the latent weight first (for its shape, or for statistics taken once) and
    options by keyword. `binarize` must be differentiable: its gradient is the straight-through
    estimator that carries the layer's gradient to the latent weight, or to parameters of the
    binarizer's own.
    """

    enabled: bool = True

    latent_bound: float | None = None
    """After each optimizer step the engine clamps the latent weight to ±this; None: never."""

    trains_latent: bool = True
    """False: the latent weight is frozen where the binarizer is attached."""

    always_binary: bool = True
    """False: weights that are kept may stay the real numbers they were."""

    def forward(self, latent: Tensor) -> Tensor:
        """The binary weight while enabled, else the latent weight itself; shape of `latent`."""
        return self.binarize(latent) if self.enabled else latent

    def binarize(self, latent: Tensor) -> Tensor:
        """The binary weight, of the shape and dtype of `latent`."""
        raise NotImplementedError

    def initialise(self, generator: Generator | None) -> None:
        """Draws the binarizer's own parameters; from torch's global generator if none is given."""
