"""Downloads that say what they fetch, and give up if nothing arrives."""

import socket
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

from trainers.data.news import shown, tell

ANSWER_S = 15.0
"""How long a server may keep one request waiting."""
SILENCE_S = 40.0
"""After how long without a new byte a download is given up."""


def download(
    fetch: Callable[[], object], *, title: str, url: str, folder: Path, files: Sequence[Path]
) -> None:
    """Downloads files with a function of torchvision, which by itself waits for ever.

    The function runs in a thread, so that looking up names and trying many addresses end too.

    Args:
        fetch: Downloads.
        title: What, with its size.
        url: Where from.
        folder: Where to.
        files: Files, or folders of files, that grow meanwhile.

    Raises:
        TimeoutError: If nothing has arrived for `SILENCE_S`.
        OSError: As `fetch` raises it.
        RuntimeError: As `fetch` raises it, and for its errors of other types.
    """
    tell(f"downloading {title} from {url}{_through(url)} to {shown(folder)}")
    failed: list[Exception] = []

    def run() -> None:
        try:
            fetch()
        except Exception as error:
            failed.append(error)

    usual = socket.getdefaulttimeout()
    socket.setdefaulttimeout(ANSWER_S)
    try:
        # The process does not wait for this thread when it ends.
        thread = threading.Thread(target=run, name="download", daemon=True)
        thread.start()
        _wait(thread, files)
    finally:
        socket.setdefaulttimeout(usual)
    for error in failed:
        if isinstance(error, OSError | RuntimeError):
            raise error
        raise RuntimeError(f"{type(error).__name__}: {error}") from error


def _wait(thread: threading.Thread, files: Sequence[Path]) -> None:
    arrived, since = _num_bytes(files), time.monotonic()
    while thread.is_alive():
        thread.join(min(0.5, SILENCE_S))
        now = _num_bytes(files)
        if now != arrived:
            arrived, since = now, time.monotonic()
        elif thread.is_alive() and time.monotonic() - since > SILENCE_S:
            raise TimeoutError(f"nothing arrived for {SILENCE_S:.0f} s")


def _num_bytes(files: Sequence[Path]) -> int:
    """Bytes in the files, and in the files of the folders."""
    total = 0
    for path in files:
        try:
            total += sum(
                file.stat().st_size for file in (path.iterdir() if path.is_dir() else [path])
            )
        # A file is not there yet, or no longer.
        except OSError:
            continue
    return total


def _through(url: str) -> str:
    """The proxy on the way, without its password."""
    parts = urllib.parse.urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme)
    if not proxy or urllib.request.proxy_bypass(parts.hostname or ""):
        return ""
    address = proxy.rpartition("@")[2].rpartition("://")[2]
    return f" through the proxy {address.partition('/')[0].partition('?')[0]}"
