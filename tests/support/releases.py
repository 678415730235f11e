"""Archives of the shape in which ImageNet is published, with a few classes."""

import io
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from tests.support.photographs import WNIDS

INNER = "n00001740"
"""A synset that has others below it, and so no photographs."""
NUMBERS = {WNIDS[0]: 3, WNIDS[1]: 1, WNIDS[2]: 2}
"""The devkit's numbers of the classes are not in the order of their names."""


def add(archive: tarfile.TarFile, name: str, content: bytes, **changes: object) -> None:
    """Adds a regular file, or what the changes make of it."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    for key, value in changes.items():
        setattr(member, key, value)
    archive.addfile(member, io.BytesIO(content))


def packed(files: Sequence[tuple[str, bytes]], mode: str = "w") -> bytes:
    """The bytes of an archive of these files."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=mode) as archive:
        for name, content in files:
            add(archive, name, content)
    return target.getvalue()


def content_of(name: str) -> bytes:
    """What stands for the bytes of a photograph: other ones and another length for each name."""
    return name.encode() * (1 + sum(name.encode()) % 50)


def train_names(wnid: str, num: int = 4) -> list[str]:
    """Names of the training photographs of a class."""
    return [f"{wnid}_{number * 7}.JPEG" for number in range(num)]


def val_names(num: int = 6) -> list[str]:
    """Names of the validation photographs; number k is of class k modulo three."""
    return [f"ILSVRC2012_val_{number:08d}.JPEG" for number in range(1, num + 1)]


def class_of(name: str) -> str:
    """The class of a validation photograph."""
    return WNIDS[int(name[15:23]) % 3]


Content = Callable[[str], bytes]
"""The bytes of a photograph, by its name."""


def training_archive(content: Content = content_of) -> bytes:
    """A tar of one tar for each class."""
    return packed(
        [
            (f"{wnid}.tar", packed([(name, content(name)) for name in train_names(wnid)]))
            for wnid in WNIDS
        ]
    )


def validation_archive(content: Content = content_of) -> bytes:
    """A flat tar."""
    return packed([(name, content(name)) for name in val_names()])


def devkit() -> bytes:
    """The devkit: `meta.mat` of MATLAB, and a line with a number for each photograph."""
    from scipy.io import savemat

    kind = np.dtype([("ILSVRC2012_ID", "O"), ("WNID", "O"), ("num_children", "O")])
    rows = [(number, wnid, 0) for wnid, number in NUMBERS.items()]
    synsets = np.array([*sorted(rows), (4, INNER, 2)], dtype=kind)[:, None]
    meta = io.BytesIO()
    savemat(meta, {"synsets": synsets})
    truth = "".join(f"{NUMBERS[class_of(name)]}\n" for name in val_names()).encode()
    top = "ILSVRC2012_devkit_t12"
    return packed(
        [
            (f"{top}/readme.txt", b"hello"),
            (f"{top}/data/meta.mat", meta.getvalue()),
            (f"{top}/data/ILSVRC2012_validation_ground_truth.txt", truth),
        ],
        "w:gz",
    )


def solution() -> str:
    """The competition's list."""
    lines = [f"{name.removesuffix('.JPEG')},{class_of(name)} 1 2 3 4 " for name in val_names()]
    return "\n".join(["ImageId,PredictionString", *lines, ""])


def release(folder: Path, content: Content = content_of) -> Path:
    """Writes all three archives."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ILSVRC2012_img_train.tar").write_bytes(training_archive(content))
    (folder / "ILSVRC2012_img_val.tar").write_bytes(validation_archive(content))
    (folder / "ILSVRC2012_devkit_t12.tar.gz").write_bytes(devkit())
    return folder
