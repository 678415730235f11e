"""Tiny folders of images, and where the real data sets lie."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

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
