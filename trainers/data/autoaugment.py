"""AutoAugment: two operations on each image, from a learned list of pairs."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Generator, Tensor

from trainers.data.one_by_one import one_by_one
from trainers.data.variation import Variation
from trainers.errors import Fault, SpecError


@dataclass(frozen=True, kw_only=True, slots=True)
class AutoAugment(Variation):
    """Applies one of 25 learned pairs of operations to each image.

    This is torchvision's AutoAugment (v2), one image after the other; nearest pixels, black where
    nothing was.

    Args:
        policy: The data set that the pairs were learned on: cifar10 (also for CIFAR-100),
            imagenet, svhn.

    Raises:
        SpecError: If the policy is unknown.

    Source: Cubuk et al. 2019, arXiv:1805.09501, sec. 4.
    """

    kind: ClassVar[str] = "autoaugment"

    policy: Literal["cifar10", "imagenet", "svhn"] = "cifar10"

    def __post_init__(self) -> None:
        """Checks the policy."""
        if self.policy not in ("cifar10", "imagenet", "svhn"):
            known = "known: cifar10, imagenet, svhn"
            raise SpecError(Fault("policy", f"unknown value '{self.policy}'", known))

    def faults(self, shape: tuple[int, int, int]) -> list[Fault]:
        """Returns a fault if the images have neither one colour nor three."""
        if shape[0] in (1, 3):
            return []
        return [Fault("", f"is for grey or three colours, but images have {shape[0]} channels")]

    def varied(self, pixels: Tensor, generator: Generator) -> Tensor:
        """Returns the changed images, floating point from 0 to 255.

        Args:
            pixels: (n, channels, height, width), uint8.
            generator: A CPU generator, so that the draws are the same on every device.
        """
        # Its import takes longer than most trials take to be checked.
        from torchvision.transforms import v2

        policy = v2.AutoAugmentPolicy(self.policy)  # type: ignore[attr-defined]
        transform = v2.AutoAugment(policy)  # type: ignore[attr-defined]
        return one_by_one(transform, pixels, generator)
