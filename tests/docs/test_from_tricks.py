"""Every option on the page of the training tricks is read from a study."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import trainers
from trainers import TrainSpec

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "from-tricks.md").read_text("utf-8")
KEYS = (
    "activations|batch_norm|before|center_loss|data|distillation|loss|lr_schedule|model|optimizer"
)
OPTIONS = sorted(set(re.findall(rf"`((?:{KEYS}): \{{[^`]+\}})`", PAGE)))
BASE: dict[str, Any] = {
    "model": {"name": "vgg5"},
    "data": {"name": "cifar10"},
    "optimizer": {"name": "adam", "lr": 0.001},
    "epochs": 350,
}


def test_the_page_has_options_for_the_tricks() -> None:
    assert len(OPTIONS) >= 20


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_is_read_from_a_study(option: str) -> None:
    mapping = {key: dict(part) if isinstance(part, dict) else part for key, part in BASE.items()}
    for key, options in yaml.safe_load(option).items():
        mapping[key] = {**mapping.get(key, {}), **options}
        if key == "distillation":
            mapping["teacher"] = {"file": "teacher.safetensors", "sha256": 64 * "0"}
    if mapping["data"]["name"] == "image_folder":
        # VGG-5 takes only images as small as CIFAR's.
        mapping["model"] = {"name": "bireal_resnet"}
    spec = TrainSpec.from_mapping(mapping)
    assert TrainSpec.from_mapping(spec.to_mapping()) == spec


def test_every_loss_that_is_for_python_alone_is_public() -> None:
    names = re.findall(r"`trainers\.(\w+)`", PAGE)
    assert len(names) == 5
    assert set(names) <= set(trainers.__all__)
