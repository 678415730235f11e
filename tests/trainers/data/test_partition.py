"""Which images validate."""

import json
import os
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainers.data.partition import DrawnSplit, SplitChoice, cut, drawn, listed
from trainers.data.splits import Split
from trainers.errors import MissingDataError, SpecError

REPOSITORY = Path(__file__).resolve().parents[3]
DATA_DIR = Path(os.environ.get("BNN_DATA_DIR") or REPOSITORY.parent / "shared" / "data")
PUBLISHED = DATA_DIR / "cifar10_split0613.json"


@given(num=st.integers(2, 60), share=st.floats(0.01, 0.99), seed=st.integers(0, 10**6))
def test_every_image_trains_or_validates(num: int, share: float, seed: int) -> None:
    validation = min(max(int(num * share), 1), num - 1)
    train, validating = drawn(num, validation=validation, seed=seed)
    assert len(validating) == validation
    assert sorted([*train.tolist(), *validating.tolist()]) == list(range(num))
    for places in (train, validating):
        assert places.tolist() == sorted(places.tolist())


def test_the_draw_of_a_seed_stays_what_it_was() -> None:
    assert drawn(50_000, validation=5000, seed=316)[1][:5].tolist() == [50, 70, 87, 92, 101]


def test_another_seed_draws_other_images() -> None:
    one, other = (drawn(1000, validation=100, seed=seed)[1].tolist() for seed in (316, 317))
    assert one != other


def test_a_cut_shares_the_images(tmp_path: Path) -> None:
    whole = Split(images=torch.arange(10).reshape(-1, 1, 1, 1), labels=torch.arange(10) * 10)
    train, validating = cut(whole, validation=3, choice=SplitChoice(seed=2), data_dir=tmp_path)
    for split in (train, validating):
        assert split.images is whole.images
        assert torch.equal(split.own_images().flatten() * 10, split.labels)
    assert [len(train), len(validating)] == [7, 3]


def test_a_file_is_taken_in_its_own_order(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text('{"train": [3, 0, 2], "validation": [1]}')
    whole = Split(images=torch.arange(4).reshape(-1, 1, 1, 1), labels=torch.arange(4))
    train, validating = cut(
        whole, validation=1, choice=SplitChoice(file="s.json"), data_dir=tmp_path
    )
    assert train.labels.tolist() == [3, 0, 2]
    assert validating.labels.tolist() == [1]


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("{", "is not readable JSON"),
        ("[1]", r"must hold the lists train and validation, got the list \[1\]"),
        ('{"train": [0, 1, 2], "valid": [3]}', "must hold .*, got train, valid"),
        ('{"train": [0, 1], "validation": [3]}', "train must list 3 of 4 images, got 2"),
        ('{"train": [0, 1, 2], "validation": 3}', "validation must list 1 of 4 images, got 3"),
        ('{"train": [0, 1, 4], "validation": [3]}', "whole numbers from 0 to 3, got 4"),
        ('{"train": [0, 1, -1], "validation": [3]}', "whole numbers from 0 to 3, got -1"),
        ('{"train": [0, 1, 2.0], "validation": [3]}', "whole numbers from 0 to 3, got 2.0"),
        ('{"train": [0, true, 2], "validation": [3]}', "whole numbers from 0 to 3, got True"),
        ('{"train": [0, 1, 2], "validation": [2]}', "lists image 2 twice"),
        ('{"train": [0, 1, 1], "validation": [3]}', "lists image 1 twice"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(content: str, match: str, tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    path.write_text(content)
    with pytest.raises(SpecError, match=rf"split\.file: split\.json: .*{match}"):
        listed(path, num=4, validation=1)


def test_a_file_that_is_not_there_is_named_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match=r"no file .*gone\.json; .*seed: N"):
        listed(tmp_path / "gone.json", num=4, validation=1)


@pytest.mark.parametrize("given_", [{}, {"seed": 1, "file": "x"}])
def test_a_choice_is_a_seed_or_a_file(given_: dict[str, object]) -> None:
    with pytest.raises(SpecError, match=r"either \{seed: N\} or \{file: NAME\}"):
        SplitChoice(**given_)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [SplitChoice, DrawnSplit])
def test_a_negative_seed_is_refused(kind: type[SplitChoice]) -> None:
    with pytest.raises(SpecError, match="seed: must be 0 or more, got -1"):
        kind(seed=-1)


@pytest.mark.skipif(not PUBLISHED.is_file(), reason=f"no file {PUBLISHED}")
def test_the_published_file_is_read() -> None:
    train, validating = listed(PUBLISHED, num=50_000, validation=5000)
    assert train[:5].tolist() == [43611, 8642, 22870, 17205, 1169]
    assert validating[:5].tolist() == [26598, 15207, 39753, 19654, 33052]
    assert json.loads(PUBLISHED.read_text())["train"][-1] == train[-1]
