"""What several tests of `orchestrator` build: small studies, epochs by hand, homes, stores."""

import copy
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator import vocabulary
from orchestrator.execution.leases import Leases
from orchestrator.fingerprint.code import Code
from orchestrator.fingerprint.shipped import Shipped
from orchestrator.fingerprint.sources import installed
from orchestrator.home import Home
from orchestrator.record.conflicts import study_record
from orchestrator.record.describe import describe
from orchestrator.record.entries import CellDescription, Point
from orchestrator.record.journal import Journal
from orchestrator.record.store import Store, StudyIds
from orchestrator.study.cells import Cell
from orchestrator.study.expansion import expand
from orchestrator.study.spec import StudySpec
from orchestrator.vocabulary import State
from trainers.engine.result import EpochMetrics, LatentStatistics, Scores

STUDY: dict[str, Any] = {
    "study": "tiny",
    "question": "Does the order matter to two layers?",
    "base": {
        "model": {"name": "mlp", "widths": [64, 8, 10]},
        "data": {"name": "digits", "batch_size": 64},
        "optimizer": {"name": "adam", "lr": 0.01},
        "weights": {"name": "sign"},
        "layers": {"order": ["fc1", "fc2"], "epochs_per_layer": 1},
        "epochs": 2,
        "seed": 7,
    },
    "axes": [
        {
            "name": "order",
            "sets": "layers.order",
            "permutations": "all",
            "controls": ["float", "binary"],
        },
        {"name": "seed", "seeds": [1, 2]},
    ],
    "metric": {"name": "selected/test_error"},
    "matrix": {"rows": "order", "over": "seed", "also": ["last/test_error"]},
}
SEARCH: dict[str, Any] = {
    "study": "tiny-search",
    "axes": [
        {"name": "lr", "sets": "optimizer.lr", "range": {"low": 0.001, "high": 1.0, "log": True}},
        {"name": "size", "sets": "data.batch_size", "choices": [32, 64]},
    ],
    "search": {"name": "optuna", "num_samples": 5},
    "scheduler": {"name": "asha", "grace_period": 2},
    "metric": {"name": "selected/validation_error"},
    "matrix": {"rows": "lr"},
}
_THREE = {
    "model": {"name": "mlp", "widths": [64, 8, 8, 10]},
    "data": {"name": "digits", "batch_size": 64},
    "optimizer": {"name": "adam", "lr": 0.02},
}
_RATES = {"name": "lr", "sets": "optimizer.lr", "values": [0.01, 0.1]}
_ROWS = {
    "name": "order",
    "sets": "layers.order",
    "permutations": ["forward", "ascend", "descend"],
    "controls": ["float", "binary"],
}
_LAYERS = {str(number): [f"fc{number}"] for number in (1, 2, 3)}
STAGES: dict[str, dict[str, Any]] = {
    "sensitivity": {
        "study": "net-sensitivity",
        "question": "Which layer suffers most?",
        "base": {**_THREE, "epochs": 4},
        "axes": [{"name": "layer", "sets": "layers.order", "values": _LAYERS}, _RATES],
        "metric": {"name": "selected/validation_error"},
        "matrix": {"rows": "layer", "over": "lr"},
    },
    "lr": {
        "study": "net-lr",
        "question": "Which rate suits which order?",
        "base": {**_THREE, "layers": {"order": [1, 2, 3], "epochs_per_layer": 2}, "epochs": 6},
        "axes": [_ROWS, _RATES],
        "metric": {"name": "selected/validation_error"},
        "matrix": {"rows": "order", "over": "lr"},
    },
    "full": {
        "study": "net-full",
        "question": "Which order is best?",
        "base": {**_THREE, "layers": {"order": [1, 2, 3], "epochs_per_layer": 4}, "epochs": 12},
        "axes": [_ROWS, {"name": "seed", "seeds": [1, 2]}],
        "metric": {"name": "selected/test_error"},
        "matrix": {"rows": "order", "over": "seed"},
    },
}


