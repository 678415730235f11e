"""The studies on ImageNet train: a step of one cell of each, on a folder of the same layout."""

import math
from pathlib import Path
from typing import Any

import pytest

import trainers
from orchestrator.study.catalog import load_study
from orchestrator.study.expansion import expand
from tests.support.photographs import lay_out
from trainers.spec.train_spec import TrainSpec

STUDIES = (
    "biprop-imagenet-more",
    "biprop-resnet-imagenet",
    "dab-imagenet",
    "resnet21-full",
    "resnet21-sensitivity",
)
CELLS = {"dab-imagenet": -1, "biprop-imagenet-more": -3}
"""AlexNet, the first of DAB's, takes images of 224 pixels alone."""
NARROW = {"resnet_imagenet": {"width": 0.125}}
SMALL: dict[str, Any] = {
    "classes": 3,
    "train_images": 12,
    "validation": 4,
    "size": 64,
    "shorter_side": 73,
}
OURS: dict[str, Any] = {
    "data": {"one_batch": True, "batch_size": 4, "eval_batch_size": 6},
}
TRICKS: dict[str, Any] = {
    "model": {"name": "bireal_resnet", "head": "imagenet", "width_factor": 0.25, "num_classes": 3},
    "data": {
        "name": "imagenet",
        **SMALL,
        **OURS["data"],
        "augment": {
            "random_resized_crop": {},
            "flip": True,
            "color_jitter": {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1},
            "lighting": {"std": 0.1},
        },
    },
    "optimizer": {"name": "adam", "lr": 1.0e-3},
    "layers": {"order": "all"},
    "epochs": 1,
}
"""The published training tricks have settings for ImageNet, but no study here."""


def _short(name: str, *, as_published: bool) -> TrainSpec:
    """A cell of a study: one batch, small images of three classes, a narrow network."""
    study = load_study(name, as_published=as_published)
    cell: dict[str, Any] = expand(study)[CELLS.get(name, 0)].train.to_mapping()
    model = {**cell["model"], **NARROW.get(cell["model"]["name"], {}), "num_classes": 3}
    data = {**SMALL, **cell["data"], **OURS["data"]}
    layers = {**cell["layers"], "epochs_per_layer": 0}
    # Rates by epoch are for more epochs than one.
    rates = {"name": "constant"}
    changed = {"model": model, "data": data, "layers": layers, "lr_schedule": rates}
    return TrainSpec.from_mapping({**cell, **changed, "epochs": 1})


def _trained(train: TrainSpec, tmp_path: Path) -> trainers.EpochMetrics:
    lay_out(tmp_path / "imagenet")
    options = trainers.RunOptions(device="cpu", num_threads=1, data_dir=tmp_path)
    [metrics] = trainers.run(train, options=options).epochs
    return metrics


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "as_published"), [*((name, False) for name in STUDIES), ("resnet21-full", True)]
)
def test_a_cell_of_the_study_trains(name: str, as_published: bool, tmp_path: Path) -> None:
    train = _short(name, as_published=as_published)
    metrics = _trained(train, tmp_path)
    assert math.isfinite(metrics.train.loss)
    assert (metrics.test is not None) == train.measure_test
    assert (train.data.source.options["validation"] == "val") == as_published


@pytest.mark.slow
def test_the_training_tricks_train_on_it(tmp_path: Path) -> None:
    assert math.isfinite(_trained(TrainSpec.from_mapping(TRICKS), tmp_path).train.loss)


@pytest.mark.parametrize("name", STUDIES)
def test_boxes_are_cut_and_flipped_as_published(name: str) -> None:
    augment = load_study(name).base.data.augment.to_mapping()
    assert augment == {"flip": True, "random_resized_crop": {}}
