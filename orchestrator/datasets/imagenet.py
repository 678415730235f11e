"""ImageNet: from what one can get to `train/CLASS/` and `val/CLASS/`."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from orchestrator.datasets.checksums import check_published
from orchestrator.datasets.errors import PrepareError
from orchestrator.datasets.labels import DEVKIT, validation_classes
from orchestrator.datasets.members import (
    CLASS,
    Index,
    Member,
    named,
    training_members,
    validation_members,
)
from orchestrator.datasets.unpacking import PARTIAL, Progress, check_room, job, unpack
from orchestrator.free_space import size_text
from trainers.locks import lock

TRAIN_TAR, VAL_TAR = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"
KAGGLE = (Path("ILSVRC/Data/CLS-LOC"), Path("Data/CLS-LOC"))
NUM_CLASSES, NUM_TRAIN, NUM_VAL = 1000, 1_281_167, 50_000
LOCK = ".prepare.lock"


class Prepared(NamedTuple):
    """What lies ready.

    Args:
        folder: The folder of `train` and `val`.
        classes: Classes of each.
        train: Photographs below `train`.
        val: Photographs below `val`.
    """

    folder: Path
    classes: int
    train: int
    val: int

    @property
    def is_whole(self) -> bool:
        """Whether these are the published numbers."""
        return (self.classes, self.train, self.val) == (NUM_CLASSES, NUM_TRAIN, NUM_VAL)


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What is asked for.

    Args:
        source: Folder of the archives, or of what others made of them.
        to: Folder that shall have `train/CLASS/` and `val/CLASS/`.
        is_part: Fewer classes or photographs than published are right.
        checks: Compare archives with their published checksums.
        threads: How many classes are written at the same time.
        told: Called with lines for the user.
        progress: Called now and then while photographs are written.
    """

    source: Path
    to: Path
    is_part: bool
    checks: bool
    threads: int
    told: Callable[[str], None]
    progress: Callable[[Progress], None]


def prepare(request: Request) -> Prepared:
    """Prepares ImageNet, or goes on where an interrupted command ended.

    Raises:
        PrepareError: If something is missing, damaged, or not of ImageNet; nothing was written.
        StoppedError: If an archive cannot be read while classes are written.
        DiskFullError: If the disk is full.
    """
    source = request.source
    if not source.is_dir():
        raise PrepareError(f"--from names no folder: {source.absolute()}")
    if _is_laid_out(source / "train") and _is_laid_out(source / "val"):
        return _whole(_counted(source), request)
    kaggle = next((source / path for path in KAGGLE if (source / path / "train").is_dir()), None)
    if kaggle is None and not (source / TRAIN_TAR).is_file():
        there = _names(source)
        beside = f"; it has {named(there)}" if there else "; it is empty"
        raise PrepareError(
            f"{source} has neither {TRAIN_TAR}, nor {KAGGLE[0]}/train/, nor train/CLASS/ and "
            f"val/CLASS/{beside}"
        )
    with _alone(request.to):
        if kaggle is not None:
            return _from_folders(kaggle, request)
        return _from_archives(request)


def _from_archives(request: Request) -> Prepared:
    source, to = request.source, request.to
    for name in (TRAIN_TAR, VAL_TAR):
        if not (source / name).is_file():
            raise PrepareError(f"{source} has no {name}")
    labels = validation_classes(source)
    if request.checks and not request.is_part:
        for name in (DEVKIT, VAL_TAR, TRAIN_TAR):
            if (source / name).is_file():
                check_published(source / name, to, told=request.told)
    request.told(f"reading what {source / TRAIN_TAR} holds")
    training = training_members(source / TRAIN_TAR, seen=lambda _: None)
    _refuse_empty(training.archive, training.members)
    validating = validation_members(source / VAL_TAR)
    for index in (training, validating):
        if index.extra:
            request.told(
                f"left in {index.archive.name}, for they are no photographs of ImageNet: "
                f"{named(index.extra)}"
            )
    val = _by_class(validating, labels, set(training.members), is_part=request.is_part)
    prepared = _whole(
        Prepared(
            to,
            len(training.members),
            sum(map(len, training.members.values())),
            sum(map(len, val.values())),
        ),
        request,
    )
    jobs = [job(to / "train", training, training.members), job(to / "val", validating, val)]
    total = check_room(to, jobs)
    if total:
        request.told(f"writing {size_text(total)} to {to}")
    for part in jobs:
        unpack(part, num=prepared.classes, threads=request.threads, tell=request.progress)
    return prepared


