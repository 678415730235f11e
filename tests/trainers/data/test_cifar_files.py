"""CIFAR's files as they were published: what is read of them, what is refused, what is told."""

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from trainers.data.cifar10 import CIFAR10_FILES, CIFAR10_SOURCE
from trainers.data.cifar_files import CifarFiles, cifar_source
from trainers.errors import MissingDataError, SpecError


def test_the_files_lie_below_the_data_folder() -> None:
    files = CifarFiles(title="Mine", dataset="CIFAR10", folder="mine", names=("meta", "test"))
    assert files.paths == (Path("mine", "meta"), Path("mine", "test"))


def test_a_source_is_of_the_classes_and_the_files_it_was_given() -> None:
    third = (1 / 3, 1 / 3, 1 / 3)
    source = cifar_source(CIFAR10_FILES, mean=third, std=third, num_classes=7)
    assert (source.num_classes, source.files) == (7, CIFAR10_FILES.paths)
    assert (source.shape, source.num_train, source.num_validation) == ((3, 32, 32), 50_000, 5_000)


def test_images_are_bytes_beside_the_mean_and_deviation_of_the_set(cifar10_dir: Path) -> None:
    mean, std = (0.25, 0.5, 0.75), (0.125, 0.25, 0.5)
    source = cifar_source(CIFAR10_FILES, mean=mean, std=std, num_classes=10)
    splits = source.load(cifar10_dir, validation=10)
    assert splits.test is not None
    for split in (splits.train, splits.validation, splits.test):
        assert (split.images.dtype, tuple(split.images.shape[1:])) == (torch.uint8, (3, 32, 32))
        assert split.normalisation is not None
        assert split.normalisation.mean.flatten().tolist() == list(mean)
        assert split.normalisation.std.flatten().tolist() == list(std)


@pytest.mark.parametrize("is_there", [False, True])
def test_without_the_test_part_its_file_is_not_read(is_there: bool, cifar10_dir: Path) -> None:
    path = cifar10_dir / CIFAR10_FILES.folder / "test_batch"
    path.unlink()
    if is_there:
        path.write_bytes(b"poison")
    splits = CIFAR10_SOURCE.load(cifar10_dir, False, validation=10)
    assert splits.test is None
    assert len(splits.train) == 20
    with pytest.raises(MissingDataError, match="CIFAR-10"):
        CIFAR10_SOURCE.load(cifar10_dir, validation=10)


@pytest.mark.parametrize("file", CIFAR10_FILES.paths, ids=str)
def test_a_missing_file_names_its_folder_and_the_alternative(
    file: Path, cifar10_dir: Path
) -> None:
    (cifar10_dir / file).unlink()
    with pytest.raises(MissingDataError, match="is missing and could not be downloaded") as raised:
        CIFAR10_SOURCE.load(cifar10_dir, validation=10)
    for said in (str(cifar10_dir), "BNN_DATA_DIR", "image_folder", "Error downloading"):
        assert said in str(raised.value)


@pytest.mark.parametrize("file", CIFAR10_FILES.paths, ids=str)
def test_a_file_with_another_checksum_is_never_unpickled(
    file: Path, cifar10_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cifar10_dir / file).write_bytes(pickle.dumps({"data": [], "labels": []}))
    usual: Callable[..., object] = pickle.load

    def load(handle: object, **options: object) -> object:
        assert Path(handle.name).name != file.name  # type: ignore[attr-defined]
        return usual(handle, **options)

    monkeypatch.setattr("torchvision.datasets.cifar.pickle.load", load)
    with pytest.raises(MissingDataError, match="CIFAR-10 cannot be read"):
        CIFAR10_SOURCE.load(cifar10_dir, validation=10)


def test_a_failed_download_leaves_no_empty_folder(cifar10_dir: Path) -> None:
    with pytest.raises(MissingDataError, match="could not be downloaded"):
        CIFAR10_SOURCE.load(cifar10_dir / "nothing")
    assert not (cifar10_dir / "nothing").exists()


@pytest.mark.parametrize("validation", [0, 50_000])
def test_a_split_that_leaves_nothing_is_refused(validation: int, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="validation: must be between 1 and 49999"):
        CIFAR10_SOURCE.load(tmp_path, validation=validation)


def test_another_mean_and_deviation_can_be_asked_for(cifar10_dir: Path) -> None:
    splits = CIFAR10_SOURCE.load(
        cifar10_dir, validation=10, mean=(0.0, 0.5, 1.0), std=(1.0, 0.5, 0.25)
    )
    normalisation = splits.train.normalisation
    assert normalisation is not None
    assert normalisation.mean.flatten().tolist() == [0.0, 0.5, 1.0]
    assert normalisation.std.flatten().tolist() == [1.0, 0.5, 0.25]
    with pytest.raises(SpecError, match="std: must be above 0"):
        CIFAR10_SOURCE.load(cifar10_dir, validation=10, std=(1.0, 0.0, 1.0))
