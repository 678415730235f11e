"""Random windows of uncut pictures: where they lie, and where there are none."""

from typing import Any

import pytest
import torch

from trainers.data.augment import Augment
from trainers.data.random_window import window_drawer
from trainers.errors import SpecError
from trainers.spec.data_spec import data_faults, read_data

FOLDER: dict[str, Any] = {
    "name": "image_folder",
    "folder": "pictures",
    "size": 224,
    "augment": {"random_window": True},
}


def test_every_place_in_a_picture_is_drawn_and_none_outside() -> None:
    sizes = torch.tensor([[8, 8], [10, 9]]).repeat(300, 1)
    boxes = window_drawer(torch.Generator().manual_seed(0), size=8)(sizes)
    assert torch.equal(boxes[::2], torch.tensor([[0, 0, 8, 8]]).expand(300, 4))
    places, counts = boxes[1::2].unique(dim=0, return_counts=True)
    assert places.tolist() == [[top, left, 8, 8] for top in (0, 1, 2) for left in (0, 1)]
    assert counts.min() > 25


def test_the_same_generator_draws_the_same_windows_and_each_batch_draws_anew() -> None:
    sizes = torch.full((20, 2), 256)
    first, again = (
        Augment(random_window=True).windows(torch.Generator().manual_seed(4), size=224)
        for _ in range(2)
    )
    assert first is not None
    assert again is not None
    drawn = first(sizes)
    assert torch.equal(drawn, again(sizes))
    assert not torch.equal(drawn, first(sizes))


def test_a_window_by_row_is_the_same_in_whatever_batch_the_row_stands() -> None:
    rows = torch.arange(600)
    draw = Augment(random_window=True).windows(
        torch.Generator().manual_seed(4), size=8, by_row=True
    )
    assert draw is not None
    boxes = torch.tensor([box(10, 9) for box in draw(rows)])
    again = torch.tensor([box(10, 9) for box in draw(rows[[7, 500, 2]])])
    assert torch.equal(again, boxes[[7, 500, 2]])
    places, counts = boxes.unique(dim=0, return_counts=True)
    assert places.tolist() == [[top, left, 8, 8] for top in (0, 1, 2) for left in (0, 1)]
    assert counts.min() > 60


def test_a_study_says_it_as_true_and_gets_it_back() -> None:
    augment = Augment.from_mapping({"random_window": True, "flip": True})
    assert augment.to_mapping() == {"flip": True, "random_window": True}
    assert Augment.from_mapping({"random_window": False}).to_mapping() == {}


def test_images_of_one_size_have_no_other_windows() -> None:
    for data in (FOLDER, {"name": "cifar10", "augment": {"random_window": True}}):
        [fault] = data_faults(read_data(data))
        assert fault.path == "augment.random_window"
        assert "no pictures of one scale" in fault.what
    photographs = {"name": "imagenet", "augment": {"random_window": True}}
    assert len(data_faults(read_data(photographs))) == 1
    sketches = {"name": "tuberlin", "augment": {"random_window": True}}
    for data in ({**FOLDER, "shorter_side": 256}, sketches, {**photographs, "packed": True}):
        assert data_faults(read_data(data)) == []


def test_only_one_option_chooses_the_part_of_a_picture() -> None:
    with pytest.raises(SpecError, match="random_window: cannot be combined with random_resized_"):
        Augment.from_mapping({"random_window": True, "random_resized_crop": {}})
