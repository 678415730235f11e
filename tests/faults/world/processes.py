"""Processes as /proc shows them: who is below whom, what they are, where they listen."""

import os
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

TRAINS = "ImplicitFunc.train"
"""What Ray calls a worker that trains."""
_LISTENS = "0A"


def wait_until(condition: Callable[[], object], *, within_s: float = 90, what: str = "") -> None:
    """Returns when the condition holds; fails if it does not in time."""
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, f"it never happened: {what}"
        time.sleep(0.05)


def command_of(pid: int) -> str:
    """A process's command line; empty if it is gone or a zombie."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    return ""


def parent_of(pid: int) -> int:
    """The process that a process is below; 0 if it is gone."""
    with suppress(OSError):
        # The name, in brackets, may hold anything.
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def below(root: int) -> list[int]:
    """A process and all below it."""
    parents = {int(path.name): 0 for path in Path("/proc").iterdir() if path.name.isdecimal()}
    for pid in parents:
        parents[pid] = parent_of(pid)

    def is_below(pid: int) -> bool:
        while pid and pid != root:
            pid = parents.get(pid, 0)
        return pid == root

    return [pid for pid in parents if is_below(pid)]


def training_below(root: int) -> list[int]:
    """Ray's workers below a process that train a cell now."""
    return [pid for pid in below(root) if TRAINS in command_of(pid)]


def alive(pids: Iterable[int]) -> dict[int, str]:
    """Those that still run, with their command lines."""
    return {pid: command for pid in pids if (command := command_of(pid))}


def kill(pid: int) -> None:
    """SIGKILL, unless the process is gone already."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def memory_bytes(pid: int) -> int:
    """What a process holds in memory; 0 if it is gone."""
    return _status_bytes(pid, "VmRSS:")


def data_bytes(pid: int) -> int:
    """What a process has asked for, for itself: what RLIMIT_DATA limits."""
    return _status_bytes(pid, "VmData:")


def _status_bytes(pid: int, key: str) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(key):
                return int(line.split()[1]) * 1024
    return 0


def listening_on(pids: Iterable[int]) -> set[str]:
    """Addresses on which these processes take TCP connections."""
    inodes = set()
    for pid in pids:
        with suppress(OSError):
            for descriptor in Path(f"/proc/{pid}/fd").iterdir():
                with suppress(OSError):
                    inodes.add(os.readlink(descriptor).removeprefix("socket:[").rstrip("]"))
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTENS and fields[9] in inodes:
                found.add(_address(fields[1].partition(":")[0]))
    return found


def _address(hexadecimal: str) -> str:
    """The address in a line of /proc/net/tcp: words of four bytes, each in the machine's order."""
    import ipaddress
    import struct

    words = [hexadecimal[at : at + 8] for at in range(0, len(hexadecimal), 8)]
    packed = b"".join(struct.pack("=I", int(word, 16)) for word in words)
    address = ipaddress.ip_address(packed)
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)
