"""Studies over all forms of axes, with odd labels and sizes: what is valid can be swept and shown.

The way is the real one: a file, the sweep, its journal, MLflow's database, the matrix. Only the
training is replaced, where Ray would begin: each trial reports one epoch.
"""

import hashlib
import io
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from world.examples import fuzz
from world.ledger import Ledger
from world.scale import either

import orchestrator.launch
from dashboards.cells_table import cells_csv
from dashboards.note import markdown_table
from dashboards.report import matrix_csv, matrix_table
from dashboards.runs import study_runs
from orchestrator.execution.listener import SweepListener
from orchestrator.execution.options import SweepOptions
from orchestrator.execution.outcome import Unwatched
from orchestrator.home import Home
from orchestrator.launch.jobs import Jobs
from orchestrator.launch.metrics import Series
from orchestrator.launch.parts import Search, search_parts
from orchestrator.launch.parts import checked as redrawn
from orchestrator.launch.report import EpochReport
from orchestrator.planning.checksums import Part, part_of
from orchestrator.planning.sharing import Beginnings
from orchestrator.results.recorded_sweep import recorded_sweep
from orchestrator.study.catalog import load_study
from orchestrator.study.spec import StudySpec
from trainers.errors import SpecError
from trainers.spec.train_spec import TrainSpec

pytestmark = pytest.mark.slow

STUDIES_A_HOME = 10

PLAIN = [
    *("on", "off", "yes", "no", "Yes", "true", "True", "~", "null", "none", "y", "n", "=", "nan"),
    *("010", "1_000", "1:30", "0x10", "1e3", "1e-3", ".5", "1.0", "0.10", "-0.0", ".nan", ".inf"),
    *("2026-11-26", "12:30:45", "1", "-1", "+1", "99999999999999999999", "a=b", "a/b", "../x"),
    *("/etc/passwd", "a.b", "a-b", "(1)", "50%", "mlflow.x", "Default", "a·b"),
]
"""Keys as somebody types them, without quotes; each is a label as it is written."""
QUOTED = [
    *("a,b", "rate=0.1,seed=2", " a", "a ", "[red]x[/red]", "[bold", "a\\", "'", '"', "{}", "#"),
    *("a · b", "\U0001f600", "\u200fabc", "\u202eabc", "é", "e\u0301", "ß" * 300, "x" * 300, ":"),
    *("[1/2 0123abcd] x", "%s", "{x}", "best", "a|b", "*a", "&a", "!a", "|", ">", "- a", "? a"),
    *("x" * 4999 + "y", "x" * 4999 + "z", "a b"),
]
"""Keys that need quotes."""
REFUSED = ["x" * 5001, "x" * 10_000, "", " ", "a\nb", "a\tb", "\0", "\x1b[31m", "\u2028"]
"""Keys that no line can hold."""
TEXTS = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=40)
LABELS = st.one_of(
    st.sampled_from(PLAIN).map(lambda text: (text, text)),
    st.sampled_from(QUOTED).map(lambda text: (json.dumps(text, ensure_ascii=False), text)),
    TEXTS.map(lambda text: (json.dumps(text, ensure_ascii=False), text)),
)
"""How a key is written, and the label that it is."""
NUMBERS = ["0.1", "1e-3", ".5", "1.0", "0x10", "1_000", "5e-324", "1e308", "-0.0", "2"]
ODD_NUMBERS = [*NUMBERS, "010", "1:30", ".nan", "true"]


def _pairs(draw: st.DrawFn, values: list[str]) -> str:
    """A mapping of odd labels to some of the values; one in ten has a label that is refused."""
    labels = draw(
        st.lists(LABELS, min_size=1, max_size=len(values), unique_by=lambda label: label[1])
    )
    keys = [key for key, _ in labels]
    if draw(st.integers(0, 9)) == 9:
        keys[0] = json.dumps(draw(st.sampled_from(REFUSED)))
    pairs = ", ".join(f"? {key} : {value}" for key, value in zip(keys, values, strict=False))
    return f"{{{pairs}}}"


def _rates(draw: st.DrawFn) -> str:
    rates = ["0.1", "0.02", "0.003"]
    points = [f"{{optimizer.lr: {rate}, epochs: 2}}" for rate in rates]
    numbers = draw(st.sampled_from([NUMBERS, NUMBERS, ODD_NUMBERS]))
    some = draw(st.lists(st.sampled_from(numbers), min_size=1, max_size=3, unique=True))
    return draw(
        st.sampled_from(
            [
                f"sets: optimizer.lr, values: {_pairs(draw, rates)}",
                f"sets: optimizer.lr, values: [{', '.join(some)}]",
                f"values: {_pairs(draw, points)}",
            ]
        )
    )


