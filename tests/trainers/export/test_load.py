"""Files that cannot be what they say they are."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, save
from torch import nn

from trainers import SpecError, export_packed, load_packed
from trainers.export.container import checksum


@pytest.fixture
def path(tmp_path: Path, trained: Callable[..., nn.Module]) -> Path:
    export_packed(trained("mlp"), tmp_path / "net.bnn", {"a": 1})
    return tmp_path / "net.bnn"


@pytest.fixture
def rewrite(path: Path) -> Callable[..., None]:
    """Writes the file anew with other notes and tensors, and a checksum that fits."""

    def write(tensors: dict[str, torch.Tensor] | None = None, **notes: str | None) -> None:
        content = path.read_bytes()
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        changed: dict[str, Any] = header["__metadata__"] | notes
        changed = {k: v for k, v in changed.items() if v is not None and k != "sha256"}
        held = load(content) | (tensors or {})
        held = {name: tensor for name, tensor in held.items() if tensor.numel()}
        changed["sha256"] = checksum(held, changed)
        path.write_bytes(save(held, metadata=changed))

    return write


def _told(path: Path) -> str:
    with pytest.raises(SpecError, match=r"net\.bnn") as raised:
        load_packed(path)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert "there is no such file" in _told(tmp_path / "net.bnn")
    assert "cannot be read" in _told(_folder(tmp_path / "folder" / "net.bnn"))


def _folder(path: Path) -> Path:
    path.mkdir(parents=True)
    return path


@pytest.mark.parametrize("size", [0, 5, 100, 1000, -1])
def test_a_file_that_was_cut_short(size: int, path: Path) -> None:
    path.write_bytes(path.read_bytes()[:size])
    assert "is not a safetensors file, or was cut short or altered" in _told(path)


def test_a_byte_that_changed_is_found_wherever_it_is(path: Path) -> None:
    content = path.read_bytes()
    begin = 8 + int.from_bytes(content[:8], "little")
    step = max(1, len(content) // 60)
    for place in [*range(0, len(content), step), begin, len(content) - 1]:
        altered = bytearray(content)
        altered[place] ^= 1
        path.write_bytes(altered)
        assert _told(path)


def test_metadata_that_changed_is_found(path: Path) -> None:
    content = path.read_bytes()
    assert content.count(b'{\\"a\\":1}') == 1
    path.write_bytes(content.replace(b'{\\"a\\":1}', b'{\\"a\\":2}'))
    assert "was altered: its sha256 does not fit" in _told(path)


def test_a_pickle_is_not_opened(path: Path, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "run",))

    torch.save({"weights": torch.ones(2)}, path)
    assert "is not a safetensors file" in _told(path)
    path.write_bytes(pickle.dumps(Trap()))
    assert "is not a safetensors file" in _told(path)
    assert not (tmp_path / "run").exists()


def test_a_foreign_safetensors_file(path: Path) -> None:
    path.write_bytes(save({"weight": torch.ones(2, 2)}, metadata={"format": "pt"}))
    assert "not an exported network; known formats: bnn-packbits, bnn-packed" in _told(path)
    path.write_bytes(save({"weight": torch.ones(2, 2)}))
    assert "not an exported network" in _told(path)


def test_a_file_of_a_later_version(path: Path, rewrite: Callable[..., None]) -> None:
    rewrite(version="3")
    said = _told(path)
    assert "has version 3 of its layout; this package reads 2; a newer bnn-orchestrate" in said


@pytest.mark.parametrize(
    ("notes", "said"),
    [
        ({"model": '{"name":"mpl","widths":[4,2]}'}, "unknown model 'mpl', did you mean 'mlp'?"),
        ({"model": '{"name":"mlp","widths":[35,130,10]}'}, "does not fit 3 packed layers"),
        ({"model": '{"name":"mlp","widths":[35,130,13,9]}'}, "fc3.weight: should be"),
        ({"model": None}, "model: is missing"),
        ({"levels": "[1.0]"}, "levels: does not fit 3 packed layers"),
        ({"levels": "no"}, "levels: is missing or not JSON"),
        ({"dtype": "float33"}, "dtype: unknown value 'float33'"),
        ({"activations": "{}"}, "activations: should be a list"),
        ({"activations": '[{"name":"sing"}]'}, "did you mean 'sign'?"),
        ({"activations": '[{"name":"sign","layers":["fc9"]}]'}, "unknown layer 'fc9'"),
        ({"activations": '[{"name":"sign"},{"name":"sign"}]'}, "is binarized already"),
        ({"activations": '[{"name":"sign","zero":3}]'}, "must be 1 or 0, got 3"),
    ],
    ids=[
        *("name", "layers", "shape", "none", "levels", "json", "dtype"),
        *("list", "sign", "place", "twice", "option"),
    ],
)
def test_a_header_that_does_not_fit(
    notes: dict[str, str | None], said: str, path: Path, rewrite: Callable[..., None]
) -> None:
    rewrite(**notes)
    assert said in _told(path)


def test_tensors_too_many_and_too_few(path: Path, rewrite: Callable[..., None]) -> None:
    rewrite({"fc9.weight": torch.ones(2)})
    assert "fc9.weight: is not part of the network 'mlp'" in _told(path)
    rewrite({"fc9.weight": torch.empty(0), "bn1.weight": torch.empty(0)})
    assert "bn1.weight: is missing; the network has (130,)" in _told(path)
    rewrite({"bn1.weight": torch.ones(130), "num_batches_tracked": torch.ones(2)})
    assert "num_batches_tracked: has 2 counters, but the network has 3" in _told(path)
