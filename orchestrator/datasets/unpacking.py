"""Writes the photographs of classes into folders: in threads, each class whole or not at all."""

import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import NamedTuple

from orchestrator.datasets.errors import PrepareError, StoppedError
from orchestrator.datasets.members import Index, Member
from orchestrator.free_space import free_bytes, size_text, told_if_full

PARTIAL = re.compile(r"\.n\d{8}\.part")
BLOCK = 4096
"""Bytes to which a file system rounds the length of a file."""
SAID_EVERY_S = 10.0


class Progress(NamedTuple):
    """How far the classes of one part are written.

    Args:
        part: train or val.
        done: Classes that are there.
        num: Classes of the part.
        num_bytes: Bytes that were written by this command.
        total: Bytes that this command writes.
        left_s: Seconds that the rest takes at this speed; None: not known yet.
    """

    part: str
    done: int
    num: int
    num_bytes: int
    total: int
    left_s: float | None


class Job(NamedTuple):
    """Classes to write below one folder: `train` or `val`."""

    folder: Path
    archive: Path
    classes: Mapping[str, Sequence[Member]]


def job(folder: Path, index: Index, classes: Mapping[str, Sequence[Member]]) -> Job:
    """What of a part is still to be written.

    Raises:
        PrepareError: If the folder of a class is there, but not with these photographs.
    """
    remaining = {
        wnid: members for wnid, members in classes.items() if not _is_there(folder / wnid, members)
    }
    return Job(folder, index.archive, remaining)


def check_room(to: Path, jobs: Sequence[Job]) -> int:
    """Returns how many bytes the jobs will write.

    Raises:
        PrepareError: If the disk has less room than they need.
    """
    sizes = [member.size for job in jobs for some in job.classes.values() for member in some]
    needed, free = sum(-(-size // BLOCK) * BLOCK for size in sizes), free_bytes(to)
    if needed > free:
        raise PrepareError(
            f"this needs {size_text(needed)} in {to}, but {size_text(free)} are free; make room, "
            "or name another folder with --to"
        )
    return sum(sizes)


def unpack(job: Job, *, num: int, threads: int, tell: Callable[[Progress], None]) -> None:
    """Writes the classes of a job.

    A class is written to a hidden folder, which gets its name when all bytes are in it. What an
    interrupted command left of such folders is removed first.

    Args:
        job: What to write.
        num: Classes of the part, with those that are there already.
        threads: How many classes are written at the same time.
        tell: Called now and then.

    Raises:
        StoppedError: If the archive cannot be read as the index says.
        DiskFullError: If the disk is full.
    """
    job.folder.mkdir(parents=True, exist_ok=True)
    for entry in job.folder.iterdir():
        if PARTIAL.fullmatch(entry.name):
            shutil.rmtree(entry)
    written = _Written(job, num, tell)
    stopping = threading.Event()
    pool = ThreadPoolExecutor(threads, "unpack")
    with told_if_full(job.folder), job.archive.open("rb") as file:
        source = file.fileno()
        try:
            waiting: set[Future[None]] = {
                pool.submit(_class, source, job, wnid, written, stopping) for wnid in job.classes
            }
            while waiting:
                done, waiting = wait(waiting, timeout=1.0, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
                written.say()
        finally:
            stopping.set()
            pool.shutdown(cancel_futures=True)
    if job.classes:
        written.say(last=True)


def _class(
    source: int, job: Job, wnid: str, written: "_Written", stopping: threading.Event
) -> None:
    partial = job.folder / f".{wnid}.part"
    partial.mkdir()
    for member in job.classes[wnid]:
        if stopping.is_set():
            return
        content = _read(source, member)
        if len(content) != member.size:
            raise StoppedError(f"{job.archive} ends in the middle of {member.name}")
        (partial / member.name).write_bytes(content)
        written.add(len(content))
    if not _is_there(partial, job.classes[wnid]):
        raise StoppedError(f"what was written to {partial} reads back differently")
    partial.rename(job.folder / wnid)
    written.finish()


def _read(source: int, member: Member) -> bytes:
    """Reads the bytes of a member; the system may return less than asked for at once."""
    parts: list[bytes] = []
    place, left = member.offset, member.size
    while left and (part := os.pread(source, left, place)):
        parts.append(part)
        place, left = place + len(part), left - len(part)
    return b"".join(parts)


def _is_there(folder: Path, members: Sequence[Member]) -> bool:
    """Whether a folder holds exactly these photographs; False if there is none.

    Raises:
        PrepareError: If it holds others.
    """
    try:
        with os.scandir(folder) as entries:
            found = {entry.name: entry.stat().st_size for entry in entries}
    except FileNotFoundError:
        return False
    except NotADirectoryError as error:
        raise PrepareError(f"{folder} is no folder; take it away") from error
    if found != {member.name: member.size for member in members}:
        raise PrepareError(
            f"{folder} holds {len(found):,} files, which are not the {len(members):,} photographs "
            "of the archive; take that folder away, and it is written again"
        )
    return True


class _Written:
    """Counts what threads have written."""

    def __init__(self, job: Job, num: int, tell: Callable[[Progress], None]) -> None:
        self.part, self.num, self.tell = job.folder.name, num, tell
        self.total = sum(member.size for some in job.classes.values() for member in some)
        self.done, self.num_bytes = num - len(job.classes), 0
        self.began = self.said = time.monotonic()
        self.lock = threading.Lock()

    def add(self, num_bytes: int) -> None:
        with self.lock:
            self.num_bytes += num_bytes

    def finish(self) -> None:
        with self.lock:
            self.done += 1

    def say(self, *, last: bool = False) -> None:
        now = time.monotonic()
        if not last and now - self.said < SAID_EVERY_S:
            return
        self.said = now
        left = None
        if self.num_bytes:
            left = (self.total - self.num_bytes) * (now - self.began) / self.num_bytes
        self.tell(Progress(self.part, self.done, self.num, self.num_bytes, self.total, left))
