"""The command line as a user runs it: in a process of its own, from a folder of its own."""

import fcntl
import functools
import gc
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import pytest
import warm

# No test is timed: how long an example takes says how busy the machine is.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

# Before torch is loaded, here and in the processes that tests start: `make test` runs several
# tests at a time, and torch's threads would wait for cores that the others have.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Under `nohup` it is ignored, and so it would be in every process that a test starts.
signal.signal(signal.SIGHUP, signal.SIG_DFL)

COMMAND = (sys.executable, "-m", "orchestrator.cli.main")
LIMIT_S = 240
Process = warm.Command | subprocess.Popen[str]

SMALL = """\
study: small
question: Does the order matter on a few digits?
base:
  model: {name: mlp, widths: [64, 16, 10]}
  data: {name: digits, batch_size: 32}
  optimizer: {name: adam, lr: 0.02}
  layers: {order: [fc1, fc2], epochs_per_layer: 2}
  epochs: 4
  seed: 7
axes:
  - {name: order, sets: layers.order, permutations: all, controls: [float]}
  - {name: seed, seeds: [7]}
metric: {name: selected/test_error}
matrix: {rows: order, over: seed, also: [last/test_error]}
"""


ORDERS = """\
study: orders
question: Which order of three layers is best on a few digits?
base:
  model: {name: mlp, widths: [64, 24, 16, 10]}
  data: {name: digits, batch_size: 32}
  optimizer: {name: adam, lr: 0.02}
  layers: {order: [fc1, fc2, fc3], epochs_per_layer: 4}
  epochs: 12
  seed: 7
axes:
  - {name: order, sets: layers.order, permutations: all, controls: [float]}
  - {name: seed, seeds: [7]}
metric: {name: selected/test_error}
matrix: {rows: order, over: seed}
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Cell:
    """A cell's run as the database has it."""

    name: str
    status: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    points: Mapping[tuple[str, int], float]
    num_rows: int
    times: tuple[int, ...]