@pytest.fixture(autouse=True)
def _a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the home of whoever runs it, and none writes beside the sources."""
    for name in ("BNN_HOME", "BNN_DATA_DIR", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def make_mapping() -> Callable[..., dict[str, Any]]:
    """A study as a file has it, with some of its keys replaced; None leaves a key out."""

    def make(**changes: Any) -> dict[str, Any]:
        mapping = copy.deepcopy(STUDY) | changes
        return {key: value for key, value in mapping.items() if value is not None}

    return make


@pytest.fixture
def make_study(make_mapping: Callable[..., dict[str, Any]]) -> Callable[..., StudySpec]:
    def make(**changes: Any) -> StudySpec:
        return StudySpec.from_mapping(make_mapping(**changes))

    return make


@pytest.fixture
def make_search(make_study: Callable[..., StudySpec]) -> Callable[..., StudySpec]:
    """A study that is searched."""

    def make(**changes: Any) -> StudySpec:
        return make_study(**(copy.deepcopy(SEARCH) | changes))

    return make


@pytest.fixture
def study(make_study: Callable[..., StudySpec]) -> StudySpec:
    return make_study()


@pytest.fixture
def cells(study: StudySpec) -> tuple[Cell, ...]:
    return expand(study)


@pytest.fixture(scope="session")
def code() -> Code:
    """This code, as if it had just been shipped: its results say `results-1`."""
    shipped = {name: Shipped(1, digest) for name, digest in installed().units().items()}
    return Code(installed(), shipped)


@pytest.fixture
def make_metrics() -> Callable[..., EpochMetrics]:
    """One epoch by hand, of the given errors."""

    def make(
        epoch: int, *, validation: float = 0.5, test: float = 0.5, binary: tuple[str, ...] = ()
    ) -> EpochMetrics:
        return EpochMetrics(
            epoch=epoch,
            lr=0.25,
            binary=binary,
            train=Scores(loss=1.5, accuracy=0.25, top5_accuracy=0.5),
            validation=Scores(loss=1.25, accuracy=1 - validation, top5_accuracy=0.9375),
            test=Scores(loss=1.125, accuracy=1 - test, top5_accuracy=0.96875),
            latent={
                "fc1": LatentStatistics(signs_flipped=0.125, near_zero=0.0625),
                "fc2": LatentStatistics(signs_flipped=0.5, near_zero=0.75),
            },
            wall_s=0.75,
            time_ms=1_700_000_000_000 + epoch,
        )

    return make


@pytest.fixture
def make_description() -> Callable[..., CellDescription]:
    def make(cell: str = "tiny/v/order=forward,seed=1/t", **changes: Any) -> CellDescription:
        parts: dict[str, Any] = {
            "cell": cell,
            "study": "tiny/v",
            "trial": "0123456789abcdef",
            "name": "forward · seed 1",
            "params": {"epochs": "2"},
            "tags": {"bnn.cell": cell, "bnn.kind": "cell"},
        }
        return CellDescription(**(parts | changes))

    return make


@pytest.fixture
def home(tmp_path: Path, empty_database: Path) -> Home:
    """A home whose MLflow database is made already."""
    home = Home.at(tmp_path / "home")
    home.root.mkdir()
    assert home.database is not None
    with sqlite3.connect(empty_database) as source, sqlite3.connect(home.database) as target:
        source.backup(target)
    return home


@pytest.fixture
def protocol_files(tmp_path: Path) -> Callable[..., str]:
    """Writes the three studies of a protocol; the network as typed.

    Keyword arguments replace keys of a stage; None in place of a stage leaves its file out.
    """

    def write(network: str = "net", **changes: dict[str, Any] | None) -> str:
        for stage, content in STAGES.items():
            changed = changes.get(stage, {})
            if changed is None:
                continue
            named = {"study": f"{network}-{stage}"}
            text = yaml.safe_dump(copy.deepcopy(content) | named | changed)
            (tmp_path / f"{network}-{stage}.yaml").write_text(text)
        return f"./{network}"

    return write


@pytest.fixture
def record(home: Home) -> Callable[..., None]:
    """Records cells of a study as a sweep would, their errors by their labels joined by spaces."""
    from orchestrator.record.store import Store

    store = Store(home)

    def fill(
        study: StudySpec,
        errors: Mapping[str, float],
        *,
        state: State = State.FINISHED,
    ) -> None:
        ids = store.open_study(study_record(study))
        cells = {" ".join(cell.labels.values()): cell for cell in expand(study)}
        for name, error in errors.items():
            run_id = store.create_cell(describe(cells[name], study, tags={}), ids)
            store.log_points(run_id, [Point(study.metric.name, 0, error, 1000)])
            store.set_state(run_id, state, {})

    return fill


@pytest.fixture
def store(home: Home) -> Store:
    """MLflow, embedded in the home."""
    return Store(home)


@pytest.fixture
def ids(store: Store, study: StudySpec) -> StudyIds:
    """Of the study, opened."""
    return store.open_study(study_record(study))


@pytest.fixture
def journal(home: Home) -> Iterator[Journal]:
    """The home's journal, empty."""
    journal = Journal(home.journal)
    yield journal
    journal.close()


@pytest.fixture
def make_leases(home: Home) -> Iterator[Callable[[], Leases]]:
    """Leases of one process in the home, and of another, ..."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(closing(Leases(home.journal)))


@pytest.fixture
def leases(make_leases: Callable[[], Leases]) -> Leases:
    """Of one process in the home."""
    return make_leases()


class SetClock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> SetClock:
    """Seconds that pass when they are told to."""
    return SetClock()


@pytest.fixture
def binary_study(make_study: Callable[..., StudySpec]) -> StudySpec:
    """A network of three layers with real and with binary inputs, for an epoch each."""
    base = copy.deepcopy(STUDY["base"]) | {
        "model": {"name": "mlp", "widths": [64, 12, 8, 10]},
        "layers": {"order": "all"},
        "epochs": 1,
    }
    inputs = {
        "real": {"activations": "none"},
        "binary": {"activations": {"name": "sign", "closed": True}},
    }
    axes = [{"name": "inputs", "values": inputs}, {"name": "seed", "seeds": [1, 2]}]
    shown = {"rows": "inputs", "over": "seed"}
    return make_study(study="signs", base=base, axes=axes, matrix=shown)


@pytest.fixture
def trained(home: Home, store: Store) -> Callable[[StudySpec], dict[str, str]]:
    """Trains and records the cells of a study as a sweep would; the runs by their labels."""
    from trainers import CheckpointPolicy, RunOptions, run

    def train(study: StudySpec) -> dict[str, str]:
        ids = store.open_study(study_record(study))
        runs: dict[str, str] = {}
        for cell in expand(study):
            options = RunOptions(
                num_threads=1,
                checkpoint_dir=home.checkpoints / cell.id,
                checkpoints=CheckpointPolicy(policy="best"),
            )
            result = run(cell.train, options=options)
            run_id = store.create_cell(describe(cell, study, tags={}), ids)
            error = result.last.validation.error
            store.log_points(run_id, [Point("selected/validation_error", 0, error, 1000)])
            digest = {vocabulary.WEIGHTS_SHA256: result.weights_sha256}
            store.set_state(run_id, State.FINISHED, digest)
            runs[" ".join(cell.labels.values())] = run_id
        return runs

    return train
