"""Whole epochs of convolutional networks on a folder of JPEG images: ours, and the usual loop's.

A tenth of CIFAR-10's training images and a twentieth of its test images. Both loops crop and flip,
sum losses and hits of the training batches, and measure the test images after each epoch.
"""

import re
import tarfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader
from torchvision import datasets, transforms
from usual_loop import binary, train_step

import trainers

ARCHIVE = "cifar10-images.tar.gz"
WANTED = re.compile(r"(train/\w+/0[0-4]\d\d|test/\w+/00[0-4]\d)\.jpg")
"""Of each class the first 500 to train and 50 to test."""
NUM_TRAIN, NUM_TEST, NUM_VALIDATION = 5000, 500, 10
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
EPOCHS = 3
"""The first warms up; the fastest of the others counts."""
EVAL_BATCH_SIZE = 1000

Parts = Mapping[str, Any]

NETWORKS: Mapping[str, Parts] = {
    "VGG-5": {
        "model": {"name": "vgg5"},
        "batch_size": 100,
        "optimizer": {"name": "adam", "lr": 0.1},
    },
    "ResNet-20": {
        "model": {"name": "resnet20"},
        "batch_size": 128,
        "optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4},
    },
    "WRN-20-1": {
        "model": {"name": "wrn", "depth": 20, "width": 1},
        "batch_size": 125,
        "optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 5e-4},
    },
}


def unpack(archive: Path, folder: Path) -> None:
    """Unpacks the images that are used."""
    with tarfile.open(archive) as packed:
        for member in packed:
            if WANTED.fullmatch(member.name):
                packed.extract(member, folder, filter="data")


def ours(folder: Path, parts: Parts, *, num_threads: int, **more: Any) -> float:
    """Trains with the engine; seconds of the fastest epoch.

    Args:
        folder: Folder of `train` and `test`.
        parts: One of `NETWORKS`.
        num_threads: Threads of torch.
        more: Further keys of the trial.
    """
    data = {
        "name": "image_folder", "folder": str(folder), "train_images": NUM_TRAIN,
        "validation": NUM_VALIDATION, "mean": MEAN, "std": STD,
        "batch_size": parts["batch_size"], "eval_batch_size": EVAL_BATCH_SIZE,
        "augment": {"crop": 4, "flip": True},
    }  # fmt: skip
    spec = trainers.TrainSpec.from_mapping(
        {
            "model": parts["model"], "optimizer": parts["optimizer"], "data": data,
            "layers": {"order": "all"}, "epochs": EPOCHS, **more,
        }
    )  # fmt: skip
    options = trainers.RunOptions(device="cpu", num_threads=num_threads, data_dir=folder)
    result = trainers.run(spec, options=options)
    return min(metrics.wall_s for metrics in result.epochs[1:])


class UsualPictures:
    """The usual loop: ImageFolder, a DataLoader with two workers, torch's own optimizer.

    Args:
        folder: Folder of `train` and `test`.
        parts: One of `NETWORKS`.
    """

    def __init__(self, folder: Path, parts: Parts) -> None:
        as_is = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
        changed = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip(), *as_is]
        training = datasets.ImageFolder(str(folder / "train"), transforms.Compose(changed))
        test = datasets.ImageFolder(str(folder / "test"), transforms.Compose(as_is))
        size = parts["batch_size"]
        # Forks are usual; the workers of a spawned process would import torch anew.
        workers: dict[str, Any] = {"num_workers": 2, "multiprocessing_context": "fork"}
        self.train = DataLoader(training, batch_size=size, shuffle=True, **workers)
        self.test = DataLoader(test, batch_size=EVAL_BATCH_SIZE, **workers)
        self.model = trainers.build_model(**parts["model"])
        self.layers = [
            self.model.get_submodule(name) for name in trainers.weight_layers(self.model)
        ]
        options = dict(parts["optimizer"])
        kind = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[options.pop("name")]
        self.optimizer = kind(self.model.parameters(), **options)

    def epoch(self) -> float:
        """Trains an epoch and measures the test images; seconds it took."""
        started = time.perf_counter()
        self.model.train()
        total_loss = train_hits = test_hits = 0.0
        for images, labels in self.train:
            loss, hits = train_step(self.model, self.layers, self.optimizer, images, labels)
            total_loss += loss
            train_hits += hits
        self.model.eval()
        with torch.no_grad(), binary(self.layers):
            for images, labels in self.test:
                test_hits += (self.model(images).argmax(1) == labels).sum().item()
        self.scores = total_loss / NUM_TRAIN, train_hits / NUM_TRAIN, test_hits / NUM_TEST
        return time.perf_counter() - started


def usual(folder: Path, parts: Parts, *, num_threads: int) -> float:
    """Trains with the usual loop; seconds of the fastest epoch. Arguments as of `ours`."""
    torch.set_num_threads(num_threads)
    loop = UsualPictures(folder, parts)
    return min([loop.epoch() for _ in range(EPOCHS)][1:])
