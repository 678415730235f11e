"""Searches, real MNIST, a tracking server, a browser, an installed wheel."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dashboards import result_matrix

pytestmark = pytest.mark.slow

ALONE = ("--concurrency", "1")
"""One worker: to start a second one takes longer than it would train."""

SEARCH = """\
study: rates
question: Which rate is best on a few digits?
base:
  model: {name: mlp, widths: [64, 16, 10]}
  data: {name: digits, batch_size: 32}
  optimizer: {name: adam, lr: 0.02}
  epochs: 8
axes:
  - {name: lr, sets: optimizer.lr, range: {low: 1e-4, high: 1e-1, log: true}}
search: {name: optuna, num_samples: 5, seed: 3}
scheduler: {name: asha, grace_period: 2, reduction_factor: 2}
metric: {name: selected/validation_error}
matrix: {rows: lr}
"""


def test_a_search_makes_its_trials_stops_some_and_goes_on_when_it_grows(user: Any) -> None:
    path = user.writes(SEARCH, "rates.yaml")
    done = user.runs("sweep", path)
    assert done.code == 0, done.err
    cells = user.cells()
    assert len(cells) == 5
    assert all(1e-4 <= float(cell.params["optimizer.lr"]) <= 1e-1 for cell in cells)
    stopped = [cell for cell in cells if "bnn.stopped_early" in cell.tags]
    whole = [cell for cell in cells if ("validation/error", 7) in cell.points]
    assert whole
    assert len(stopped) + len(whole) == 5
    frame = result_matrix("rates", tracking_uri=f"sqlite:///{user.home / 'mlflow.db'}")
    assert list(frame["mean"]) == sorted(frame["mean"])
    again = user.runs("sweep", path)
    assert "nothing left to do" in again.out
    grown = user.runs("sweep", path, "--set", "search.num_samples=7", *ALONE)
    assert grown.code == 0, grown.err
    assert "cells     7, 5 of them finished" in grown.out
    assert len(user.cells()) == 7


BATCHES = """\
study: batches
question: Which batch is best on a few digits?
base:
  model: {name: mlp, widths: [64, 16, 10]}
  data: {name: digits, batch_size: 32}
  optimizer: {name: adam, lr: 0.02}
  epochs: 1
axes:
  - {name: size, sets: data.batch_size, range: {low: 537, high: 539, integer: true}}
  - {name: how, sets: model.norm, choices: {"[red] a/b, %20=~ \U0001f600": true}}
search: {name: random, num_samples: 3, seed: 20261126120000}
metric: {name: selected/validation_error}
matrix: {rows: size}
"""


def test_a_draw_that_cannot_be_a_trial_costs_that_draw_alone(user: Any) -> None:
    # Of 1,077 images a batch of 538 leaves one alone.
    path = user.writes(BATCHES, "batches.yaml")
    done = user.runs("sweep", path, *ALONE)
    assert done.code == 0, done.err
    assert "538, how" in done.out
    assert "leaves one of 1077 images alone" in done.out
    assert "drew 2 of 3 trials" in done.out
    assert sorted(cell.params["data.batch_size"] for cell in user.cells()) == ["537", "539"]
    assert {cell.tags["bnn.label.how"] for cell in user.cells()} == {"[red] a/b, %20=~ \U0001f600"}
    wider = BATCHES.replace("high: 539", "high: 560").replace("name: random", "name: optuna")
    again = user.runs("sweep", user.writes(wider, "batches.yaml"), *ALONE)
    assert again.code == 0, again.err
    assert len(user.cells()) == 3


def test_the_six_orders_learn_real_mnist(user: Any, mnist_folder: Path) -> None:
    shrink = ["--scale-epochs", "0.005"]
    done = user.runs("sweep", "mnist300-orders", "--data-dir", str(mnist_folder), *shrink)
    assert done.code == 0, done.err
    assert "epochs    21 to train" in done.out
    assert "shared    15 stage trainings instead of 18" in done.out
    uri = f"sqlite:///{user.home / 'mlflow.db'}"
    frame = result_matrix("mnist300-orders", uri, metric="selected/validation_accuracy")
    assert list(frame.index) == [
        *("float", "binary", "forward", "reverse"),
        *("132", "213", "231", "312"),
    ]
    # Three epochs, one a layer: far from the full run's figures, far above chance.
    assert (frame["mean"] > 0.93).all(), frame


def test_one_trial_trains_here_without_ray(user: Any, small: str) -> None:
    done = user.runs("train", user.writes(small), "--trial", "order=reverse")
    assert done.code == 0, done.err
    assert "reverse · seed 7" in done.out
    assert sum(line.startswith("epoch ") for line in done.out.splitlines()) == 4
    assert "binary: fc2\n" in done.out
    assert "binary: fc1,fc2\n" in done.out
    assert not user.home.exists()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real tracking server on SQLite, with proxied artifacts."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("server")
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    off = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    process = subprocess.Popen(
        command,
        env={**os.environ, **off},
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait_for(f"http://127.0.0.1:{port}/health")
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, 15)
        process.wait(20)


@pytest.fixture(scope="module")
def served(settled: Any, small: str, server: str) -> str:
    """What a user was told who has swept a study to that server."""
    where = ("--tracking-uri", server, *ALONE)
    done = settled.runs("sweep", settled.writes(small), *where)
    assert done.code == 0, done.err
    return str(done.out)


def test_a_tracking_server_takes_the_place_of_the_embedded_store(
    settled: Any, served: str, server: str
) -> None:
    assert server in served
    assert not (settled.home / "mlflow.db").exists()
    assert len(result_matrix("small", server)) == 3
    again = settled.runs("sweep", "./small.yaml", "--tracking-uri", server)
    assert "nothing left to do" in again.out
    link = settled.runs("ui", "small", "--tracking-uri", server)
    assert link.code == 0
    assert f"{server}/#/experiments/" in link.out


@pytest.fixture
def chromium() -> str:
    """Where Chromium is."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("there is no Chromium on this machine")
    return found


