"""Tiny folders of images, CIFAR-10 in small, and loading them."""

import hashlib
import pickle
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor
from torchvision.datasets import CIFAR10

from trainers.data.cifar10 import CIFAR10_FILES
from trainers.data.image_folder import load_image_folder
from trainers.data.splits import Splits

CLASSES = ("ant", "bee", "cat")
FORM: Mapping[str, Any] = {"size": 6, "classes": 3, "train_images": 24, "validation": 4}


def save_image(path: Path, pixels: Tensor) -> None:
    """Writes (channels, height, width) bytes as the image file that the suffix says."""
    array = pixels.permute(1, 2, 0).squeeze(2).contiguous().numpy()
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., Path]:
    """A data folder with `tiny/`: in each class 8 images to train and 3 to test, 6x6, lossless."""

    def make(
        name: str = "data", *, seed: int = 0, size: tuple[int, int] = (6, 6), test: str = "test"
    ) -> Path:
        source = torch.Generator().manual_seed(seed)
        data_dir = tmp_path / name
        for part, num in (("train", 8), (test, 3)):
            for label in CLASSES:
                for number in range(num):
                    pixels = torch.randint(0, 256, (3, *size), generator=source, dtype=torch.uint8)
                    save_image(data_dir / "tiny" / part / label / f"{number}.png", pixels)
        return data_dir

    return make


@pytest.fixture(autouse=True)
def _a_cache_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BNN_CACHE_DIR", str(tmp_path / "elsewhere"))


@pytest.fixture
def load() -> Callable[..., Splits]:
    """The tiny folder, loaded; options replace those that fit it."""

    def load(data_dir: Path, *, test: bool = True, **options: Any) -> Splits:
        return load_image_folder(data_dir, test, **{"folder": "tiny", **FORM, **options})

    return load


@pytest.fixture
def write_pickled(tmp_path: Path) -> Callable[[str, str, object], str]:
    """Writes a file of a data folder as CIFAR's are; its MD5."""

    def write(folder: str, name: str, content: object) -> str:
        data = pickle.dumps(content)
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / name).write_bytes(data)
        return hashlib.md5(data).hexdigest()

    return write


@pytest.fixture
def cifar10_dir(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    write_pickled: Callable[[str, str, object], str],
) -> Path:
    """CIFAR-10's six files, six random images in each; the download finds no network."""
    write = partial(write_pickled, CIFAR10_FILES.folder)
    source = torch.Generator().manual_seed(0)

    def batch(name: str) -> list[str]:
        pixels = torch.randint(0, 256, (6, 3072), generator=source, dtype=torch.uint8)
        labels = torch.randint(0, 10, (6,), generator=source).tolist()
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
