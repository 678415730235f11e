"""Sweeps whose checkpoints lie elsewhere: in another folder, and in an object store."""

import http.client
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from trainers.storage import names_below, place_at

pytestmark = pytest.mark.slow
KEPT = "checkpoint: {policy: best, interval_s: 0, upload: best}\n"


def test_checkpoints_lie_where_they_were_asked_to_and_mlflow_gets_what_it_was_to_get(
    user: Any, small: str, tmp_path: Path
) -> None:
    path = user.writes(small + KEPT)
    done = user.runs("sweep", path, "--storage", str(tmp_path / "elsewhere"), "--concurrency", "1")
    assert done.code == 0, done.err
    assert "disk      about " in done.out
    assert f"free in {user.home}" in done.out
    assert not (user.home / "checkpoints").exists()
    found = names_below(tmp_path / "elsewhere")
    assert len(found) == 3
    best = [name for names in found.values() for name in names if name.startswith("best-")]
    assert len(best) == 3
    uploaded = user.home.glob("artifacts/small/*/artifacts/checkpoints/*")
    assert sorted(file.name for file in uploaded) == sorted(best)
    again = user.runs("sweep", path, "--storage", str(tmp_path / "elsewhere"))
    assert "nothing left to do" in again.out
    assert len(list(user.home.glob("artifacts/small/*/artifacts/checkpoints/*"))) == 3


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of an empty bucket on a server that answers as S3 does."""
    pytest.importorskip("moto", reason="moto, which stands in for S3, is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # In the environment, where keys belong; the embedded Ray's workers inherit it.
    environment = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "planted-key",
        "AWS_SECRET_ACCESS_KEY": "planted-secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _make_bucket(port)
        yield "s3://mine/checkpoints"
    finally:
        server.kill()
        server.wait()


def _make_bucket(port: int) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("PUT", "/mine")
            assert connection.getresponse().status == 200
            return
        except OSError:
            assert time.monotonic() < end, "the server does not answer"
            time.sleep(0.2)


def test_a_killed_sweep_goes_on_from_an_object_store_to_the_same_weights(
    bucket: str, user: Any, orders: str, tmp_path: Path, deterministic_part: Callable[[Any], Any]
) -> None:
    text = orders.replace("epochs: 12", "epochs: 24").replace("per_layer: 4", "per_layer: 8")
    calm = type(user)(tmp_path / "calm")
    calm.folder.mkdir()
    done = calm.runs("sweep", calm.writes(text), "--concurrency", "1")
    assert done.code == 0, done.err

    user.environment = dict(os.environ) | user.environment
    keeps = f"checkpoint: {{policy: last, interval_s: 0, storage: '{bucket}', upload: last}}\n"
    path = user.writes(text + keeps)
    process = user.starts("sweep", path)
    end = time.monotonic() + 120
    while _num_points(user.home / "journal.db") < 600:
        assert time.monotonic() < end, "it never trained"
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    found = names_below(place_at(bucket))
    assert any(name.endswith(".pt") for names in found.values() for name in names)

    done = user.runs("sweep", path, "--concurrency", "1")
    assert done.code == 0, done.out + done.err
    assert f"in {bucket}" in done.out
    cells, undisturbed = ({cell.name: cell for cell in who.cells()} for who in (user, calm))
    assert cells.keys() == undisturbed.keys()
    for name, cell in cells.items():
        assert deterministic_part(cell) == deterministic_part(undisturbed[name])
        assert cell.num_rows == len(cell.points)
        weights = "bnn.weights_sha256"
        assert cell.tags[weights] == undisturbed[name].tags[weights]
    # Shared beginnings are gone, checkpoints stay, and MLflow has one of each cell.
    assert names_below(place_at(bucket) / "stems") == {}
    assert len(names_below(place_at(bucket))) == len(cells)
    uploaded = list(user.home.glob("artifacts/orders/*/artifacts/checkpoints/*"))
    assert len(uploaded) == len(cells)
    said = done.out + done.err + (user.home / "mlflow.db").read_bytes().decode("latin-1")
    assert "planted" not in said


def _num_points(journal: Path) -> int:
    if not journal.exists():
        return 0
    try:
        with sqlite3.connect(f"file:{journal}?mode=ro", uri=True) as database:
            return int(database.execute("SELECT COUNT(*) FROM points").fetchone()[0])
    except sqlite3.OperationalError:
        return 0
