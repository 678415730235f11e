"""A safetensors file whose header describes it and holds a checksum of all its content.

safetensors stores names, types, shapes and bytes. It stores no code, so reading it runs nothing.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trainers.errors import Fault, SpecError
from trainers.storage import write

CHECKSUM = "sha256"


@dataclass(frozen=True, kw_only=True, slots=True)
class Container:
    """The content of a file.

    Args:
        tensors: Tensors by name, on the CPU.
        notes: The texts of the header, without the checksum.
        checksum: The checksum in the header; empty if there is none.
        num_bytes: Size of the file.
    """

    tensors: Mapping[str, Tensor]
    notes: Mapping[str, str]
    checksum: str
    num_bytes: int

    @property
    def payload(self) -> int:
        """Bytes of the tensors alone."""
        return sum(tensor.nbytes for tensor in self.tensors.values())


def write_container(path: Path, tensors: Mapping[str, Tensor], notes: Mapping[str, str]) -> None:
    """Writes a file atomically: whole or not at all.

    Args:
        path: The file; an existing one is replaced.
        tensors: Tensors on the CPU, contiguous.
        notes: Texts for the header.

    Raises:
        OSError: If the file cannot be written.
    """
    # Imported here and below, so that training alone needs only torch.
    from safetensors.torch import save

    texts = dict(sorted({**notes, CHECKSUM: checksum(tensors, notes)}.items()))
    header, payload = _parted(save(dict(tensors), metadata=texts))
    # The library writes the texts in any order. Sorted, equal networks make equal files.
    described = json.dumps({**header, "__metadata__": texts}, separators=(",", ":")).encode()
    described += b" " * (-len(described) % 8)
    write(path, len(described).to_bytes(8, "little") + described + payload)


def read_container(path: Path) -> Container:
    """Reads a file; the caller checks the checksum.

    Raises:
        SpecError: If the file does not exist, cannot be read, or is not a complete safetensors
            file.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise SpecError(Fault(str(path), "there is no such file")) from error
    except OSError as error:
        what = f"cannot be read ({error.strerror})"
        raise SpecError(Fault(str(path), what)) from error
    try:
        tensors = load(content)
        header, _ = _parted(content)
    # The library raises KeyError for a dtype that this torch does not have.
    except (SafetensorError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:100]
        what = f"is not a safetensors file, or was cut short or altered ({reason})"
        hint = "export it again"
        raise SpecError(Fault(str(path), what, hint)) from error
    notes = dict(header.get("__metadata__") or {})
    return Container(
        tensors=tensors,
        checksum=notes.pop(CHECKSUM, ""),
        notes=notes,
        num_bytes=len(content),
    )


def _parted(content: bytes) -> tuple[dict[str, Any], bytes]:
    """Splits a safetensors file into its header and the bytes of its tensors."""
    begin = 8 + int.from_bytes(content[:8], "little")
    header: dict[str, Any] = json.loads(content[8:begin])
    return header, content[begin:]


def checksum(tensors: Mapping[str, Tensor], notes: Mapping[str, str]) -> str:
    """SHA-256 over the notes and the tensors, each sorted by name."""
    digest = hashlib.sha256(json.dumps(dict(sorted(notes.items()))).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
