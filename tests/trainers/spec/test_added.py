"""Teachers and centres in a spec: their identity, and what is refused."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from trainers.errors import SpecError
from trainers.spec.train_spec import TrainSpec

SHA = 32 * "a1"
TEACHER = {"file": "teacher.safetensors", "sha256": SHA}
NEEDS = (
    "is missing: distillation 'kl' learns from one; "
    "teacher: {run: best:STUDY}, or {file: ..., sha256: ...}"
)


def test_the_checksum_of_a_teacher_is_part_of_a_trial_and_its_place_is_not(
    make_spec: Callable[..., TrainSpec],
) -> None:
    spec = make_spec(teacher=TEACHER, distillation="kl")
    moved = make_spec(teacher={**TEACHER, "file": "~/other.safetensors"}, distillation="kl")
    other = make_spec(teacher={**TEACHER, "sha256": 32 * "b2"}, distillation="kl")
    assert spec.without_defaults() == moved.without_defaults() != other.without_defaults()
    assert spec.identity() == moved.identity() != other.identity()
    assert spec.without_defaults()["teacher"] == {"name": "exported", "sha256": SHA}
    # What a worker is told says where it lies.
    assert TrainSpec.from_mapping(moved.to_mapping()) == moved != spec


def test_a_trial_without_a_teacher_is_written_as_before(
    make_spec: Callable[..., TrainSpec],
) -> None:
    assert not {"teacher", "distillation", "center_loss"} & make_spec().to_mapping().keys()
    spelt = make_spec(distillation="none", teacher=None, center_loss=None)
    assert spelt.without_defaults() == make_spec().without_defaults()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"distillation": "kl"}, f"teacher: {NEEDS}"),
        (
            {"teacher": TEACHER},
            "distillation: is missing: how to learn from the teacher?; "
            "kl, features, label_refinery",
        ),
        (
            {"teacher": {"file": "t"}, "distillation": "kl"},
            "teacher.sha256: is missing; `sha256sum t` shows them: they say which teacher it was",
        ),
        (
            {"teacher": {"sha256": SHA}, "distillation": "kl"},
            "teacher.file: is missing: where is the teacher?; "
            "file: FILE, which export wrote; or run: RUN, or run: best:STUDY",
        ),
        (
            {"teacher": {"run": "best:tiny", "file": "t", "sha256": SHA}, "distillation": "kl"},
            "teacher.file: the run says it; remove it, or run\n"
            "teacher.sha256: the run says it; remove it, or run",
        ),
        (
            {"teacher": {"run": "best:tiny", "name": "torchvision"}, "distillation": "kl"},
            "teacher.name: a run's network is exported, not 'torchvision'; remove it, or run",
        ),
        (
            {"teacher": {**TEACHER, "sha256": "A1"}, "distillation": "kl"},
            "teacher.sha256: expected 64 hexadecimal digits, got 'A1'; `sha256sum "
            "teacher.safetensors` shows them: they say which teacher it was",
        ),
        (
            {"teacher": {**TEACHER, "name": "torchvision"}, "distillation": "kl"},
            "teacher.model: is missing: which of torchvision's networks?; such as model: resnet18",
        ),
        (
            {"teacher": {**TEACHER, "model": "resnet18"}, "distillation": "kl"},
            "teacher.model: an exported file says itself what network it holds; "
            "remove it, or set name: torchvision",
        ),
        (
            {
                "teacher": TEACHER,
                "distillation": "label_refinery",
                "loss": {"name": "cross_entropy", "label_smoothing": 0.1},
            },
            "loss: has no effect: 'label_refinery' puts the teacher in the place of the labels; "
            "remove it",
        ),
        (
            {"teacher": TEACHER, "distillation": {"name": "features", "layer": "fc9"}},
            "distillation.layer: unknown module 'fc9', did you mean 'fc3'?; "
            "known: bn1, bn2, bn3, fc1, fc2, fc3",
        ),
        (
            {"center_loss": {"layer": "fc9"}},
            "center_loss.layer: unknown module 'fc9', did you mean 'fc3'?; "
            "known: bn1, bn2, bn3, fc1, fc2, fc3",
        ),
        (
            {"center_loss": {}, "data": {"name": "digits", "augment": {"mixup": {}}}},
            "center_loss: needs one class for each image, but mix-up gives it two; "
            "remove it, or data.augment.mixup",
        ),
        (
            {"center_loss": {"weight": 0, "rate": 2}},
            "center_loss.weight: must be positive, got 0.0\n"
            "center_loss.rate: must be above 0 and at most 1, got 2.0",
        ),
        (
            {"teacher": TEACHER, "distillation": {"name": "kl", "temperature": 0}},
            "distillation.temperature: must be positive, got 0.0",
        ),
    ],
)
def test_a_loss_that_makes_no_sense_is_refused_with_the_reason(
    make_mapping: Callable[..., dict[str, Any]], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        TrainSpec.from_mapping(make_mapping(**changes))
