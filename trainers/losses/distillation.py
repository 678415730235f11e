"""Losses that compare a network with a teacher: outputs, soft labels, features."""

from typing import Literal, get_args

from torch import Tensor
from torch.nn import functional

from trainers.errors import Fault, SpecError

Norm = Literal["sample", "batch"]
Reduction = Literal["mean", "sum", "none"]


def kl_distillation(
    student: Tensor,
    teacher: Tensor,
    *,
    temperature: float = 1.0,
    scale_by_T2: bool = True,
    weight: float = 1.0,
) -> Tensor:
    """Kullback-Leibler divergence of the student's class probabilities from the teacher's.

    weight * T^2 * mean over the batch of KL(p_teacher || p_student),  p = softmax(logits / T)

    Args:
        student: Logits, (batch, classes).
        teacher: Logits of the same images, (batch, classes); no gradient reaches them.
        temperature: T; positive. Above 1 the probabilities are softer.
        scale_by_T2: Multiply by T^2, so that the gradient keeps its size at any temperature.
        weight: Factor on the loss; 0 or more.

    Raises:
        SpecError: If the temperature is not positive, or the weight is negative.

    Source: Hinton et al. 2015, arXiv:1503.02531, sec. 2.
    """
    if not temperature > 0:
        raise SpecError(Fault("temperature", f"must be positive, got {temperature}"))
    _check_weight(weight)
    ours = (student / temperature).log_softmax(1)
    theirs = (teacher.detach() / temperature).log_softmax(1)
    loss = functional.kl_div(ours, theirs, reduction="batchmean", log_target=True)
    return loss * (weight * (temperature**2 if scale_by_T2 else 1.0))


def label_refinery(student: Tensor, teacher: Tensor) -> Tensor:
    """Cross entropy with the teacher's class probabilities in place of the labels.

    mean over the batch of -sum over classes of softmax(teacher) * log softmax(student)

    Args:
        student: Logits, (batch, classes).
        teacher: Logits for the same crops of the same images; no gradient reaches them.

    Source: Bagherinezhad et al. 2018, Label Refinery, arXiv:1805.02641, sec. 3.
    """
    return functional.cross_entropy(student, teacher.detach().softmax(1))


def feature_matching(
    student: Tensor,
    teacher: Tensor,
    *,
    norm: Norm = "sample",
    reduction: Reduction = "mean",
    weight: float = 1.0,
) -> Tensor:
    """Squared distance between normalised features of student and teacher.

    weight * || F_teacher / ||F_teacher||  -  F_student / ||F_student|| ||^2, all norms Euclidean

    Args:
        student: Features, (batch, ...).
        teacher: Features of the same images and shape; no gradient reaches them.
        norm: Over what a norm is taken: sample: all values of one image; batch: all values of the
            batch.
        reduction: mean or sum over the images; none: a loss for each, (batch,). With norm: batch
            there is one distance for all images, so each image has its share of it.
        weight: Factor on the loss; 0 or more.

    Raises:
        SpecError: If the shapes differ, a word is unknown, or the weight is negative.

    Source: HolmesShuan/Training-Tricks-for-Binarized-Neural-Networks, trick 12.
    """
    if student.shape != teacher.shape:
        ours, theirs = tuple(student.shape), tuple(teacher.shape)
        raise SpecError(Fault("", f"features differ in shape: {ours}, of the teacher {theirs}"))
    for name, given, known in (("norm", norm, Norm), ("reduction", reduction, Reduction)):
        if given not in get_args(known):
            names = ", ".join(sorted(get_args(known)))
            raise SpecError(Fault(name, f"unknown value '{given}'", f"known: {names}"))
    _check_weight(weight)
    apart = _normalised(teacher.detach(), norm) - _normalised(student, norm)
    distances = apart.square().sum(1) * weight
    if reduction == "none":
        return distances
    return distances.mean() if reduction == "mean" else distances.sum()


def _normalised(features: Tensor, norm: Norm) -> Tensor:
    flat = features.flatten(1)
    return functional.normalize(flat) if norm == "sample" else flat / flat.norm().clamp_min(1e-12)


def _check_weight(weight: float) -> None:
    if not weight >= 0:
        raise SpecError(Fault("weight", f"must be 0 or more, got {weight}"))
