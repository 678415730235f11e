"""The handwritten digits of scikit-learn."""

import sys
from pathlib import Path

import pytest
import torch

from trainers.data.digits import DIGITS_SOURCE, load_digits
from trainers.data.splits import Splits
from trainers.errors import MissingDataError


@pytest.fixture(scope="module")
def digits() -> Splits:
    return load_digits(Path("no", "folder", "is", "needed"))


def test_every_fifth_image_tests_and_the_one_after_it_validates(digits: Splits) -> None:
    from sklearn import datasets

    pixels, classes = datasets.load_digits(return_X_y=True)
    for split, places in (
        (digits.test, [0, 5, 1795]),
        (digits.validation, [1, 6, 1796]),
        (digits.train, [2, 3, 1794]),
    ):
        for index, place in zip((0, 1, -1), places, strict=True):
            assert split.labels[index] == classes[place]
            expected = (torch.from_numpy(pixels[place]).float() / 16 - 0.3053) / 0.3760
            torch.testing.assert_close(split.images[index].flatten(), expected)


def test_parts_cover_all_images_once(digits: Splits) -> None:
    sizes = [len(digits.train), len(digits.validation), len(digits.test)]
    assert sizes == [1077, 360, 360]
    assert sum(sizes[:2]) == DIGITS_SOURCE.num_train


def test_images_are_as_the_source_says_with_all_classes(digits: Splits) -> None:
    for split in (digits.train, digits.validation, digits.test):
        assert split.images.shape == (len(split), *DIGITS_SOURCE.shape)
        assert split.images.dtype == torch.float32
        assert split.labels.dtype == torch.int64
        assert split.labels.unique().tolist() == list(range(DIGITS_SOURCE.num_classes))


def test_pixels_have_mean_zero_and_deviation_one(digits: Splits) -> None:
    parts = (digits.train, digits.validation, digits.test)
    pixels = torch.cat([split.images for split in parts])
    assert pixels.mean().item() == pytest.approx(0, abs=1e-3)
    assert pixels.std().item() == pytest.approx(1, abs=1e-3)


def test_two_loads_are_the_same_bits(digits: Splits) -> None:
    assert load_digits(Path()).checksum() == digits.checksum()


def test_the_checksum_stays_what_it_was(digits: Splits) -> None:
    assert digits.checksum().startswith("a08e7f1b80174f2c9dd3391edc61ea5b")


def test_the_test_part_may_be_left_out(digits: Splits) -> None:
    splits = load_digits(Path(), False)
    assert splits.test is None
    assert torch.equal(splits.train.images, digits.train.images)
    assert splits.train.blank == digits.train.images.min()


def test_without_scikit_learn_the_message_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # None in sys.modules makes the import fail, whether it is installed or not.
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(MissingDataError, match="pip install scikit-learn"):
        load_digits(Path())
