"""What each command waits for: no library is imported that it does not need."""

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.home import Home
from orchestrator.kept import keep
from orchestrator.record.conflicts import study_record
from orchestrator.record.journal import Journal
from orchestrator.record.store import Store, StudyIds
from orchestrator.results.settled import depends_on, keep_outline
from orchestrator.study.catalog import load_variant
from orchestrator.study.shipped import config_digest
from orchestrator.study.spec import StudySpec
from orchestrator.study.variant import Variant
from orchestrator.vocabulary import State

SLOW = ("torch", "torch._dynamo", "torchvision", "sklearn", "ray", "mlflow", "pandas", "optuna")
"""Libraries that take a third of a second or more to import."""
SCRIPT = textwrap.dedent(
    f"""
    import sys

    from orchestrator.cli.main import main

    try:
        code = main(sys.argv[2:])
    except SystemExit as stop:
        code = stop.code
    loaded = [name for name in {SLOW!r} if name in sys.modules]
    with open(sys.argv[1], "w") as file:
        file.write(" ".join([str(code), *loaded]))
    """
)


@pytest.fixture
def imports(tmp_path: Path) -> Callable[..., tuple[int, set[str]]]:
    """Types a command in a new process; its exit code, and what it imported."""

    def type_in(*arguments: str) -> tuple[int, set[str]]:
        told = tmp_path / "told"
        command = [sys.executable, "-c", SCRIPT, str(told), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
        assert done.returncode == 0, done.stderr
        code, *loaded = told.read_text().split(" ")
        return int(code), set(loaded)

    return type_in


@pytest.mark.parametrize(
    "line",
    [
        ["--help"],
        ["sweep", "--help"],
        ["sweep", "digits-order"],
        ["validate", "./nowhere.yaml"],
        ["sweep", "digits-orders", "--scale-epochs", "2"],
        ["ui", "--home", "nowhere"],
        ["hybrid", "abc", "--measure", "rmse"],
        ["schema"],
        ["completion", "bash"],
    ],
    ids=" ".join,
)
def test_help_and_simple_refusals_wait_for_nothing(
    line: list[str], imports: Callable[..., tuple[int, set[str]]]
) -> None:
    code, loaded = imports(*line)
    assert code == (0 if {"--help", "schema", "completion"} & {*line} else 2)
    assert loaded == set()


def test_the_list_of_studies_waits_for_nothing_once_it_was_made(
    imports: Callable[..., tuple[int, set[str]]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    row = {"name": "one", "question": "Is it?", "trials": 2, "epochs": 3, "core_seconds": 4.5}
    keep("listing", config_digest(), [{**row, "is_searched": False}])
    assert imports("studies") == (0, set())


def test_a_matrix_that_is_not_there_waits_for_pandas_alone(
    imports: Callable[..., tuple[int, set[str]]],
) -> None:
    assert imports("matrix", "digits-orders", "--home", "nowhere") == (2, {"pandas"})


@pytest.mark.slow
@pytest.mark.parametrize("command", ["validate", "inspect", "train"])
def test_what_reads_or_trains_one_trial_waits_for_torch_alone(
    command: str,
    imports: Callable[..., tuple[int, set[str]]],
    file: Callable[..., str],
    packed: str,
) -> None:
    lines = {
        "validate": ["validate", "digits-orders"],
        "inspect": ["inspect", packed],
        "train": ["train", file(), "--trial", "order=float,seed=1"],
    }
    assert imports(*lines[command]) == (0, {"torch"})


@pytest.mark.slow
def test_a_wrong_study_is_refused_without_mlflow_and_ray(
    imports: Callable[..., tuple[int, set[str]]], file: Callable[..., str]
) -> None:
    assert imports("sweep", file(metric={"name": "nothing"})) == (2, {"torch"})


@pytest.mark.slow
@pytest.mark.parametrize("command", ["matrix", "results", "sync", "sweep"])
def test_what_reads_results_waits_for_mlflow_and_neither_torch_nor_ray(
    command: str,
    imports: Callable[..., tuple[int, set[str]]],
    file: Callable[..., str],
    home: Home,
    study: StudySpec,
    record: Callable[..., None],
    journal: Journal,
    store: Store,
    ids: StudyIds,
) -> None:
    record(study, {" ".join(cell.labels.values()): 0.25 for cell in study.trials})
    store.set_state(ids.run, State.FINISHED, {})
    journal.begin_study(study_record(study))
    journal.mark_study_sent(study_record(study))
    path = file()
    # As a sweep before this one did.
    keep_outline(depends_on(path, Variant(), None), load_variant(path, Variant()))
    named = {"sync": [], "sweep": [path]}.get(command, [study.name])
    code, loaded = imports(command, *named, "--home", str(home.root))
    assert code == 0
    assert loaded == {"mlflow", "pandas"}
