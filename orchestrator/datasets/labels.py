"""The class of each validation photograph of ImageNet, as one of two publishers says it."""

import csv
import tarfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

from orchestrator.datasets.errors import PrepareError
from orchestrator.datasets.members import CLASS

DEVKIT = "ILSVRC2012_devkit_t12.tar.gz"
SOLUTION = "LOC_val_solution.csv"
META, TRUTH = "data/meta.mat", "data/ILSVRC2012_validation_ground_truth.txt"
MOST_BYTES = 1 << 26
"""Most bytes of a file of the devkit that is read into memory."""


def validation_classes(folder: Path) -> dict[str, str]:
    """Returns the class of each validation photograph, by the name of its file.

    Args:
        folder: Holds the devkit, packed, or the competition's list.

    Raises:
        PrepareError: If neither is there, or what is there is damaged.
    """
    if (folder / SOLUTION).is_file():
        return _of_solution(folder / SOLUTION)
    if (folder / DEVKIT).is_file():
        return _of_devkit(folder / DEVKIT)
    raise PrepareError(
        f"nothing in {folder} says the classes of the validation photographs; put {DEVKIT} or "
        f"{SOLUTION} there"
    )


def _of_solution(path: Path) -> dict[str, str]:
    """Reads lines such as `ILSVRC2012_val_00048981,n03995372 85 1 499 272`."""
    found: dict[str, str] = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                words = (row.get("PredictionString") or "").split()
                name = row.get("ImageId") or ""
                if not words or not CLASS.fullmatch(words[0]) or not name:
                    raise PrepareError(f"{path} has no class for {name!r}")
                found[f"{name}.JPEG"] = words[0]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise PrepareError(f"{path} cannot be read ({error})") from error
    if not found:
        raise PrepareError(f"{path} has no lines with ImageId and PredictionString")
    return found


def _of_devkit(path: Path) -> dict[str, str]:
    """Line k of the ground truth is the number of a synset of meta.mat, for photograph k."""
    files = _contents(path)
    classes = _synsets(files[META], path)
    found: dict[str, str] = {}
    for place, line in enumerate(files[TRUTH].split(), 1):
        wnid = classes.get(line.decode("ascii", "replace"))
        if wnid is None:
            raise PrepareError(f"{path}: {TRUTH} has no class in line {place}: {line[:20]!r}")
        found[f"ILSVRC2012_val_{place:08d}.JPEG"] = wnid
    return found


def _contents(path: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(path, "r:*") as devkit:
            for member in devkit:
                for wanted in (META, TRUTH):
                    if not member.name.endswith(f"/{wanted}") or not member.isreg():
                        continue
                    if member.size > MOST_BYTES:
                        raise PrepareError(f"{path}: {wanted} has {member.size:,} bytes")
                    file = devkit.extractfile(member)
                    assert file is not None
                    found[wanted] = file.read()
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise PrepareError(f"{path} cannot be read ({error})") from error
    missing = [wanted for wanted in (META, TRUTH) if wanted not in found]
    if missing:
        raise PrepareError(f"{path} has no {' and no '.join(missing)}")
    return found


def _synsets(content: bytes, path: Path) -> Mapping[str, str]:
    """Names of the classes, by their number; of synsets with others below them there is none."""
    # It takes a while to import, for which only who reads such a file shall wait.
    from scipy.io import loadmat

    try:
        synsets = loadmat(BytesIO(content), squeeze_me=True)["synsets"]
        leaves = [
            (str(int(row["ILSVRC2012_ID"])), str(row["WNID"]))
            for row in synsets
            if int(row["num_children"]) == 0
        ]
    # The reader raises errors of any type for files that are not of MATLAB.
    except Exception as error:
        raise PrepareError(f"{path}: {META} cannot be read ({error})") from error
    wrong = [wnid for _, wnid in leaves if not CLASS.fullmatch(wnid)]
    if wrong or not leaves:
        raise PrepareError(f"{path}: {META} names no classes such as n01440764")
    return dict(leaves)
