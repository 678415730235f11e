"""Weight binarizers by name."""

from collections.abc import Callable, Mapping

from torch import Tensor

from trainers.binarize.weights.base import WeightBinarizer
from trainers.binarize.weights.biprop import BipropBinarizer
from trainers.binarize.weights.biprop_fixed import BipropFixedBinarizer
from trainers.binarize.weights.biprop_global import BipropGlobalBinarizer
from trainers.binarize.weights.biprop_sampled import BipropSampledBinarizer
from trainers.binarize.weights.dab import DabBinarizer
from trainers.binarize.weights.mcdonnell import McDonnellBinarizer
from trainers.binarize.weights.sign import SignBinarizer
from trainers.binarize.weights.xnor import XnorBinarizer
from trainers.binding import make

WEIGHT_BINARIZERS: Mapping[str, Callable[..., WeightBinarizer]] = {
    "biprop": BipropBinarizer,
    "biprop_fixed": BipropFixedBinarizer,
    "biprop_global": BipropGlobalBinarizer,
    "biprop_sampled": BipropSampledBinarizer,
    "dab": DabBinarizer,
    "mcdonnell": McDonnellBinarizer,
    "sign": SignBinarizer,
    "xnor": XnorBinarizer,
}


def make_weight_binarizer(name: str, latent: Tensor, **options: object) -> WeightBinarizer:
    """Makes a binarizer for one layer, switched on.

    Args:
        name: A key of `WEIGHT_BINARIZERS`.
        latent: The layer's latent weight, (out, in) or (out, in, kh, kw).
        options: Keyword arguments of that binarizer.

    Raises:
        UnknownNameError: If there is no such binarizer.
        SpecError: If it has no such option, or rejects its value.
    """
    return make("weight binarizer", WEIGHT_BINARIZERS, name, latent, options=options)


__all__ = [
    "WEIGHT_BINARIZERS",
    "BipropBinarizer",
    "BipropFixedBinarizer",
    "BipropGlobalBinarizer",
    "BipropSampledBinarizer",
    "DabBinarizer",
    "McDonnellBinarizer",
    "SignBinarizer",
    "WeightBinarizer",
    "XnorBinarizer",
    "make_weight_binarizer",
]
