"""ImageNet: facts, and batches out of its files."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torchvision import transforms

import trainers
from tests.support.photographs import WNIDS, lay_out
from trainers.data.augment import Augment
from trainers.data.batches import ordered_batches, shuffled_batches
from trainers.data.cache import cached_images
from trainers.data.imagenet import IMAGENET_SOURCE, MEAN, STD, load_imagenet, packed_form
from trainers.data.listing import list_images
from trainers.data.random_resized_crop import RandomResizedCrop
from trainers.data.splits import Splits
from trainers.errors import MissingDataError, SpecError
from trainers.seeding import generator
from trainers.spec.train_spec import TrainSpec

TRIAL: dict[str, Any] = {
    "model": {"name": "resnet21"},
    "data": {"name": "imagenet", "batch_size": 256, "eval_batch_size": 256},
    "optimizer": {"name": "sgd", "lr": 0.1},
    "epochs": 67,
}
SMALL: dict[str, Any] = {
    "classes": 3,
    "train_images": 12,
    "validation": 4,
    "size": 24,
    "shorter_side": 28,
}


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    lay_out(tmp_path / "imagenet")
    return tmp_path


def _load(data_dir: Path, *, test: bool = True, **changes: Any) -> Splits:
    return load_imagenet(data_dir, test, **{**SMALL, **changes})


def test_a_trial_on_it_can_be_checked() -> None:
    assert TrainSpec.from_mapping(TRIAL).data.source.name == "imagenet"
    facts = IMAGENET_SOURCE.facts({})
    assert (facts.shape, facts.num_classes) == ((3, 224, 224), 1000)
    assert (facts.num_train, facts.num_trained) == (1_281_167, 1_271_167)
    assert IMAGENET_SOURCE.facts({"validation": "val"}).num_trained == 1_281_167


def test_some_training_images_validate_and_val_tests(data_dir: Path) -> None:
    splits = _load(data_dir)
    assert splits.test is not None
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [8, 4, 6]
    assert splits.train.rows is not None
    assert splits.validation.rows is not None
    rows = torch.cat((splits.train.rows, splits.validation.rows)).sort().values
    assert rows.tolist() == list(range(12))
    assert _load(data_dir, test=False).test is None


def test_val_may_validate_as_in_published_code(data_dir: Path) -> None:
    splits = _load(data_dir, test=False, validation="val")
    assert splits.test is None
    assert (len(splits.train), len(splits.validation)) == (12, 6)
    with pytest.raises(SpecError, match="no test part; set measure_test: false"):
        _load(data_dir, validation="val")


def test_evaluation_sees_what_torchvision_shows(data_dir: Path) -> None:
    splits = _load(data_dir)
    assert splits.test is not None
    [batch] = ordered_batches(splits.test, size=10)
    chain = transforms.Compose(
        [
            transforms.Resize(28),
            transforms.CenterCrop(24),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )
    paths = sorted((data_dir / "imagenet" / "val").glob("*/*.JPEG"))
    for image, path in zip(batch.images, paths, strict=True):
        with Image.open(path) as picture:
            # One level of 255 may round otherwise.
            assert (image - chain(picture)).abs().max() <= 1.01 / 255 / min(STD)
    assert batch.labels.tolist() == [0, 0, 1, 1, 2, 2]


def test_the_checksum_is_that_of_names_and_lengths(data_dir: Path) -> None:
    before = _load(data_dir).checksum()
    assert _load(data_dir).checksum() == before
    photograph = data_dir / "imagenet" / "val" / WNIDS[0] / "val_00000013.JPEG"
    photograph.write_bytes(photograph.read_bytes() + b"\0")
    assert _load(data_dir).checksum() != before


def _trial(folder: str, **more: Any) -> TrainSpec:
    data = {
        "name": "imagenet", "folder": folder, "batch_size": 4, "eval_batch_size": 6, **SMALL,
        "augment": {"random_resized_crop": {}, "flip": True},
    }  # fmt: skip
    model = {"name": "resnet_imagenet", "depth": 18, "width": 0.125, "num_classes": 3}
    return TrainSpec.from_mapping({**TRIAL, "model": model, "data": data, "epochs": 2, **more})


def test_an_interruption_changes_no_bit(data_dir: Path, tmp_path: Path) -> None:
    def trained(epochs: int, **options: Any) -> trainers.TrainResult:
        chosen = trainers.RunOptions(device="cpu", num_threads=1, data_dir=data_dir, **options)
        return trainers.run(_trial("imagenet", epochs=epochs), options=chosen)

    whole = trained(2)
    kept = tmp_path / "kept"

    class _StopError(Exception):
        pass

    class _Stopper:
        def on_epoch_end(self, metrics: trainers.EpochMetrics) -> None:
            raise _StopError

    options = trainers.RunOptions(
        device="cpu", num_threads=1, data_dir=data_dir, checkpoint_dir=kept
    )
    with pytest.raises(_StopError):
        trainers.run(_trial("imagenet"), [_Stopper()], options=options)
    assert trained(2, checkpoint_dir=kept).weights_sha256 == whole.weights_sha256


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": 4}, "3 classes, not 4; write classes: 3"),
        ({"train_images": 13}, "12 images, not 13; write train_images: 12"),
        ({"validation": 12}, "validation: must be between 1 and 11, got 12"),
        ({"validation": 0}, "validation: must be between 1 and 11, got 0"),
        ({"shorter_side": 20}, "shorter_side: must be size, 24, or more, got 20"),
    ],
)
def test_what_does_not_fit_the_folder_is_refused(
    changes: dict[str, Any], message: str, data_dir: Path
) -> None:
    with pytest.raises(SpecError, match=message):
        _load(data_dir, **changes)


def test_a_missing_folder_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match=r"imagenet/train; `data prepare"):
        load_imagenet(tmp_path)


def test_the_sample_of_a_thousand_images_asks_for_another_number_to_validate() -> None:
    data = {**TRIAL["data"], "train_images": 1000}
    with pytest.raises(SpecError, match="validation: must be between 1 and 999, got 10000"):
        TrainSpec.from_mapping({**TRIAL, "data": data})


def _pack(data_dir: Path) -> None:
    for part in ("train", "val"):
        listing = list_images(data_dir / "imagenet" / part)
        cached_images(listing, packed_form(28), data_dir=data_dir)


def test_packed_photographs_are_asked_for_and_read(data_dir: Path) -> None:
    with pytest.raises(MissingDataError, match=r"packed: .*not decoded.*`data p"):
        _load(data_dir, packed=True)
    _pack(data_dir)
    packed, streamed = _load(data_dir, packed=True), _load(data_dir)
    assert packed.checksum() != streamed.checksum()
    assert packed.test is not None
    assert streamed.test is not None
    [ours] = ordered_batches(packed.test, size=10)
    [theirs] = ordered_batches(streamed.test, size=10)
    assert torch.equal(ours.labels, theirs.labels)
    assert (ours.images - theirs.images).abs().max() <= 1.01 / 255 / min(STD)


def test_boxes_of_packed_photographs_depend_on_their_rows_alone(data_dir: Path) -> None:
    _pack(data_dir)
    split = _load(data_dir, packed=True).train
    crop = Augment(random_resized_crop=RandomResizedCrop())

    def epoch(size: int, order: int) -> dict[float, torch.Tensor]:
        batches = shuffled_batches(
            replace(split, labels=torch.arange(len(split))),
            size=size,
            generator=generator(order, "order"),
            windows=crop.windows(generator(1, "windows"), size=split.side, by_row=True),
        )
        return {
            int(row): image
            for batch in batches
            for row, image in zip(batch.labels, batch.images, strict=True)
        }

    first, second = epoch(3, 0), epoch(8, 1)
    assert len(first) == 8
    assert all(torch.equal(first[row], second[row]) for row in first)
