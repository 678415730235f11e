"""CIFAR-100 from files of its format; torchvision is told their checksums."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from torchvision import transforms
from torchvision.datasets import CIFAR100

from trainers.data.cifar100 import CIFAR100_FILES, CIFAR100_SOURCE, MEAN, STD
from trainers.errors import MissingDataError

NUM = {"train": 30, "test": 8}


@pytest.fixture
def data_dir(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    write_pickled: Callable[[str, str, object], str],
) -> Path:
    """Files of a few random images; the download finds no network."""
    write = partial(write_pickled, CIFAR100_FILES.folder)
    source = torch.Generator().manual_seed(0)

    for part, num in NUM.items():
        pixels = torch.randint(0, 256, (num, 3072), generator=source, dtype=torch.uint8)
        fine = torch.randint(0, 100, (num,), generator=source).tolist()
        coarse = [label // 5 for label in fine]
        content = {"data": pixels.numpy(), "fine_labels": fine, "coarse_labels": coarse}
        monkeypatch.setattr(CIFAR100, f"{part}_list", [[part, write(part, content)]])
    md5 = write("meta", {"fine_label_names": [str(number) for number in range(100)]})
    monkeypatch.setattr(CIFAR100, "meta", CIFAR100.meta | {"md5": md5})

    def download(self: CIFAR100) -> None:
        raise RuntimeError("Error downloading cifar-100-python.tar.gz")

    monkeypatch.setattr(CIFAR100, "download", download)
    return tmp_path


def test_images_are_the_bits_of_totensor_and_normalize_with_fine_labels(data_dir: Path) -> None:
    splits = CIFAR100_SOURCE.load(data_dir, validation=10)
    chain = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, STD)])
    raw = CIFAR100(str(data_dir), train=True, transform=chain)
    assert splits.test is not None
    assert [len(splits.train), len(splits.validation), len(splits.test)] == [20, 10, 8]
    for split in (splits.train, splits.validation):
        assert split.rows is not None
        assert split.normalisation is not None
        images = split.normalisation(split.own_images())
        for image, label, row in zip(images, split.labels, split.rows, strict=True):
            assert torch.equal(image, raw[row][0])
            assert label == raw[row][1]


def test_without_the_test_part_its_file_is_not_read(data_dir: Path) -> None:
    (data_dir / CIFAR100_FILES.folder / "test").unlink()
    splits = CIFAR100_SOURCE.load(data_dir, False, validation=10)
    assert splits.test is None
    with pytest.raises(MissingDataError, match="CIFAR-100 is missing") as raised:
        CIFAR100_SOURCE.load(data_dir, validation=10)
    for said in (str(data_dir), "cifar-100-python/", "meta, train, test", "Error downloading"):
        assert said in str(raised.value)


def test_facts_are_the_published_sizes() -> None:
    facts = CIFAR100_SOURCE.facts({})
    assert (facts.num_classes, facts.num_train, facts.num_trained) == (100, 50_000, 45_000)
