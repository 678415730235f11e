"""Downloads: said beforehand, given up if nothing arrives."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from torchvision.datasets import CIFAR10, CIFAR100, MNIST

from trainers.data import download as downloading
from trainers.data.cifar10 import CIFAR10_FILES, CIFAR10_SOURCE
from trainers.data.cifar100 import CIFAR100_FILES, CIFAR100_SOURCE
from trainers.data.download import download
from trainers.data.mnist import MNIST_SOURCE
from trainers.data.mnist import URL as URL_OF_MNIST
from trainers.data.splits import Source
from trainers.errors import MissingDataError

URL = "https://example.org/data/"
PROXIES = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "no_proxy", "NO_PROXY")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloading, "ANSWER_S", 0.3)
    monkeypatch.setattr(downloading, "SILENCE_S", 1.5)
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)


def _fetch(fetch: Callable[[], object], folder: Path) -> None:
    download(fetch, title="Mine (1 GB)", url=URL, folder=folder, files=[folder, folder / "none"])


def test_what_comes_from_where_is_said_before(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    said: list[str] = []
    _fetch(lambda: said.append(caplog.text), tmp_path)
    assert f"downloading Mine (1 GB) from {URL} to {tmp_path}" in said[0]


@pytest.mark.parametrize(
    ("proxy", "shown"),
    [
        ("http://proxy.local:3128", "proxy.local:3128 to"),
        ("http://me:se@cret/@proxy.local:3128/?token=secret", "proxy.local:3128 to"),
        ("me:secret@proxy.local:3128", "proxy.local:3128 to"),
    ],
)
def test_the_proxy_is_said_without_its_password(
    proxy: str,
    shown: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    _fetch(lambda: None, tmp_path)
    assert f"through the proxy {shown}" in caplog.text
    assert "cret" not in caplog.text
    monkeypatch.setenv("no_proxy", "example.org")
    caplog.clear()
    _fetch(lambda: None, tmp_path)
    assert "through the proxy" not in caplog.text


def test_a_download_that_hangs_is_given_up(tmp_path: Path) -> None:
    never = threading.Event()
    start = time.monotonic()
    with pytest.raises(TimeoutError, match="nothing arrived for 2 s"):
        _fetch(never.wait, tmp_path)
    assert time.monotonic() - start < 10
    never.set()


def test_a_slow_download_is_waited_for(tmp_path: Path) -> None:
    def grow() -> None:
        for number in range(8):
            (tmp_path / str(number)).write_bytes(b"more")
            time.sleep(0.4)

    _fetch(grow, tmp_path)
    assert len(list(tmp_path.iterdir())) == 8


def test_requests_have_a_timeout_only_meanwhile(tmp_path: Path) -> None:
    seen: list[float | None] = []
    _fetch(lambda: seen.append(socket.getdefaulttimeout()), tmp_path)
    assert seen == [0.3]
    assert socket.getdefaulttimeout() is None


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (OSError("no space"), OSError),
        (RuntimeError("no mirror"), RuntimeError),
        (EOFError("cut"), RuntimeError),
    ],
)
def test_errors_arrive(error: Exception, raised: type[Exception], tmp_path: Path) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(raised, match=str(error)):
        _fetch(fail, tmp_path)


def test_the_addresses_are_those_of_torchvision() -> None:
    assert MNIST.mirrors[0] == URL_OF_MNIST
    assert CIFAR10_FILES.url == CIFAR10.url
    assert CIFAR100_FILES.url == CIFAR100.url


@pytest.fixture
def silent_proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A proxy that takes connections and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(50)
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        for name in PROXIES[:4]:
            monkeypatch.setenv(name, address)
        yield


@pytest.mark.usefixtures("silent_proxy")
@pytest.mark.parametrize(
    ("source", "title"),
    [
        (MNIST_SOURCE, "MNIST"),
        (CIFAR10_SOURCE, "CIFAR-10"),
        (CIFAR100_SOURCE, "CIFAR-100"),
    ],
    ids=["mnist", "cifar10", "cifar100"],
)
def test_a_proxy_that_never_answers_is_given_up(
    source: Source, title: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    start = time.monotonic()
    with pytest.raises(MissingDataError, match=f"{title} is missing and could not be") as raised:
        source.load(tmp_path / "data")
    assert time.monotonic() - start < 30
    assert f"downloading {title} (" in caplog.text
    assert "from https://" in caplog.text
    assert "through the proxy 127.0.0.1:" in caplog.text
    assert "copy these files there" in str(raised.value)
