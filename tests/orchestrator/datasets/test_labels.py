"""The class of each validation photograph, from either publisher."""

from pathlib import Path

import pytest

from orchestrator.datasets.errors import PrepareError
from orchestrator.datasets.labels import DEVKIT, SOLUTION, validation_classes
from tests.support.releases import class_of, devkit, packed, solution, val_names

EXPECTED = {name: class_of(name) for name in val_names()}


def test_the_devkit_numbers_classes_in_an_order_of_its_own(tmp_path: Path) -> None:
    (tmp_path / DEVKIT).write_bytes(devkit())
    assert validation_classes(tmp_path) == EXPECTED


def test_the_list_of_the_competition_needs_no_devkit(tmp_path: Path) -> None:
    (tmp_path / SOLUTION).write_text(solution())
    assert validation_classes(tmp_path) == EXPECTED


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (DEVKIT, b"no archive", "cannot be read"),
        (DEVKIT, packed([("a/readme.txt", b"")], "w:gz"), "has no data/meta.mat and no data/ILS"),
        (
            DEVKIT,
            packed(
                [
                    ("a/data/meta.mat", b"no file of MATLAB"),
                    ("a/data/ILSVRC2012_validation_ground_truth.txt", b"1\n"),
                ],
                "w:gz",
            ),
            "meta.mat cannot be read",
        ),
        (SOLUTION, b"ImageId,PredictionString\n", "no lines with ImageId"),
        (SOLUTION, b"ImageId,PredictionString\na,../x 1 2\n", "no class for 'a'"),
        (SOLUTION, b"\xff\xfe", "cannot be read"),
    ],
    # Not the content: an archive holds the second in which it was made.
    ids=["no archive", "no lists", "no MATLAB", "no lines", "no class", "no text"],
)
def test_what_is_damaged_is_named(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(PrepareError, match=message):
        validation_classes(tmp_path)


def test_without_either_it_says_what_is_needed(tmp_path: Path) -> None:
    with pytest.raises(PrepareError, match=f"put {DEVKIT} or {SOLUTION} there"):
        validation_classes(tmp_path)
