"""Trials that learn from more than labels: from the spec to the last bit."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from trainers import (
    CheckpointPolicy,
    RunOptions,
    SpecError,
    TrainSpec,
    build_model,
    export_packed,
    run,
)
from trainers.added import added_losses, check_added
from trainers.engine.result import EpochMetrics
from trainers.export.load import read_packed
from trainers.spec.probe import blank_model

MakeSpec = Callable[..., TrainSpec]
Options = Callable[..., RunOptions]
KEPT = CheckpointPolicy(policy="last", interval_s=0)


@pytest.fixture
def options(tmp_path: Path) -> Options:
    def make(**changes: Any) -> RunOptions:
        return RunOptions(device="cpu", num_threads=1, data_dir=tmp_path, **changes)

    return make


@pytest.fixture
def taught(tmp_path: Path, make_spec: MakeSpec) -> MakeSpec:
    """A trial with a teacher of these widths."""

    def make(distillation: Any = "kl", widths: tuple[int, ...] = (64, 14, 10)) -> TrainSpec:
        file = tmp_path / f"{'-'.join(map(str, widths))}.safetensors"
        if not file.exists():
            with torch.random.fork_rng():
                torch.manual_seed(3)
                export_packed(build_model("mlp", widths=list(widths)), file)
        sha = hashlib.sha256(file.read_bytes()).hexdigest()
        teacher = {"file": file.name, "sha256": sha}
        return make_spec(teacher=teacher, distillation=distillation)

    return make


class _Stopping:
    def __init__(self, after: int) -> None:
        self.after = after

    def on_epoch_end(self, metrics: EpochMetrics) -> None:
        if metrics.epoch + 1 == self.after:
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    "distillation", ["kl", {"name": "features", "layer": "fc2", "teacher_layer": "fc1"}]
)
def test_a_taught_trial_resumes_to_the_same_bits(
    tmp_path: Path, taught: MakeSpec, options: Options, distillation: Any
) -> None:
    spec = taught(distillation, (64, 12, 10))
    whole = run(spec, options=options())
    assert whole.weights_sha256 != run(_alone(spec), options=options()).weights_sha256
    kept = options(checkpoint_dir=tmp_path / "kept", checkpoints=KEPT)
    with pytest.raises(KeyboardInterrupt):
        run(spec, [_Stopping(3)], options=kept)
    assert run(spec, options=kept).weights_sha256 == whole.weights_sha256


CENTRED: dict[str, Any] = {"weight": 0.1, "rate": 0.3, "layer": "bn2"}


def test_a_trial_with_centres_resumes_to_the_same_bits(
    tmp_path: Path, make_spec: MakeSpec, options: Options
) -> None:
    spec = make_spec(center_loss=CENTRED)
    whole = run(spec, options=options())
    kept = options(checkpoint_dir=tmp_path / "kept", checkpoints=KEPT)
    with pytest.raises(KeyboardInterrupt):
        run(spec, [_Stopping(3)], options=kept)
    assert run(spec, options=kept).weights_sha256 == whole.weights_sha256
    assert whole.weights_sha256 != run(make_spec(), options=options()).weights_sha256


def test_centres_are_handed_on_with_a_shared_beginning(
    tmp_path: Path, make_spec: MakeSpec, options: Options
) -> None:
    spec, folder = make_spec(center_loss=CENTRED), tmp_path / "two-epochs"
    whole = run(spec, options=options(leave={2: folder}, name="first"))
    begun = run(spec, options=options(start=folder))
    assert begun.epochs[0].source
    assert begun.weights_sha256 == whole.weights_sha256
    # A state without centres, or with others, is none of this trial.
    notes: list[str] = []
    run(make_spec(), options=options(start=folder), note=notes.append)
    assert "belongs to another network; not used" in notes[0]


def test_there_is_a_centre_for_each_class_and_value(make_spec: MakeSpec, tmp_path: Path) -> None:
    spec = make_spec(center_loss={})
    (centres,) = added_losses(spec, blank_model(spec.model), data_dir=tmp_path)
    assert centres.state()["centers"].shape == (10, 12)


def _alone(spec: TrainSpec) -> TrainSpec:
    mapping = spec.to_mapping()
    del mapping["teacher"], mapping["distillation"]
    return TrainSpec.from_mapping(mapping)


def test_a_taught_network_can_teach_the_next(
    tmp_path: Path, taught: MakeSpec, options: Options
) -> None:
    model = run(taught("label_refinery"), options=options()).model
    export_packed(model, tmp_path / "next.safetensors")
    assert len(read_packed(tmp_path / "next.safetensors").layers) == 3


@pytest.mark.parametrize(
    ("distillation", "widths", "message"),
    [
        (
            "kl",
            (64, 14, 7),
            "^teacher: gives outputs of the shape 7, but those of the network are 10$",
        ),
        ("kl", (192, 14, 10), "^teacher: does not take the 1x8x8 images of the data set"),
        (
            "features",
            (64, 14, 10),
            "^teacher: has features of the shape 14, but those of the network are 12; name",
        ),
        (
            {"name": "features", "teacher_layer": "fc7"},
            (64, 14, 10),
            "^distillation.teacher_layer: unknown module of the teacher 'fc7', did you mean",
        ),
    ],
)
def test_a_teacher_that_does_not_fit_is_refused_before_training(
    tmp_path: Path,
    taught: MakeSpec,
    options: Options,
    distillation: Any,
    widths: tuple[int, ...],
    message: str,
) -> None:
    spec = taught(distillation, widths)
    with pytest.raises(SpecError, match=message):
        check_added(spec, data_dir=tmp_path)
    with pytest.raises(SpecError, match=message):
        run(spec, options=options())
