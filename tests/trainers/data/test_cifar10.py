"""CIFAR-10 from files of its format; torchvision is told their checksums."""

import json
from pathlib import Path

import torch
from torchvision import transforms
from torchvision.datasets import CIFAR10

from trainers.data.cifar10 import CIFAR10_SOURCE, MEAN, STD
from trainers.data.partition import SplitChoice


def test_images_are_the_bits_of_totensor_and_normalize(cifar10_dir: Path) -> None:
    splits = CIFAR10_SOURCE.load(cifar10_dir, validation=10)
    chain = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, STD)])
    raw = CIFAR10(str(cifar10_dir), train=True, transform=chain)
    assert splits.test is not None
    assert [len(splits.train), len(splits.validation), len(splits.test)] == [20, 10, 6]
    for split in (splits.train, splits.validation):
        assert split.rows is not None
        assert split.normalisation is not None
        assert split.images.dtype == torch.uint8
        images = split.normalisation(split.own_images())
        for image, label, row in zip(images, split.labels, split.rows, strict=True):
            assert torch.equal(image, raw[row][0])
            assert label == raw[row][1]
    held_out = CIFAR10(str(cifar10_dir), train=False)
    assert splits.test.labels.tolist() == held_out.targets
    assert torch.equal(splits.test.images[3], transforms.PILToTensor()(held_out[3][0]))


def test_a_file_decides_by_places_in_the_sets_own_order(cifar10_dir: Path) -> None:
    order = torch.randperm(30, generator=torch.Generator().manual_seed(1)).tolist()
    content = {"train": order[5:], "validation": order[:5]}
    (cifar10_dir / "mine.json").write_text(json.dumps(content))
    splits = CIFAR10_SOURCE.load(cifar10_dir, validation=5, split=SplitChoice(file="mine.json"))
    raw = CIFAR10(str(cifar10_dir), train=True)
    assert splits.validation.labels.tolist() == [raw.targets[place] for place in order[:5]]
    assert splits.train.labels.tolist() == [raw.targets[place] for place in order[5:]]


def test_the_default_split_is_drawn_from_a_fixed_seed(cifar10_dir: Path) -> None:
    default = CIFAR10_SOURCE.load(cifar10_dir, validation=10)
    fixed = CIFAR10_SOURCE.load(cifar10_dir, validation=10, split=SplitChoice(seed=316))
    other = CIFAR10_SOURCE.load(cifar10_dir, validation=10, split=SplitChoice(seed=1))
    assert default.checksum() == fixed.checksum() != other.checksum()


def test_facts_are_the_published_sizes() -> None:
    facts = CIFAR10_SOURCE.facts({})
    assert (facts.num_train, facts.num_trained) == (50_000, 45_000)
