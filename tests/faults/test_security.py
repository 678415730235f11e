"""Who can listen in, where secrets go, and what input that means harm can do: nothing."""

import hashlib
import io
import os
import pickle
import signal
import sqlite3
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from world import records
from world.processes import below, listening_on, wait_until
from world.scale import FULL
from world.servers import Server, free_port, proxied, running

from orchestrator.execution.listener import file_name
from orchestrator.study.catalog import load_study
from trainers.data import SOURCES
from trainers.engine.handover import shared_checkpoint
from trainers.errors import MissingDataError, SpecError

slow = pytest.mark.slow

LOOPBACK = {"127.0.0.1", "::1"}
SECRET = "planted-4f9b2c"
SECRETS = {
    "MLFLOW_TRACKING_TOKEN": f"{SECRET}-token",
    "AWS_SECRET_ACCESS_KEY": f"{SECRET}-aws",
    "AWS_ACCESS_KEY_ID": f"{SECRET}-id",
    "AWS_SESSION_TOKEN": f"{SECRET}-session",
}


@slow
@pytest.mark.usefixtures("own_workers")
def test_a_sweep_listens_on_loopback_alone(user: Any, troubled: str) -> None:
    process = user.starts("sweep", user.writes(troubled), "--concurrency", "1")
    wait_until(lambda: records.journal_rows(user.home) > 0, what="the sweep trains")
    addresses = listening_on(below(process.pid))
    os.killpg(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert addresses, out
    assert addresses <= LOOPBACK


@slow
def test_the_pages_listen_on_loopback_alone_and_show_no_address_of_the_store(
    user: Any, small: str
) -> None:
    # Any database will do; MLflow makes its tables.
    user.home.mkdir()
    (user.home / "mlflow.db").touch()
    port = free_port()
    process = user.starts("ui", "--port", str(port))
    try:
        wait_until(lambda: listening_on(below(process.pid)), what="the pages are there")
        family = below(process.pid)
        time.sleep(1)
        assert listening_on(below(process.pid)) <= LOOPBACK
        arguments = b"".join(Path(f"/proc/{pid}/cmdline").read_bytes() for pid in family)
        assert b"mlflow.db" not in arguments
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=30)


def _holding(folder: Path, secret: str) -> list[Path]:
    """Files below a folder in which the secret stands, be it as text or in a database."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return [path for path in files if secret.encode() in path.read_bytes()]


@slow
def test_planted_secrets_are_nowhere_after_a_sweep(user: Any, small: str, tmp_path: Path) -> None:
    with running(Server(tmp_path / "server")) as server, proxied(server) as proxy:
        user.environment.update(SECRETS)
        path = user.writes(small)
        uri = proxy.address.replace("http://", f"http://someone:{SECRET}-password@")
        arguments = ("sweep", path, "--tracking-uri", uri, "--concurrency", "1")
        done = user.runs(*arguments)
        assert done.code == 0, done.err
        # What is said where things go wrong holds addresses too.
        proxy.mode = "500"
        refused = user.runs(*arguments, "--seeds", "8")
        synced = user.runs("sync", "--tracking-uri", uri)
        matrix = user.runs("matrix", path, "--tracking-uri", uri)
        proxy.mode = "pass"
        link = user.runs("ui", "small", "--tracking-uri", uri)
        with sqlite3.connect(tmp_path / "server" / "mlflow.db") as database:
            # Else part of it may stand in a file beside it.
            database.execute("PRAGMA wal_checkpoint")
        said = "".join(e.out + e.err for e in (done, refused, synced, matrix, link))
        assert "***@127.0.0.1" in said
        assert SECRET not in said
        assert _holding(user.folder, SECRET) == []
        assert _holding(tmp_path / "server", SECRET) == []


@pytest.mark.parametrize(
    "tag",
    [
        "!!python/object/apply:os.system",
        "!!python/object/new:subprocess.Popen",
        "!!python/module:os",
        "!!python/name:os.system",
        "tag:yaml.org,2002:python/object/apply:os.system",
    ],
)
@pytest.mark.parametrize("place", ["study", "question", "base", "axes", "extends"])
def test_a_tag_in_a_study_runs_nothing(tag: str, place: str, tmp_path: Path, small: str) -> None:
    trace, path = tmp_path / "trace", tmp_path / "evil.yaml"
    written = f"!<{tag}>" if tag.startswith("tag:") else tag
    lines = [line for line in small.splitlines() if not line.startswith(f"{place}:")]
    path.write_text("\n".join([*lines, f'{place}: {written} ["touch {trace}"]']))
    with pytest.raises(SpecError, match="no readable YAML"):
        load_study(path)
    assert not trace.exists()


@pytest.mark.parametrize(
    "name", ["../../x", "/etc/x", "a/b", "..", ".", "", "a\\0b", "a b", "x" * 300, "${HOME}", "-"]
)
def test_a_study_whose_name_is_a_path_is_refused(name: str, tmp_path: Path, small: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(small.replace("study: small", f'study: "{name}"'))
    with pytest.raises(SpecError, match=r"study|control character"):
        load_study(path)


@pytest.mark.parametrize(
    "label", ["../../x", "/etc/passwd", "..", "a\0b", "x" * 5000, "ß" * 400, "\n", "~", "CON"]
)
def test_a_label_becomes_one_name_of_a_file(label: str, tmp_path: Path) -> None:
    name = file_name(label)
    path = tmp_path / f"{name}-0123456789abcdef.log"
    path.touch()
    assert path.parent == tmp_path
    assert "/" not in name
    assert path in tmp_path.iterdir()


@slow
@pytest.mark.skipif(not FULL, reason="its parts are tested alone: only with BNN_FAULTS=full")
def test_labels_that_are_paths_or_endless_are_trained_like_others(user: Any, small: str) -> None:
    axis = "{name: order, sets: layers.order, permutations: all, controls: [float]}"
    label = "y" * 3000
    rates = f'{{name: rate, sets: optimizer.lr, values: {{"../../x": 0.01, ? "{label}" : 0.02}}}}'
    text = small.replace(axis, rates).replace("rows: order", "rows: rate")
    before = set(user.folder.parent.iterdir())
    done = user.runs("sweep", user.writes(text), "--concurrency", "1")
    assert done.code == 0, done.err
    assert set(user.folder.parent.iterdir()) == before
    assert {path.name for path in user.folder.iterdir()} == {"small.yaml", "bnn-runs"}
    states = [cell.tags["bnn.state"] for cell in records.read_cells(user.home / "mlflow.db")]
    assert states == ["finished", "finished"]


class _Touch:
    """Pickled, it makes a file when it is loaded."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return (Path.touch, (self.trace,))