def _from_folders(kaggle: Path, request: Request) -> Prepared:
    """Kaggle's folders: `train` is right already, and linked; `val` is sorted into classes."""
    to = request.to
    labels = validation_classes(request.source)
    classes = {name for name in _names(kaggle / "train") if CLASS.fullmatch(name)}
    found = [
        Member(entry.name, 0, entry.stat().st_size)
        for entry in sorted(os.scandir(kaggle / "val"), key=lambda entry: entry.name)
        if entry.name.endswith(".JPEG") and entry.is_file(follow_symlinks=False)
    ]
    index = Index(kaggle / "val", {"": found}, [])
    val = _by_class(index, labels, classes, is_part=request.is_part)
    counted = _count(kaggle / "train")
    prepared = Prepared(to, len(classes), counted, sum(map(len, val.values())))
    _whole(prepared, request)
    part = job(to / "val", index, val)
    total = check_room(to, [part])
    request.told(f"linking {kaggle / 'train'}, and copying {size_text(total)} to {to / 'val'}")
    _link(to / "train", kaggle / "train")
    (to / "val").mkdir(exist_ok=True)
    for entry in (to / "val").iterdir():
        if PARTIAL.fullmatch(entry.name):
            shutil.rmtree(entry)
    for wnid, members in part.classes.items():
        partial = to / "val" / f".{wnid}.part"
        partial.mkdir()
        for member in members:
            shutil.copy2(kaggle / "val" / member.name, partial / member.name)
        partial.rename(to / "val" / wnid)
    return prepared


def _link(link: Path, target: Path) -> None:
    if link.is_symlink() and link.resolve() == target.resolve():
        return
    if link.exists() or link.is_symlink():
        raise PrepareError(f"{link} is there already; take it away, or name another folder")
    link.symlink_to(target.absolute(), target_is_directory=True)


def _by_class(
    index: Index, labels: dict[str, str], classes: set[str], *, is_part: bool
) -> dict[str, list[Member]]:
    """The validation photographs of each class.

    Raises:
        PrepareError: If one has no class, or one of another class than the training photographs;
            or a class has none.
    """
    found: dict[str, list[Member]] = {wnid: [] for wnid in sorted(classes)}
    for member in index.members[""]:
        wnid = labels.get(member.name)
        if wnid is None:
            raise PrepareError(f"{index.archive} has {member.name}, whose class nothing says")
        if wnid in found:
            found[wnid].append(member)
        elif not is_part:
            raise PrepareError(f"no training photographs are of class {wnid} of {member.name}")
    _refuse_empty(index.archive, found)
    return found


def _refuse_empty(archive: Path, classes: Mapping[str, Sequence[Member]]) -> None:
    empty = [wnid for wnid, members in classes.items() if not members]
    if empty:
        raise PrepareError(f"{archive} has no photographs of {named(empty)}")


def _whole(prepared: Prepared, request: Request) -> Prepared:
    if not prepared.is_whole and not request.is_part:
        raise PrepareError(
            f"{request.source} has {prepared.classes:,} classes, {prepared.train:,} training and "
            f"{prepared.val:,} validation photographs; published are {NUM_CLASSES:,}, "
            f"{NUM_TRAIN:,} and {NUM_VAL:,}; --part takes a part of ImageNet"
        )
    return prepared


def _is_laid_out(folder: Path) -> bool:
    return folder.is_dir() and any(
        CLASS.fullmatch(name) and (folder / name).is_dir() for name in _names(folder)
    )


def _counted(folder: Path) -> Prepared:
    """Counts what lies in the layout already.

    Raises:
        PrepareError: If train and val have other classes.
    """
    of_train, of_val = (
        {name for name in _names(folder / part) if CLASS.fullmatch(name)}
        for part in ("train", "val")
    )
    if of_train != of_val:
        other = named(sorted(of_train ^ of_val))
        raise PrepareError(f"train and val of {folder} have other classes: {other}")
    return Prepared(folder, len(of_train), _count(folder / "train"), _count(folder / "val"))


def _count(folder: Path) -> int:
    return sum(
        sum(name.endswith(".JPEG") for name in _names(folder / wnid))
        for wnid in _names(folder)
        if CLASS.fullmatch(wnid)
    )


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError as error:
        raise PrepareError(f"{folder} cannot be read ({error.strerror or error})") from error


@contextmanager
def _alone(to: Path) -> Iterator[None]:
    """Makes the folder, and keeps other processes from preparing the same one.

    Raises:
        PrepareError: If another process does, or the folder cannot be made.
    """
    try:
        to.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(to / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise PrepareError(f"{to} cannot be written ({error.strerror or error})") from error
    try:
        if lock(descriptor) is False:
            raise PrepareError(f"another process prepares {to}; wait for it, or end it")
        yield
    finally:
        os.close(descriptor)
