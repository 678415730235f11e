"""Files of tensors and texts: what goes in comes out, and what was altered is found."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save
from torch import Tensor

from trainers import SpecError
from trainers.export.container import checksum, read_container, write_container

TENSORS: dict[str, Tensor] = {
    "weight": torch.tensor([[1.5, -2.0, 0.0], [3.0, torch.inf, -0.0]]),
    "bits": torch.tensor([7, 255], dtype=torch.uint8),
    "counter": torch.tensor(3),
}
NOTES = {"format": "mine", "question": "does × ± survive?"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_container(tmp_path / "net.bnn", TENSORS, NOTES)
    return tmp_path / "net.bnn"


def test_tensors_notes_and_a_checksum_that_fits_come_back(path: Path) -> None:
    held = read_container(path)
    assert held.notes == NOTES
    assert held.tensors.keys() == TENSORS.keys()
    for name, tensor in held.tensors.items():
        assert (tensor.dtype, tensor.shape) == (TENSORS[name].dtype, TENSORS[name].shape)
        assert torch.equal(tensor, TENSORS[name])
    assert held.checksum == checksum(TENSORS, NOTES) == checksum(held.tensors, held.notes)


def test_bytes_are_counted_with_the_header_and_without(path: Path) -> None:
    held = read_container(path)
    # Six single numbers, two bytes, and a counter of eight.
    assert held.payload == 6 * 4 + 2 + 8
    assert held.num_bytes == path.stat().st_size > held.payload


def test_safetensors_itself_reads_the_file(path: Path) -> None:
    for name, tensor in load_file(path).items():
        assert torch.equal(tensor, TENSORS[name])


def test_equal_contents_are_equal_files_in_whatever_order_they_came(
    path: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.bnn"
    backwards = dict(reversed(TENSORS.items())), dict(reversed(NOTES.items()))
    write_container(other, *backwards)
    assert other.read_bytes() == path.read_bytes()


def test_the_header_is_padded_so_that_tensors_begin_at_a_multiple_of_eight(path: Path) -> None:
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    assert length % 8 == 0
    assert list(json.loads(content[8 : 8 + length])["__metadata__"]) == sorted([*NOTES, "sha256"])


def test_a_file_that_is_there_is_replaced(path: Path) -> None:
    write_container(path, {"one": torch.ones(1)}, {})
    assert list(read_container(path).tensors) == ["one"]
    assert [file.name for file in path.parent.iterdir()] == ["net.bnn"]


def test_where_nothing_can_be_written_nothing_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OSError, match="file"):
        write_container(tmp_path / "file" / "net.bnn", TENSORS, NOTES)


@pytest.mark.parametrize(
    ("tensors", "notes"),
    [
        ({**TENSORS, "counter": torch.tensor(4)}, NOTES),
        ({**TENSORS, "bits": torch.tensor([7, -1], dtype=torch.int8)}, NOTES),
        ({**TENSORS, "weight": TENSORS["weight"].reshape(3, 2)}, NOTES),
        ({**TENSORS, "weight": TENSORS["weight"] + 0.0}, NOTES),
        ({"w" if name == "weight" else name: value for name, value in TENSORS.items()}, NOTES),
        (TENSORS, {**NOTES, "format": "yours"}),
        (TENSORS, {**NOTES, "more": ""}),
    ],
    ids=["value", "type", "shape", "sign of zero", "name", "note", "another note"],
)
def test_the_checksum_is_of_every_value_type_shape_name_and_note(
    tensors: dict[str, Tensor], notes: dict[str, str]
) -> None:
    assert checksum(tensors, notes) != checksum(TENSORS, NOTES)


def test_the_checksum_does_not_depend_on_strides() -> None:
    turned = {**TENSORS, "weight": TENSORS["weight"].t().contiguous().t()}
    assert not turned["weight"].is_contiguous()
    assert checksum(turned, NOTES) == checksum(TENSORS, NOTES)


def test_a_file_of_others_has_no_checksum_and_may_have_no_notes(tmp_path: Path) -> None:
    (tmp_path / "net.bnn").write_bytes(save({"weight": torch.ones(2)}))
    held = read_container(tmp_path / "net.bnn")
    assert (held.checksum, held.notes) == ("", {})


def test_what_is_no_whole_file_is_refused_by_name(path: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"none\.bnn: there is no such file"):
        read_container(tmp_path / "none.bnn")
    with pytest.raises(SpecError, match=r"cannot be read \(Is a directory\)"):
        read_container(tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(SpecError, match=r"net\.bnn: is not a safetensors file, or was cut short"):
        read_container(path)
