"""CIFAR-10 from files of its format; torchvision is told their checksums."""

import hashlib
import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torchvision import transforms
from torchvision.datasets import CIFAR10

from trainers.data.cifar10 import CIFAR10_FILES, CIFAR10_SOURCE, MEAN, STD
from trainers.data.partition import SplitChoice
from trainers.errors import MissingDataError, SpecError

NUM = 6
"""Images in each of the six files."""


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six files of a few random images; the download finds no network."""
    folder = tmp_path / CIFAR10_FILES.folder
    folder.mkdir()
    source = torch.Generator().manual_seed(0)

    def write(name: str, content: object) -> str:
        data = pickle.dumps(content)
        (folder / name).write_bytes(data)
        return hashlib.md5(data).hexdigest()

    def batch(name: str) -> list[str]:
        pixels = torch.randint(0, 256, (NUM, 3072), generator=source, dtype=torch.uint8)
        labels = torch.randint(0, 10, (NUM,), generator=source).tolist()
        return [name, write(name, {"data": pixels.numpy(), "labels": labels})]

    names = [f"data_batch_{number}" for number in range(1, 6)]
    monkeypatch.setattr(CIFAR10, "train_list", [batch(name) for name in names])
    monkeypatch.setattr(CIFAR10, "test_list", [batch("test_batch")])
    md5 = write("batches.meta", {"label_names": list("0123456789")})
    monkeypatch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": md5})

    def download(self: CIFAR10) -> None:
        raise RuntimeError("Error downloading cifar-10-python.tar.gz")

    monkeypatch.setattr(CIFAR10, "download", download)
    return tmp_path


def test_images_are_the_bits_of_totensor_and_normalize(data_dir: Path) -> None:
    splits = CIFAR10_SOURCE.load(data_dir, validation=10)
    chain = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, STD)])
    raw = CIFAR10(str(data_dir), train=True, transform=chain)
    assert splits.test is not None
    assert [len(splits.train), len(splits.validation), len(splits.test)] == [20, 10, NUM]
    for split in (splits.train, splits.validation):
        assert split.rows is not None
        assert split.normalisation is not None
        assert split.images.dtype == torch.uint8
        images = split.normalisation(split.own_images())
        for image, label, row in zip(images, split.labels, split.rows, strict=True):
            assert torch.equal(image, raw[row][0])
            assert label == raw[row][1]
    held_out = CIFAR10(str(data_dir), train=False)
    assert splits.test.labels.tolist() == held_out.targets
    assert torch.equal(splits.test.images[3], transforms.PILToTensor()(held_out[3][0]))


def test_a_file_decides_by_places_in_the_sets_own_order(data_dir: Path) -> None:
    order = torch.randperm(30, generator=torch.Generator().manual_seed(1)).tolist()
    content = {"train": order[5:], "validation": order[:5]}
    (data_dir / "mine.json").write_text(json.dumps(content))
    splits = CIFAR10_SOURCE.load(data_dir, validation=5, split=SplitChoice(file="mine.json"))
    raw = CIFAR10(str(data_dir), train=True)
    assert splits.validation.labels.tolist() == [raw.targets[place] for place in order[:5]]
    assert splits.train.labels.tolist() == [raw.targets[place] for place in order[5:]]


def test_the_default_split_is_drawn_from_a_fixed_seed(data_dir: Path) -> None:
    default = CIFAR10_SOURCE.load(data_dir, validation=10)
    fixed = CIFAR10_SOURCE.load(data_dir, validation=10, split=SplitChoice(seed=316))
    other = CIFAR10_SOURCE.load(data_dir, validation=10, split=SplitChoice(seed=1))
    assert default.checksum() == fixed.checksum() != other.checksum()


@pytest.mark.parametrize("is_there", [False, True])
def test_without_the_test_part_its_file_is_not_read(is_there: bool, data_dir: Path) -> None:
    path = data_dir / CIFAR10_FILES.folder / "test_batch"
    path.unlink()
    if is_there:
        path.write_bytes(b"poison")
    splits = CIFAR10_SOURCE.load(data_dir, False, validation=10)
    assert splits.test is None
    assert len(splits.train) == 20
    with pytest.raises(MissingDataError, match="CIFAR-10"):
        CIFAR10_SOURCE.load(data_dir, validation=10)


@pytest.mark.parametrize("file", CIFAR10_FILES.paths, ids=str)
def test_a_missing_file_names_the_folder_and_the_alternative(file: Path, data_dir: Path) -> None:
    (data_dir / file).unlink()
    with pytest.raises(MissingDataError, match="not there, and could not be downloaded") as raised:
        CIFAR10_SOURCE.load(data_dir, validation=10)
    for said in (str(data_dir), "BNN_DATA_DIR", "image_folder", "Error downloading"):
        assert said in str(raised.value)


@pytest.mark.parametrize("file", CIFAR10_FILES.paths, ids=str)
def test_a_file_with_another_checksum_is_never_unpickled(
    file: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (data_dir / file).write_bytes(pickle.dumps({"data": [], "labels": []}))
    usual: Callable[..., object] = pickle.load

    def load(handle: object, **options: object) -> object:
        assert Path(handle.name).name != file.name  # type: ignore[attr-defined]
        return usual(handle, **options)

    monkeypatch.setattr("torchvision.datasets.cifar.pickle.load", load)
    with pytest.raises(MissingDataError, match="CIFAR-10 cannot be read"):
        CIFAR10_SOURCE.load(data_dir, validation=10)


def test_a_failed_download_leaves_no_empty_folder(data_dir: Path) -> None:
    with pytest.raises(MissingDataError, match="could not be downloaded"):
        CIFAR10_SOURCE.load(data_dir / "nothing")
    assert not (data_dir / "nothing").exists()


@pytest.mark.parametrize("validation", [0, 50_000])
def test_a_split_that_leaves_nothing_is_refused(validation: int, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="validation: must be between 1 and 49999"):
        CIFAR10_SOURCE.load(tmp_path, validation=validation)


def test_facts_are_the_published_sizes() -> None:
    facts = CIFAR10_SOURCE.facts({})
    assert (facts.num_train, facts.num_trained) == (50_000, 45_000)
