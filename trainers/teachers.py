"""Reads trained networks that others learn from, by what their file is."""

import hashlib
import importlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trainers.errors import Fault, MissingDataError, SpecError, UnknownNameError
from trainers.paths import expanded
from trainers.spec.added import Teacher
from trainers.storage import Place, place_at, read


def load_teacher(teacher: Teacher, *, data_dir: Path, num_classes: int) -> nn.Module:
    """Loads a teacher on the CPU, in evaluation mode, without gradients.

    Args:
        teacher: What is known of it.
        data_dir: Base of a relative file; a URL stands for itself.
        num_classes: Classes of the data set that it shall teach.

    Raises:
        MissingDataError: If there is no such file.
        SpecError: If it is another file, or holds another network; paths are relative to the
            teacher.
    """
    if teacher.run:
        what = f"{teacher.run} is looked up by a sweep; from Python, name a file"
        raise SpecError(Fault("run", what, "trainers.export_packed writes one"))
    with _local(teacher, data_dir) as path:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != teacher.sha256:
            what = f"{_place(teacher, data_dir)} is another file: its SHA-256 is {found}"
            raise SpecError(Fault("sha256", what, "bring the teacher back, or name this one"))
        network = TEACHERS[teacher.name](path, model=teacher.model, num_classes=num_classes)
    return network.eval().requires_grad_(False)


@contextmanager
def _local(teacher: Teacher, data_dir: Path) -> Iterator[Path]:
    """Gives the file on this machine; one at a URL is copied for as long as it is used."""
    place = _place(teacher, data_dir)
    try:
        content = read(place)
    except OSError as error:
        what = f"the teacher cannot be read from {place} ({error.strerror or error})"
        hint = "a relative file lies below the data folder: --data-dir or BNN_DATA_DIR"
        raise MissingDataError(Fault("file", what, hint)) from error
    if isinstance(place, Path):
        yield place
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "teacher")
        path.write_bytes(content)
        yield path


def _place(teacher: Teacher, data_dir: Path) -> Place:
    if "://" in teacher.file:
        return place_at(teacher.file)
    return (data_dir / expanded(teacher.file)).resolve()


def exported(path: Path, *, model: str | None, num_classes: int) -> nn.Module:
    """Loads a network from a file that `export` wrote.

    Raises:
        SpecError: If the file is another one.
    """
    from trainers.export.load import load_packed

    return load_packed(path)


def of_torchvision(path: Path, *, model: str | None, num_classes: int) -> nn.Module:
    """Loads one of torchvision's networks from a state dict; runs no code from the file.

    Raises:
        SpecError: If torchvision has no such network, or the file holds another one.
    """
    # torchvision says of neither function that it is public, though its documentation does.
    models: Any = importlib.import_module("torchvision.models")
    known = models.list_models(module=models)
    if model not in known:
        raise SpecError(*UnknownNameError("network of torchvision", model, known).under("model"))
    # Its constructors draw first weights from torch's global generator.
    with torch.random.fork_rng(devices=[]):
        network: nn.Module = models.get_model(model, weights=None, num_classes=num_classes)
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    # The file may hold anything.
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        what = f"is no state dict of '{model}' with {num_classes} classes ({reason})"
        raise SpecError(Fault("file", what)) from error
    return network


TEACHERS: Mapping[str, Callable[..., nn.Module]] = {
    "exported": exported,
    "torchvision": of_torchvision,
}
"""How to read the file of a teacher, by what it is."""