class User:
    """Somebody in a folder, who types commands.

    Args:
        folder: Where.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "bnn-runs"
        self.prefix: tuple[str, ...] = ()
        """What stands before each command."""
        self.environment = warm.plain_environment()

    def runs(self, *arguments: str, within_s: float = LIMIT_S, cold: bool = False) -> Ended:
        """Types a command and waits for its end; `cold`: it loads all libraries itself."""
        process = self._starts(arguments, apart=True, cold=cold)
        try:
            out, err = process.communicate(timeout=within_s)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            raise
        assert process.returncode is not None
        return Ended(process.returncode, out, err)

    def starts(self, *arguments: str) -> Process:
        """Types a command and goes on at once; in a process group of its own."""
        return self._starts(arguments, apart=False)

    def _starts(self, arguments: Sequence[str], *, apart: bool, cold: bool = False) -> Process:
        if cold or self.prefix or warm.sets_libraries(self.environment):
            return subprocess.Popen(
                [*self.prefix, *COMMAND, *arguments],
                cwd=self.folder,
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE if apart else subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        return warm.start(arguments, folder=self.folder, environment=self.environment, apart=apart)

    def writes(self, text: str, name: str = "small.yaml") -> str:
        """Writes a study file; its path as typed."""
        (self.folder / name).write_text(text, encoding="utf-8")
        return f"./{name}"

    def cells(self) -> list[Cell]:
        """Every run of a cell in the embedded store, straight from its tables."""
        with sqlite3.connect(self.home / "mlflow.db") as database:
            runs = database.execute(
                "SELECT run_uuid, name, status FROM runs WHERE lifecycle_stage = 'active'"
            ).fetchall()
            found = [self._cell(database, *run) for run in runs]
        return [cell for cell in found if cell.tags.get("bnn.kind") == "cell"]

    def _cell(self, database: sqlite3.Connection, run: str, name: str, status: str) -> Cell:
        def pairs(table: str) -> dict[str, str]:
            query = f"SELECT key, value FROM {table} WHERE run_uuid = ?"
            return dict(database.execute(query, (run,)).fetchall())

        query = "SELECT key, step, value, timestamp FROM metrics WHERE run_uuid = ?"
        rows = database.execute(query, (run,)).fetchall()
        points = {(key, step): value for key, step, value, _ in rows}
        times = tuple(time for *_, time in rows)
        return Cell(name, status, pairs("tags"), pairs("params"), points, len(rows), times)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Thousands of tests stay until the end; garbage is not looked for among them."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files of slow tests come first: one that began last would run on alone."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A folder that is filled once, whichever of the processes that run tests is the first."""
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent

    def make(name: str, fill: Callable[[Path], None]) -> Path:
        folder, whole = root / name, root / f"{name}.whole"
        with (root / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not whole.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                fill(folder)
                whole.touch()
        return folder

    return make


@pytest.fixture(scope="session")
def empty_database(made_once: Callable[..., Path]) -> Path:
    """An MLflow database without a row; to make its tables takes seconds, to copy it does not."""

    def fill(folder: Path) -> None:
        from orchestrator.home import Home
        from orchestrator.record.store import Store

        Store(Home(folder, f"sqlite:///{folder / 'mlflow.db'}"))

    return made_once("empty-database", fill) / "mlflow.db"


@pytest.fixture(scope="session", autouse=True)
def newest_schema() -> Iterator[None]:
    """MLflow looks through all its migrations for the newest one each time a store is opened.

    Here that is done once for all stores.
    """
    if "mlflow" not in sys.modules:
        # No test that was collected opens one.
        yield
        return
    from mlflow.store.db import utils

    with pytest.MonkeyPatch.context() as patch:
        newest = functools.cache(utils._get_latest_schema_revision)
        patch.setattr(utils, "_get_latest_schema_revision", newest)
        yield


@pytest.fixture
def user(tmp_path: Path) -> User:
    """A user in an empty folder."""
    return User(tmp_path)


@pytest.fixture
def own_workers(user: User) -> None:
    """The user's workers are below their sweep, and have its environment."""
    user.environment[warm.OWN_WORKERS] = "yes"


@pytest.fixture(scope="session")
def make_user() -> Callable[[Path], User]:
    """A user in a folder that a test chose."""
    return User


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> User:
    """A user whose folder several tests share."""
    return User(tmp_path_factory.mktemp("settled"))


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where commands keep what they worked out: not in the home of whoever runs the tests."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


@pytest.fixture(scope="session")
def small() -> str:
    """A study of three short trials."""
    return SMALL


@pytest.fixture(scope="session")
def swept(made_once: Callable[..., Path], small: str) -> User:
    """A user who has swept the small study and kept the best checkpoints; for looking at only."""

    def fill(folder: Path) -> None:
        user = User(folder)
        path = user.writes(small + "checkpoint: {policy: best}\n")
        done = user.runs("sweep", path, "--concurrency", "1")
        assert done.code == 0, done.err

    return User(made_once("swept", fill))


@pytest.fixture
def again(swept: User, user: User) -> User:
    """A user with a copy of all that."""
    shutil.copytree(swept.folder, user.folder, dirs_exist_ok=True)
    return user


@pytest.fixture(scope="session")
def orders() -> str:
    """A study of the six orders of three layers, and its float control."""
    return ORDERS


@pytest.fixture(scope="session")
def deterministic_part() -> Callable[[Cell], dict[tuple[str, int], float]]:
    """All points of a cell but those that are times, or say who trained its beginning."""

    def part(cell: Cell) -> dict[tuple[str, int], float]:
        other = ("epoch_s", "inherited_epochs")
        return {key: value for key, value in cell.points.items() if key[0] not in other}

    return part


@pytest.fixture(scope="session")
def mnist_folder() -> Path:
    """A folder with MNIST's files; the test is skipped where there is none."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("BNN_DATA_DIR") or beside)
    if not (folder / "MNIST" / "raw" / "train-images-idx3-ubyte").is_file():
        pytest.skip(f"no MNIST files in {folder}; name their folder with BNN_DATA_DIR")
    return folder
