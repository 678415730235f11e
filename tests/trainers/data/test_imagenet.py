"""ImageNet: facts, and a plain word where training is asked for."""

from pathlib import Path
from typing import Any

import pytest

from trainers.data.imagenet import IMAGENET_SOURCE, load_imagenet
from trainers.errors import MissingDataError
from trainers.spec.train_spec import TrainSpec

TRIAL: dict[str, Any] = {
    "model": {"name": "resnet21"},
    "data": {"name": "imagenet", "batch_size": 256, "eval_batch_size": 256},
    "optimizer": {"name": "sgd", "lr": 0.1},
    "epochs": 67,
}


def test_a_trial_on_it_can_be_checked() -> None:
    assert TrainSpec.from_mapping(TRIAL).data.source.name == "imagenet"
    facts = IMAGENET_SOURCE.facts({})
    assert (facts.shape, facts.num_classes) == ((3, 224, 224), 1000)
    assert facts.num_train == facts.num_trained == 1_281_167


def test_loading_it_says_that_this_version_cannot(tmp_path: Path) -> None:
    with pytest.raises(
        MissingDataError, match=r"no pipeline for ImageNet.*, image_folder or mnist"
    ):
        load_imagenet(tmp_path)
