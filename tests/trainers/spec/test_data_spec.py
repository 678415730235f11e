"""A data set and its batches: read from plain values, and checked against the data set's facts."""

from typing import Any

import pytest

from trainers.data import Augment
from trainers.errors import SpecError
from trainers.spec.data_spec import DataSpec, data_faults, read_data


def _faults(**value: Any) -> list[str]:
    return [str(fault) for fault in data_faults(read_data({"name": "digits", **value}))]


def test_options_of_the_data_set_and_those_of_its_batches_are_told_apart() -> None:
    data = read_data({"name": "mnist", "validation": 10, "batch_size": 7, "augment": {"crop": 2}})
    assert data.source.options == {"validation": 10}
    assert (data.batch_size, data.eval_batch_size) == (7, 1000)
    assert data.augment == Augment(crop=2)


def test_it_is_written_as_it_is_read() -> None:
    data = read_data({"name": "digits", "batch_size": 8, "augment": {"flip": True}})
    assert isinstance(data, DataSpec)
    assert read_data(data.to_mapping()) == data


def test_no_augmentation_is_not_written_down() -> None:
    assert "augment" not in read_data("digits").to_mapping()


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(SpecError, match="batch_size") as raised:
        read_data({"name": "mnst", "batch_size": "many", "eval_batch_size": 1.5})
    assert [fault.path for fault in raised.value.faults] == [
        "batch_size",
        "eval_batch_size",
        "name",
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"batch_size": 0}, "batch_size: must be 1 or more"),
        ({"eval_batch_size": -1}, "eval_batch_size: must be 1 or more"),
        ({"augment": {"crop": 8}}, "augment.crop: must be below 8"),
    ],
)
def test_sizes_that_cannot_be_are_faults(value: dict[str, Any], expected: str) -> None:
    (fault,) = _faults(**value)
    assert fault.startswith(expected)


def test_a_last_batch_of_one_image_is_a_fault() -> None:
    (fault,) = _faults(batch_size=1)
    assert "alone in a batch" in fault