ORDERS = [
    "sets: layers.order, permutations: all",
    "sets: layers.order, permutations: [12, 2-1], controls: [float]",
    "sets: layers.order, permutations: [forward], controls: [float, binary]",
    "sets: layers.order, single_layers: all, controls: [float]",
    "sets: layers.order, values: {on: [fc1], off: []}",
    "sets: layers.order, values: [[fc1, fc2], []]",
    "sets: model.norm, values: {on: true, off: false}",
    "sets: model.norm, values: [true, false]",
    "sets: clip_gradient, values: [~, 1.0]",
    "sets: model.norm, values: [on, off]",
    "sets: layers.order, permutations: [021]",
]
"""The last two are refused."""
SEARCHED = [
    "sets: data.batch_size, range: {low: 3, high: 8, integer: true}",
    "sets: epochs, range: {low: 0, high: 9, integer: true}",
    "sets: layers.epochs_per_layer, range: {low: 0, high: 9, integer: true}",
    "sets: seed, range: {low: 0, high: 1, integer: true}",
    "sets: seed, range: {low: 0, high: 9007199254740992, integer: true}",
    "sets: optimizer.lr, range: {low: 1e-4, high: 1e-1, log: true}",
    "sets: optimizer.lr, range: {low: 0.1234561, high: 0.1234564}",
    "sets: data.batch_size, choices: [32, 64]",
]
SEEDS = [0, 1, 7, 2**31, 2**32, 2**63, 2**64, 2**70]


def _seeds(draw: st.DrawFn) -> str:
    seeds = st.lists(st.sampled_from([*SEEDS, -1]), min_size=1, max_size=2, unique=True)
    return f"seeds: {draw(seeds)}"


def _searched(draw: st.DrawFn) -> str:
    choices = f"sets: optimizer.lr, choices: {_pairs(draw, ['0.1', '0.2', '0.3'])}"
    return draw(st.sampled_from([*SEARCHED, choices, choices]))


@st.composite
def studies(draw: st.DrawFn) -> str:
    """The text of a study file, but for its name."""
    is_search = draw(st.integers(0, 2)) == 0
    axes = [_searched(draw)] if is_search else [_rates(draw)]
    if draw(st.booleans()):
        axes.append("seeds: [1]" if is_search else draw(st.sampled_from(ORDERS)))
    if not is_search and draw(st.booleans()):
        axes.append(_seeds(draw))
    names = ["rate", "order", "größe_2"][: len(axes)]
    lines = [f"  - {{name: {name}, {axis}}}" for name, axis in zip(names, axes, strict=True)]
    over = f", over: {names[-1]}" if len(axes) > 1 and draw(st.booleans()) else ""
    searcher, number = draw(st.sampled_from(["random", "optuna"])), draw(st.integers(0, 2**70))
    search = f"search: {{name: {searcher}, num_samples: 3, seed: {number}}}" if is_search else ""
    return f"""
question: {json.dumps(draw(TEXTS), ensure_ascii=False)}
base:
  model: {{name: mlp, widths: [64, 8, 10]}}
  data: {{name: digits, batch_size: 500}}
  optimizer: {{name: adam, lr: 0.02}}
  layers: {{order: [fc1, fc2], epochs_per_layer: 1}}
  epochs: 3
axes:
{chr(10).join(lines)}
metric: {{name: selected/validation_error}}
matrix: {{rows: {names[0]}{over}}}
{search}
"""


def _trained(work: Jobs, listener: SweepListener, config: dict[str, Any]) -> None:
    """Reports a trial as a worker would, without training it."""
    key, spec = work.key(config), TrainSpec.from_mapping(work.job(config).train)
    error = int(hashlib.sha256(str(spec).encode()).hexdigest()[:4], 16) / 2**16
    values = {"selected/validation_error": error, "validation/error": error, "epoch_s": 0.0}
    series = Series(0, 1_700_000_000_000, values)
    listener.started(config)
    listener.reported(
        key,
        EpochReport(
            epoch=spec.epochs,
            points=(series,),
            summary=series,
            objective=error,
            weights_sha256="0" * 64,
        ),
    )
    listener.ended(key)