def test_mlflows_page_opens_on_the_cells_of_the_study(
    chromium: str, settled: Any, served: str, server: str
) -> None:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    said = settled.runs("ui", "small", "--tracking-uri", server).out
    (link,) = (line.split()[1] for line in said.splitlines() if line.startswith("compare"))
    with sync_api.sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        page = browser.new_page(viewport={"width": 1600, "height": 1400})
        page.goto(link)
        page.get_by_text("reverse · seed 7").first.wait_for(timeout=60_000)
        page.get_by_text("Latent weights").first.wait_for(timeout=60_000)
        text = page.inner_text("body")
        browser.close()
    for name in ("float · seed 7", "forward · seed 7", "Does the order matter on a few digits?"):
        assert name in text
    assert "validation/error" in text


@pytest.fixture
def cluster() -> Iterator[str]:
    """A Ray cluster of one node, started by hand as an administrator would."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Ray puts sockets below the folder, whose paths must be short.
    folder = tempfile.mkdtemp(prefix="ray")
    command = [str(Path(sys.executable).with_name("ray")), "start", "--head", "--block"]
    command += ["--port", str(port), "--num-cpus", "2", "--temp-dir", folder]
    command += ["--include-dashboard=false", "--disable-usage-stats"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, start_new_session=True, **quiet)
    try:
        _wait_until_open(port)
        yield f"127.0.0.1:{port}"
    finally:
        # Asked politely it waits for its processes, some of which have left the group.
        os.killpg(process.pid, signal.SIGKILL)
        subprocess.run(["pkill", "-KILL", "-f", folder], check=False)
        process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def test_a_sweep_joins_a_running_cluster(user: Any, small: str, cluster: str) -> None:
    path = user.writes(small)
    done = user.runs("sweep", path, "--ray-address", cluster)
    assert done.code == 0, done.err
    assert "slots     2 at a time" in done.out
    assert {cell.status for cell in user.cells()} == {"FINISHED"}
    asked = user.runs(
        "sweep", path, "--seeds", "9", "--ray-address", cluster, "--gpus-per-trial", "1"
    )
    assert asked.code == 2
    assert "no node has more than 0" in asked.err


def test_an_installed_wheel_works_from_any_folder(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    wheels, site = tmp_path / "wheels", tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", str(wheels), str(root)], check=True)
    (wheel,) = wheels.glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", str(site), str(wheel)], check=True)
    # Isolated from the checkout: only the unpacked wheel comes before the installed libraries.
    script = (
        f"import sys; sys.path.insert(0, {str(site)!r});"
        "import orchestrator; from orchestrator.cli.main import main;"
        "print(orchestrator.__file__); sys.exit(main(['studies']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert str(site) in done.stdout
    for name in ("mnist300-orders", "digits-orders", "mnist300-lr-search", "vgg5-full"):
        assert name in done.stdout


def _wait_until_open(port: int, *, within_s: float = 60) -> None:
    end = time.monotonic() + within_s
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            assert time.monotonic() < end, f"nobody listens on {port}"
            time.sleep(0.2)


def _wait_for(address: str, *, within_s: float = 120) -> None:
    end = time.monotonic() + within_s
    while True:
        try:
            urllib.request.urlopen(address, timeout=2).close()
            return
        except OSError:
            assert time.monotonic() < end, f"{address} never answered"
            time.sleep(0.2)
