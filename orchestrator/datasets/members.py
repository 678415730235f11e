"""Which photographs lie where in the archives of ImageNet; nothing is unpacked to find out.

The training archive is a tar of one tar for each class. An inner member begins at the sum of both
offsets, so that anyone can read it out of the outer file.
"""

import re
import tarfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from orchestrator.datasets.errors import PrepareError

CLASS = re.compile(r"n\d{8}")
OF_CLASS = re.compile(r"(?:\./)?(?:train/)?(n\d{8})\.tar")
TRAINING = re.compile(r"(?:\./)?((n\d{8})_\d+\.JPEG)")
VALIDATION = re.compile(r"(?:\./)?(?:val/)?(ILSVRC2012_val_\d{8}\.JPEG)")
MOST_NAMED = 3


class Member(NamedTuple):
    """A photograph: the name of its file, and where its bytes are in the archive."""

    name: str
    offset: int
    size: int


class Index(NamedTuple):
    """What an archive holds.

    Args:
        archive: The archive.
        members: The photographs of each class; those of the validation archive under "".
        extra: Names of files that are none of them, and are left where they are.
    """

    archive: Path
    members: dict[str, list[Member]]
    extra: list[str]


def training_members(archive: Path, *, seen: Callable[[int], None]) -> Index:
    """Finds the training photographs of each class.

    Args:
        archive: A tar of one tar for each class, `n01440764.tar`, ....
        seen: Called for each class with the number of bytes that are behind.

    Raises:
        PrepareError: If the archive is damaged, or has members that no such archive has.
    """
    index = Index(archive, {}, [])
    with _opened(archive) as (file, outer):
        for name, member in _files(outer, archive, length=_length(file)):
            matched = OF_CLASS.fullmatch(name)
            if not matched:
                index.extra.append(name)
                continue
            wnid = matched[1]
            if wnid in index.members:
                raise PrepareError(f"{archive} has the class {wnid} twice")
            inner_file = outer.extractfile(member)
            assert inner_file is not None
            inside = f"{archive}, in it {name}"
            with _tar(inner_file, inside) as inner:
                index.members[wnid] = list(
                    _photographs(inner, inside, wnid, length=member.size, extra=index.extra)
                )
            index.members[wnid] = [
                found._replace(offset=found.offset + member.offset_data)
                for found in index.members[wnid]
            ]
            seen(member.offset_data + member.size)
    return index


def validation_members(archive: Path) -> Index:
    """Finds the validation photographs, whose names do not say their classes.

    Raises:
        PrepareError: As for `training_members`.
    """
    index = Index(archive, {"": []}, [])
    with _opened(archive) as (file, outer):
        names: set[str] = set()
        for name, member in _files(outer, archive, length=_length(file)):
            matched = VALIDATION.fullmatch(name)
            if not matched:
                index.extra.append(name)
                continue
            _once(matched[1], names, archive)
            index.members[""].append(Member(matched[1], member.offset_data, member.size))
    return index


def _photographs(
    inner: tarfile.TarFile, inside: str, wnid: str, *, length: int, extra: list[str]
) -> Iterator[Member]:
    names: set[str] = set()
    for name, member in _files(inner, inside, length=length):
        matched = TRAINING.fullmatch(name)
        if not matched or matched[2] != wnid:
            extra.append(f"{wnid}.tar: {name}")
            continue
        _once(matched[1], names, inside)
        yield Member(matched[1], member.offset_data, member.size)


def _files(
    archive: tarfile.TarFile, where: object, *, length: int
) -> Iterator[tuple[str, tarfile.TarInfo]]:
    """The regular files of an archive; folders are passed over, everything else ends this.

    Raises:
        PrepareError: At a link or a device, a name that leads out of the folder, or a member that
            is longer than the archive.
    """
    try:
        while (member := archive.next()) is not None:
            # tarfile keeps all headers, for which a million photographs need much memory.
            archive.members = []  # type: ignore[attr-defined]
            if member.isdir():
                continue
            if not member.isreg() or member.issparse():
                raise PrepareError(f"{where} has a link, a device or the like: {member.name!r}")
            path = PurePosixPath(member.name)
            if path.is_absolute() or ".." in path.parts:
                raise PrepareError(f"{where} has a name that leads elsewhere: {member.name!r}")
            if member.size < 0 or member.offset_data + member.size > length:
                raise PrepareError(f"{where} ends in the middle of {member.name!r}")
            yield member.name, member
        # tarfile takes a header that is damaged for the end of the archive.
        assert archive.fileobj is not None
        archive.fileobj.seek(archive.offset)
        if archive.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise PrepareError(f"{where} is damaged at byte {archive.offset:,}")
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise PrepareError(f"{where} cannot be read as a tar archive ({error})") from error


@contextmanager
def _opened(archive: Path) -> Iterator[tuple[IO[bytes], tarfile.TarFile]]:
    try:
        file = archive.open("rb")
    except OSError as error:
        raise PrepareError(f"{archive} cannot be opened ({error.strerror or error})") from error
    with file, _tar(file, archive) as tar:
        yield file, tar


@contextmanager
def _tar(file: IO[bytes], where: object) -> Iterator[tarfile.TarFile]:
    with ExitStack() as opened:
        try:
            tar = opened.enter_context(tarfile.open(fileobj=file, mode="r:"))
        except (tarfile.TarError, OSError, EOFError) as error:
            raise PrepareError(f"{where} cannot be read as a tar archive ({error})") from error
        yield tar


def _length(file: IO[bytes]) -> int:
    place = file.tell()
    length = file.seek(0, 2)
    file.seek(place)
    return length


def _once(name: str, names: set[str], where: object) -> None:
    if name in names:
        raise PrepareError(f"{where} has {name} twice")
    names.add(name)


def named(names: list[str]) -> str:
    """The first of many names, for a message."""
    more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
    return ", ".join(map(repr, names[:MOST_NAMED])) + more