def test_a_pickle_where_a_beginning_was_left_runs_nothing(tmp_path: Path) -> None:
    trace, stem = tmp_path / "trace", tmp_path / "stems" / "0123456789abcdef"
    stem.mkdir(parents=True)
    buffer = io.BytesIO()
    torch.save({"schema": 1, "identity": _Touch(trace)}, buffer)
    for content in (buffer.getvalue(), pickle.dumps(_Touch(trace), protocol=2)):
        digest = hashlib.sha256(content).hexdigest()[:16]
        (stem / f"epoch-000003-{digest}.pt").write_bytes(content)
        assert shared_checkpoint(stem) is None
    assert not trace.exists()


def test_a_pickle_among_the_files_of_cifar10_runs_nothing(tmp_path: Path) -> None:
    trace, folder = tmp_path / "trace", tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for file in SOURCES["cifar10"].files:
        (tmp_path / file).write_bytes(pickle.dumps(_Touch(trace)))
    with pytest.raises(MissingDataError, match="CIFAR-10 cannot be read"):
        SOURCES["cifar10"].load(tmp_path)
    assert not trace.exists()


@pytest.fixture
def evil_archive(tmp_path: Path) -> Path:
    """An archive in the place of CIFAR-10's, whose members lie elsewhere."""
    path = tmp_path / "data" / "cifar-10-python.tar.gz"
    path.parent.mkdir()
    with tarfile.open(path, "w:gz") as archive:
        for name in ("../escaped", str(tmp_path / "absolute"), "cifar-10-batches-py/../../up"):
            member = tarfile.TarInfo(name)
            member.size = 4
            archive.addfile(member, io.BytesIO(b"evil"))
        link = tarfile.TarInfo("cifar-10-batches-py/link")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
        archive.addfile(link)
        through = tarfile.TarInfo("cifar-10-batches-py/link/through")
        through.size = 4
        archive.addfile(through, io.BytesIO(b"evil"))
    return path


def test_an_archive_with_members_elsewhere_is_not_unpacked(
    evil_archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torchvision.datasets.utils as fetching

    def from_nowhere(url: str, filename: Any, *arguments: Any, **options: Any) -> None:
        """A server that sends the evil archive, whatever it is asked for."""
        Path(filename).write_bytes(content)

    content = evil_archive.read_bytes()
    monkeypatch.setattr(fetching, "_urlretrieve", from_nowhere)
    with pytest.raises(MissingDataError, match="could not be downloaded"):
        SOURCES["cifar10"].load(tmp_path / "data")
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"data"}
    assert {path.name for path in (tmp_path / "data").iterdir()} == {"cifar-10-python.tar.gz"}
