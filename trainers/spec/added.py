"""The parts of a loss that need more than outputs and labels: a teacher, centres of classes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from trainers.binding import Component, Record
from trainers.errors import Fault, SpecError, UnknownNameError
from trainers.losses import DISTILLATIONS
from trainers.spec.probe import module_names
from trainers.written import ALWAYS, WHERE

_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Teacher(Record):
    """A trained network that another one learns from, in a file or of a recorded run.

    Args:
        name: What the file is: exported: written by `export`. torchvision: a state dict of one of
            torchvision's networks.
        file: The file, relative to the data folder, or its URL. It is no part of a trial's id.
        sha256: SHA-256 of the file, 64 hexadecimal digits. A file with another one is refused.
        model: The name of torchvision's network; None: the file says what it is.
        run: In place of a file: MLflow's id of a cell's run, or best:STUDY. Who sweeps the study
            writes its network to a file, and names that one before anything is trained.

    Raises:
        SpecError: Lists what is missing, or cannot be.
    """

    kind: ClassVar[str] = "teacher"

    name: Literal["exported", "torchvision"] = field(default="exported", metadata=ALWAYS)
    file: str = field(default="", metadata=WHERE)
    sha256: str = ""
    model: str | None = None
    run: str = ""

    def __post_init__(self) -> None:
        """Checks everything that needs no file."""
        faults = self._faults_of_run() if self.run else self._faults_of_file()
        if faults:
            raise SpecError(*faults)

    def _faults_of_run(self) -> list[Fault]:
        hint = "remove it, or run"
        given = {"file": self.file, "sha256": self.sha256, "model": self.model}
        faults = [Fault(key, "the run says it", hint) for key, value in given.items() if value]
        if self.name != "exported":
            faults.append(Fault("name", f"a run's network is exported, not '{self.name}'", hint))
        return faults

    def _faults_of_file(self) -> list[Fault]:
        faults: list[Fault] = []
        if not self.file:
            hint = "file: FILE, which export wrote; or run: RUN, or run: best:STUDY"
            faults.append(Fault("file", "is missing: where is the teacher?", hint))
        if not _SHA256.fullmatch(self.sha256):
            what = f"expected 64 hexadecimal digits, got '{self.sha256}'"
            hint = f"`sha256sum {self.file or 'FILE'}` shows them: they say which teacher it was"
            faults.append(Fault("sha256", what if self.sha256 else "is missing", hint))
        if self.name == "torchvision" and not self.model:
            hint = "such as model: resnet18"
            faults.append(Fault("model", "is missing: which of torchvision's networks?", hint))
        if self.name == "exported" and self.model:
            what = "an exported file says itself what network it holds"
            faults.append(Fault("model", what, "remove it, or set name: torchvision"))
        return faults


@dataclass(frozen=True, kw_only=True, slots=True)
class CenterLoss(Record):
    """Pulls features towards the centre of their class, beside the loss of the labels.

    Args:
        weight: Factor on it; positive.
        rate: Step of the centres after each batch, in (0, 1].
        layer: Module whose results are the features; None: what the last layer takes in.

    Raises:
        SpecError: If a number is out of its range.

    Source: Wen et al. 2016, A Discriminative Feature Learning Approach; its weight and rate.
    """

    kind: ClassVar[str] = "center_loss"

    weight: float = 0.003
    rate: float = 0.5
    layer: str | None = None

    def __post_init__(self) -> None:
        """Checks the numbers."""
        faults: list[Fault] = []
        if not self.weight > 0:
            faults.append(Fault("weight", f"must be positive, got {self.weight}"))
        if not 0 < self.rate <= 1:
            faults.append(Fault("rate", f"must be above 0 and at most 1, got {self.rate}"))
        if faults:
            raise SpecError(*faults)


def added_faults(parts: Mapping[str, Any]) -> list[Fault]:
    """Returns the faults of a teacher and of centres that do not fit the other parts of a trial.

    Args:
        parts: The parts by the trial's key; missing parts are skipped.
    """
    faults: list[Fault] = []
    distillation, model = parts.get("distillation"), parts.get("model")
    if distillation is not None and "teacher" in parts:
        faults += _teacher_faults(distillation, parts)
    if distillation is not None and model is not None:
        layer = distillation.options.get("layer")
        faults += [fault.under("distillation") for fault in _layer_faults(model, layer)]
    center_loss, data = parts.get("center_loss"), parts.get("data")
    if center_loss is not None and model is not None:
        found = _layer_faults(model, center_loss.layer)
        faults += [fault.under("center_loss") for fault in found]
    if center_loss is not None and data is not None and data.augment.mixup is not None:
        what = "needs one class for each image, but mix-up gives it two"
        faults.append(Fault("center_loss", what, "remove it, or data.augment.mixup"))
    return faults


def _teacher_faults(distillation: Component, parts: Mapping[str, Any]) -> list[Fault]:
    made = DISTILLATIONS[distillation.name](**distillation.options)
    if made is None:
        if parts["teacher"] is None:
            return []
        known = ", ".join(name for name in DISTILLATIONS if name != distillation.name)
        return [Fault("distillation", "is missing: how to learn from the teacher?", known)]
    if parts["teacher"] is None:
        what = f"is missing: distillation '{distillation.name}' learns from one"
        return [Fault("teacher", what, "teacher: {run: best:STUDY}, or {file: ..., sha256: ...}")]
    if not made.label_weight and parts.get("loss", _PLAIN) != _PLAIN:
        what = f"has no effect: '{distillation.name}' puts the teacher in the place of the labels"
        return [Fault("loss", what, "remove it")]
    return []


_PLAIN = Component("cross_entropy")


def _layer_faults(model: Component, layer: object) -> list[Fault]:
    try:
        known = module_names(model)
    except SpecError:
        # The check of the model reports this.
        return []
    if layer is None or layer in known:
        return []
    return list(UnknownNameError("module", layer, known).under("layer"))
