"""Pictures that cannot be used: all are counted, and the first of each kind are named."""

from collections import Counter
from enum import Enum
from pathlib import Path

from trainers.data.news import shown
from trainers.errors import Fault, MissingDataError

NAMED = 10
"""How many pictures of each kind a message names."""


class Kind(Enum):
    """Why a picture cannot be used: the key in question, and what to do."""

    FILE = ("folder", "mend these files, or take them out of the folder")
    PLACE = ("folder", "the folder has one subfolder for each class; docs/image-folders.md")
    MODE = (
        "folder",
        "save such pictures as 8-bit grey or RGB; docs/image-folders.md has all modes",
    )
    ALPHA = (
        "alpha",
        "`alpha: white` or `alpha: black` lays such pictures on that colour; `alpha: drop` takes "
        "their colours alone, as torchvision does",
    )
    SIZE = (
        "size",
        "write `size`, or `resize: true` to scale the shorter side and cut out the centre",
    )


class UnusableError(Exception):
    """One picture cannot be used.

    Args:
        kind: Why not.
        what: The same of this picture; follows its path in a message.
    """

    def __init__(self, kind: Kind, what: str) -> None:
        super().__init__(what)
        self.kind, self.what = kind, what


class PicturesError(MissingDataError):
    """Pictures of a folder cannot be used."""


class Refused:
    """Collects pictures that cannot be used; true if there are any."""

    def __init__(self) -> None:
        self._faults: dict[Kind, list[Fault]] = {}
        self._num: Counter[Kind] = Counter()

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._num)

    def add(self, path: Path, error: UnusableError) -> None:
        """Adds a picture, or a folder of pictures."""
        kind = error.kind
        where, hint = kind.value
        faults = self._faults.setdefault(kind, [])
        if len(faults) < NAMED:
            faults.append(Fault(where, f"{shown(path)} {error.what}", "" if faults else hint))
        self._num[kind] += 1

    def check(self) -> None:
        """Raises PicturesError if there are any; it names the first of each kind."""
        if not self:
            return
        faults: list[Fault] = []
        for kind, named in self._faults.items():
            faults += named
            num, where = self._num[kind], kind.value[0]
            if num > len(named):
                faults.append(Fault(where, f"and {num - len(named):,} more; {num:,} in all"))
        raise PicturesError(*faults)
