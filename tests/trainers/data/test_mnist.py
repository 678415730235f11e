"""MNIST: the real files where they are, and made-up damaged ones."""

import math
import os
import struct
from pathlib import Path

import pytest
import torch
from torchvision import transforms
from torchvision.datasets import MNIST

from trainers.data.mnist import FILES, MNIST_SOURCE, load_mnist
from trainers.data.splits import Splits
from trainers.errors import MissingDataError, SpecError

REPOSITORY = Path(__file__).resolve().parents[3]
DATA_DIR = Path(os.environ.get("BNN_DATA_DIR") or REPOSITORY.parent / "shared" / "data")
HAS_FILES = all((DATA_DIR / file).is_file() for file in FILES)
needs_files = pytest.mark.skipif(not HAS_FILES, reason=f"no MNIST files in {DATA_DIR}")

TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = (
    FILES[0],
    FILES[1],
    FILES[2],
    FILES[3],
)


@pytest.fixture(scope="module")
def mnist() -> Splits:
    return load_mnist(DATA_DIR)


@needs_files
def test_the_last_5000_training_images_validate(mnist: Splits) -> None:
    sizes = [len(mnist.train), len(mnist.validation), len(mnist.test)]
    assert sizes == [55_000, 5_000, 10_000]
    raw = MNIST(str(DATA_DIR), train=True)
    assert torch.equal(mnist.train.labels, raw.targets[:55_000])
    assert torch.equal(mnist.validation.labels, raw.targets[55_000:])
    assert torch.equal(mnist.test.labels, MNIST(str(DATA_DIR), train=False).targets)
    for split in (mnist.train, mnist.validation, mnist.test):
        assert split.images.shape == (len(split), *MNIST_SOURCE.shape)
        assert split.images.dtype == torch.float32
        assert split.labels.dtype == torch.int64


@needs_files
def test_images_are_the_bits_of_totensor_and_normalize(mnist: Splits) -> None:
    chain = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
    for train, split, first in (
        (True, mnist.train, 0),
        (True, mnist.validation, 55_000),
        (False, mnist.test, 0),
    ):
        raw = MNIST(str(DATA_DIR), train=train, transform=chain)
        expected = torch.stack([raw[first + index][0] for index in range(150)])
        assert torch.equal(split.images[:150], expected)


@needs_files
def test_another_number_of_validating_images_moves_the_cut(mnist: Splits) -> None:
    splits = load_mnist(DATA_DIR, validation=59_990)
    assert [len(splits.train), len(splits.validation)] == [10, 59_990]
    assert torch.equal(splits.train.images, mnist.train.images[:10])


@pytest.mark.parametrize("validation", [0, 60_000, -5])
def test_a_split_that_leaves_nothing_is_refused(validation: int, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="validation: must be between 1 and 59999"):
        load_mnist(tmp_path, validation=validation)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A download that fails: torchvision ends in this RuntimeError when no mirror answers."""

    def download(self: MNIST) -> None:
        raise RuntimeError("Error downloading train-images-idx3-ubyte.gz")

    monkeypatch.setattr("torchvision.datasets.MNIST.download", download)


@pytest.mark.usefixtures("no_network")
def test_missing_files_name_folder_files_and_the_study_that_needs_none(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="could not be downloaded") as raised:
        load_mnist(tmp_path / "nothing")
    message = str(raised.value)
    assert str(tmp_path / "nothing") in message
    assert all(str(file) in message for file in FILES)
    assert "digits-orders" in message
    assert "BNN_DATA_DIR" in message
    assert "Error downloading" in message


@needs_files
def test_without_the_test_part_its_files_need_not_be_there(mnist: Splits, tmp_path: Path) -> None:
    for file in (TRAIN_IMAGES, TRAIN_LABELS):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).symlink_to(DATA_DIR / file)
    splits = load_mnist(tmp_path, False)
    assert splits.test is None
    assert torch.equal(splits.train.images, mnist.train.images)
    (tmp_path / TEST_IMAGES).write_bytes(b"poison")
    assert load_mnist(tmp_path, False).checksum() == splits.checksum()


@needs_files
def test_the_checksum_stays_what_it_was(mnist: Splits) -> None:
    assert mnist.checksum().startswith("203b02d8583f0c3f456aad5e7f7b891b")


@needs_files
def test_blank_is_the_background_of_the_digits(mnist: Splits) -> None:
    assert mnist.train.blank == mnist.train.images.min()


def _idx(*shape: int, kind: int = 8) -> bytes:
    """A file in the format of the data set: type, sizes, then zeros."""
    header = struct.pack(">BBBB", 0, 0, kind, len(shape))
    return header + struct.pack(f">{len(shape)}I", *shape) + bytes(math.prod(shape))


def _folder(tmp_path: Path, damaged: Path, content: bytes) -> Path:
    """Four files of the right form but few images, one of them replaced."""
    files = {
        TRAIN_IMAGES: _idx(12, 28, 28),
        TRAIN_LABELS: _idx(12),
        TEST_IMAGES: _idx(4, 28, 28),
        TEST_LABELS: _idx(4),
    }
    for file, whole in (files | {damaged: content}).items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(whole)
    return tmp_path


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("missing", FILES, ids=str)
def test_one_missing_file_is_as_bad_as_four(missing: Path, tmp_path: Path) -> None:
    folder = _folder(tmp_path, TRAIN_IMAGES, _idx(12, 28, 28))
    (folder / missing).unlink()
    with pytest.raises(MissingDataError, match="is missing and could not be downloaded"):
        load_mnist(folder, validation=2)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(
    ("file", "content"),
    [
        pytest.param(TRAIN_IMAGES, b"", id="empty"),
        pytest.param(TRAIN_IMAGES, _idx(12, 28, 28)[:-1], id="cut short by a byte"),
        pytest.param(TRAIN_IMAGES, _idx(12, 28, 28)[:9], id="cut in the header"),
        pytest.param(TRAIN_IMAGES, b"<html>moved</html>" * 9, id="a page instead"),
        pytest.param(TRAIN_IMAGES, _idx(12 * 28 * 28), id="flat images"),
        pytest.param(TRAIN_IMAGES, _idx(12, 28, 28, kind=9), id="signed bytes"),
        pytest.param(TRAIN_IMAGES, _idx(12, 28, 28, kind=10), id="no such type"),
        pytest.param(TRAIN_LABELS, _idx(12)[:-3], id="labels cut short"),
        pytest.param(TEST_IMAGES, b"\x1f\x8b\x08\x00" * 40, id="still packed"),
        pytest.param(TEST_LABELS, b"", id="empty test labels"),
    ],
)
def test_a_damaged_file_is_named_as_unreadable(file: Path, content: bytes, tmp_path: Path) -> None:
    folder = _folder(tmp_path, file, content)
    with pytest.raises(MissingDataError, match="MNIST cannot be read") as raised:
        load_mnist(folder, validation=2)
    assert str(tmp_path) in str(raised.value)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(
    ("file", "content"),
    [
        pytest.param(TRAIN_IMAGES, _idx(9, 28, 28), id="fewer images than labels"),
        pytest.param(TEST_IMAGES, _idx(4, 20, 20), id="images of another size"),
        pytest.param(TRAIN_IMAGES, _idx(12, 28, 28), id="fewer images than MNIST has"),
    ],
)
def test_files_of_the_wrong_size_are_not_taken_for_mnist(
    file: Path, content: bytes, tmp_path: Path
) -> None:
    folder = _folder(tmp_path, file, content)
    with pytest.raises(MissingDataError, match="MNIST cannot be read"):
        load_mnist(folder, validation=2)
