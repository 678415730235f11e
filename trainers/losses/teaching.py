"""What a study says about a teacher: the losses of `distillation`, with their options."""

from functools import partial
from typing import Literal

import torch

from trainers.errors import Fault, SpecError
from trainers.losses.base import Comparison, Distillation
from trainers.losses.distillation import Norm, feature_matching, kl_distillation, label_refinery


def kl(
    *,
    temperature: float = 1.0,
    scale_by_T2: bool = True,
    weight: float = 1.0,
    label_weight: float = 1.0,
) -> Distillation:
    """The class probabilities of the teacher beside the labels: see `kl_distillation`.

    Args:
        temperature: T; positive. Above 1 the probabilities are softer.
        scale_by_T2: Multiply by T^2, so that the gradient keeps its size at any temperature.
        weight: Factor on the divergence; 0 or more.
        label_weight: Factor on the loss of the labels; 0 or more.

    Raises:
        SpecError: If a number is out of its range.
    """
    mean = partial(
        kl_distillation, temperature=temperature, scale_by_T2=scale_by_T2, weight=weight
    )
    return Distillation(mean=_tried(mean), label_weight=_checked(label_weight))


def features(
    *,
    layer: str | None = None,
    teacher_layer: str | None = None,
    norm: Norm = "sample",
    reduction: Literal["mean", "sum"] = "mean",
    weight: float = 1.0,
    label_weight: float = 1.0,
) -> Distillation:
    """Normalised features of the teacher beside the labels: see `feature_matching`.

    Args:
        layer: Module of the network whose results are compared; None: what its last layer takes
            in.
        teacher_layer: Module of the teacher, of which the same holds; None: as `layer`.
        norm: Over what a norm is taken: sample: all values of one image; batch: all values of the
            batch.
        reduction: mean or sum over the images.
        weight: Factor on the distance; 0 or more.
        label_weight: Factor on the loss of the labels; 0 or more.

    Raises:
        SpecError: If a weight is negative.
    """
    mean = partial(feature_matching, norm=norm, reduction=reduction, weight=weight)
    return Distillation(
        mean=_tried(mean),
        label_weight=_checked(label_weight),
        features=True,
        layer=layer,
        teacher_layer=layer if teacher_layer is None else teacher_layer,
    )


def refinery() -> Distillation:
    """The class probabilities of the teacher in place of the labels: see `label_refinery`."""
    return Distillation(mean=label_refinery, label_weight=0.0)


def _tried(mean: Comparison) -> Comparison:
    """Returns the function, which has checked its options once."""
    mean(torch.zeros(1, 2), torch.zeros(1, 2))
    return mean


def _checked(label_weight: float) -> float:
    if not label_weight >= 0:
        raise SpecError(Fault("label_weight", f"must be 0 or more, got {label_weight}"))
    return label_weight
