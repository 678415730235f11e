"""Builds the parts of a trial's loss that need more than outputs and labels."""

from pathlib import Path

import torch
from torch import Tensor, nn

from trainers.data import SOURCES
from trainers.data.splits import Facts
from trainers.engine.added import AddedLoss, Features
from trainers.engine.centres import Centres
from trainers.engine.taught import Taught
from trainers.errors import Fault, SpecError, UnknownNameError
from trainers.losses import DISTILLATIONS
from trainers.spec.added import CenterLoss
from trainers.spec.probe import blank_model
from trainers.spec.train_spec import TrainSpec
from trainers.teachers import load_teacher


def added_losses(spec: TrainSpec, model: nn.Module, *, data_dir: Path) -> tuple[AddedLoss, ...]:
    """Builds them in the state before the first epoch, on the model's device.

    Args:
        spec: The trial.
        model: Its network; it passes through an evaluation, which leaves it as it was.
        data_dir: Folder of the data sets, and of files with a relative name.

    Raises:
        MissingDataError: If the file of the teacher is missing.
        SpecError: If the teacher fits neither the images nor the network.
    """
    found: list[AddedLoss] = []
    if spec.teacher is not None:
        found.append(_taught(spec, model, data_dir=data_dir))
    if spec.center_loss is not None:
        found.append(_centres(spec.center_loss, spec, model))
    return tuple(found)


def check_added(spec: TrainSpec, *, data_dir: Path) -> None:
    """Checks the files that a trial needs, before it is trained.

    Raises:
        SpecError: As `added_losses`.
    """
    if spec.teacher is not None:
        added_losses(spec, blank_model(spec.model), data_dir=data_dir)


def _taught(spec: TrainSpec, model: nn.Module, *, data_dir: Path) -> Taught:
    how = DISTILLATIONS[spec.distillation.name](**spec.distillation.options)
    assert how is not None
    assert spec.teacher is not None
    facts = _facts(spec)
    try:
        teacher = load_teacher(spec.teacher, data_dir=data_dir, num_classes=facts.num_classes)
    except SpecError as error:
        raise type(error)(*error.under("teacher")) from error
    images = _blank_images(model, facts.shape)
    teacher.to(images.device, images.dtype)
    try:
        taught = Taught(teacher, how)
    except AttributeError as error:
        names = [name for name, _ in teacher.named_modules() if name]
        unknown = UnknownNameError("module of the teacher", how.teacher_layer, names)
        raise SpecError(*unknown.under("distillation.teacher_layer")) from error
    with taught.watching(model):
        logits = _evaluated(model, images)
        ours, theirs = _compared(taught, logits, images)
    if ours.shape != theirs.shape:
        what = "has features of the shape" if how.features else "gives outputs of the shape"
        whole = f"{what} {_shape(theirs)}, but those of the network are {_shape(ours)}"
        raise SpecError(Fault("teacher", whole, "name another layer" if how.features else ""))
    return taught


def _centres(wanted: CenterLoss, spec: TrainSpec, model: nn.Module) -> Centres:
    facts = _facts(spec)
    features = Features(model, wanted.layer)
    with features.watching():
        _evaluated(model, images := _blank_images(model, facts.shape))
    try:
        size = features.latest[0].numel()
    except SpecError as error:
        raise SpecError(*error.under("center_loss.layer")) from error
    centers = images.new_zeros(facts.num_classes, size)
    return Centres(centers, weight=wanted.weight, rate=wanted.rate, layer=wanted.layer)


def _facts(spec: TrainSpec) -> Facts:
    return SOURCES[spec.data.source.name].facts(spec.data.source.options)


def _evaluated(model: nn.Module, images: Tensor) -> Tensor:
    """Returns the logits of images in evaluation mode; the model stays in the mode it had."""
    training = model.training
    try:
        with torch.no_grad():
            logits: Tensor = model.eval()(images)
    finally:
        model.train(training)
    return logits


def _blank_images(model: nn.Module, shape: tuple[int, int, int]) -> Tensor:
    weight = next(model.parameters())
    return torch.zeros(2, *shape, device=weight.device, dtype=weight.dtype)


def _compared(taught: Taught, logits: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
    try:
        return taught.compared(logits, images)
    except SpecError as error:
        raise SpecError(*error.under("distillation.layer")) from error
    # What networks raise for images of a shape that they do not take.
    except (RuntimeError, ValueError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        what = f"does not take the {_shape(images)} images of the data set ({reason})"
        raise SpecError(Fault("teacher", what)) from error


def _shape(batch: Tensor) -> str:
    return "x".join(str(size) for size in batch.shape[1:])