def _drawn(search: Search) -> Iterator[dict[str, Any]]:
    """What the searcher draws, as Tune asks for it."""
    assert search.draws is not None
    space, algorithm = search_parts(search)
    algorithm = redrawn(algorithm, search.draws)
    if hasattr(algorithm, "suggest"):
        if space:
            algorithm.set_search_properties("objective", "min", space)
        while isinstance(config := algorithm.suggest(f"t{search.draws.num_taken}"), dict):
            yield config
        return
    state = algorithm._random_state  # type: ignore[union-attr]
    while not search.draws.is_over:
        config = {name: domain.sample(random_state=state) for name, domain in space.items()}
        if search.draws.takes(config):
            yield config


def _launched(
    work: Jobs, *, cells: Beginnings | Search, listener: SweepListener, **options: object
) -> bool:
    if isinstance(cells, Search):
        for config in _drawn(cells):
            _trained(work, listener, config)
        return True
    while (start := cells.next()) is not None:
        _trained(work, listener, {"cell": start.key})
        cells.ended(start.key, finished=True)
    return True


def _d1ce(study: StudySpec, folder: Path) -> dict[Part, str]:
    return {part_of(cell.train): "d1ce" for cell in study.trials}


@pytest.fixture
def make_home(
    tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[int], Home]:
    """Numbered homes in which nothing is trained."""
    names = vars(orchestrator.launch)
    monkeypatch.setitem(names, "ray_session", lambda **options: nullcontext())
    monkeypatch.setitem(names, "launch", _launched)
    monkeypatch.setattr("orchestrator.execution.sweep.data_checksums", _d1ce)
    monkeypatch.setattr("orchestrator.execution.sweep.git_commit", lambda: "c0de")

    def make(number: int) -> Home:
        root = tmp_path / f"home-{number}"
        if not root.exists():
            root.mkdir()
            with (
                closing(sqlite3.connect(empty_database)) as source,
                closing(sqlite3.connect(root / "mlflow.db")) as target,
            ):
                source.backup(target)
        return Home(root, f"sqlite:///{root / 'mlflow.db'}")

    return make


def _swept_and_shown(study: StudySpec, home: Home, *, twice: bool) -> int:
    """Sweeps a study, perhaps again, and shows it in every form; the number of its cells."""
    options = SweepOptions(data_dir=home.data_folder())
    result = recorded_sweep(study, home, options, Unwatched())
    outcome = result.outcome
    assert outcome.failures == ()
    assert not outcome.interrupted
    assert outcome.num_undelivered == 0
    assert result.matrix is not None
    runs = study_runs(study, home.tracking_uri)
    found = [tuple(sorted(cell.labels.items())) for cell in runs.cells]
    assert len(found) == len(set(found)) == result.matrix["n"].sum()
    if study.is_searched:
        assert found
    else:
        assert set(found) == {tuple(sorted(cell.labels.items())) for cell in study.trials}
        rows = next(axis for axis in study.axes if axis.name == study.matrix.rows)
        assert runs.labels() == list(rows.points)
    if twice and not study.is_searched:
        assert recorded_sweep(study, home, options, Unwatched()).outcome.plan.num_todo == 0
    console = Console(file=io.StringIO(), width=100)
    console.print(matrix_table(result.matrix, console))
    shown = [matrix_csv(result.matrix), markdown_table(result.matrix), cells_csv(runs)]
    assert all(len(text.splitlines()) > len(result.matrix) for text in shown)
    return len(found)


def test_what_is_valid_can_be_swept_and_shown(
    make_home: Callable[[int], Home], tmp_path: Path, ledger: Ledger
) -> None:
    tried = either(50, 2000)
    number = swept = num_cells = 0

    @fuzz(tried)
    @given(studies())
    def attempt(text: str) -> None:
        nonlocal number, swept, num_cells
        number += 1
        path = tmp_path / f"odd-{number}.yaml"
        path.write_text(f"study: odd-{number}{text}", encoding="utf-8")
        try:
            study = load_study(path)
        except SpecError:
            return
        # A sweep asks for each study of its home whether MLflow still has it.
        home = make_home(number // STUDIES_A_HOME)
        num_cells += _swept_and_shown(study, home, twice=number % 5 == 0)
        swept += 1

    attempt()
    ledger.note("studies with odd labels", tried=tried, valid=swept, cells=num_cells)
    assert swept > tried / 2
