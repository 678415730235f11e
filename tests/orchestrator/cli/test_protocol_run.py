"""What `protocol` does between its sweeps; these are played here, with results by hand."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from orchestrator.execution.listener import Failure
from orchestrator.execution.outcome import Outcome
from orchestrator.home import Home
from orchestrator.planning.planning import plan
from orchestrator.study.expansion import expand
from orchestrator.study.spec import StudySpec
from orchestrator.vocabulary import State

pytestmark = pytest.mark.slow

Files = Callable[..., str]
Record = Callable[..., None]

# Layer 2 suffers least, layer 1 most; the smaller rate is better for binary and descend.
ERRORS: Mapping[str, Mapping[str, float]] = {
    "layer": {"1": 0.4, "2": 0.1, "3": 0.2},
    "order": {"float": 0.05, "binary": 0.3, "forward": 0.2, "ascend": 0.1, "descend": 0.25},
}


def _error(labels: Mapping[str, str]) -> float:
    rows = next(axis for axis in ERRORS if axis in labels)
    error = ERRORS[rows][labels[rows]]
    likes_small = labels[rows] in ("binary", "descend")
    bad_rate = "lr" in labels and (labels["lr"] == "0.1") == likes_small
    return error + 0.01 * bad_rate + 0.001 * int(labels.get("seed", 0))


class Played:
    """Stands for sweeps: every cell that is not to fail is finished at once."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.studies: list[StudySpec] = []
        self.fails: Callable[[str], bool] = lambda cell: False
        self.interrupted_at = ""

    @property
    def names(self) -> list[str]:
        return [study.name for study in self.studies]

    def sweep(self, study: StudySpec, *others: object) -> Outcome:
        self.studies.append(study)
        cells = {cell.name: cell for cell in expand(study)}
        failed = [name for name in cells if self.fails(name)]
        for state in (State.FAILED, State.FINISHED):
            errors = {
                " ".join(cell.labels.values()): _error(cell.labels)
                for name, cell in cells.items()
                if (name in failed) == (state == State.FAILED)
            }
            self.record(study, errors, state=state)
        return Outcome(
            plan=plan(study),
            failures=tuple(
                Failure(name=name, reason="it broke", log=Path("a.log")) for name in failed
            ),
            interrupted=study.name == self.interrupted_at,
        )


@pytest.fixture
def played(record: Record, monkeypatch: pytest.MonkeyPatch) -> Played:
    played = Played(record)
    monkeypatch.setattr("orchestrator.results.recorded_sweep.train_what_is_left", played.sweep)
    return played


@pytest.fixture
def type_in(cli: Callable[..., Any], home: Home) -> Callable[..., Any]:
    """Types `protocol` with these arguments, in the home that is recorded in."""

    def command(*arguments: str) -> Any:
        answer = cli("protocol", *arguments, "--home", str(home.root))
        assert all(line.startswith("waiting for ") for line in answer.err.splitlines())
        return answer

    return command


def _has(out: str, line: str) -> bool:
    return any(" ".join(found.split()) == line for found in out.splitlines())


def test_each_stage_is_made_from_what_the_one_before_found(
    played: Played, type_in: Callable[..., Any], protocol_files: Files
) -> None:
    answer = type_in(protocol_files())
    assert answer.code == 0
    assert played.names == ["net-sensitivity", "net-lr", "net-full"]
    first, rates, full = (study.variant.given for study in played.studies)
    assert not first
    assert rates.orders == full.orders == {"ascend": (2, 3, 1), "descend": (1, 3, 2)}
    assert {row: point["optimizer.lr"] for row, point in full.rows.items()} == {
        "float": 0.1, "binary": 0.01, "forward": 0.1, "ascend": 0.1, "descend": 0.01,
    }  # fmt: skip


def test_each_stage_says_what_it_found(
    played: Played, type_in: Callable[..., Any], protocol_files: Files, home: Home
) -> None:
    out = type_in(protocol_files()).out
    for number, stage in enumerate(("sensitivity", "lr", "full"), start=1):
        assert _has(out, f"[./net] stage {number} of 3: {stage}")
    assert _has(out, "net-sensitivity: selected/validation_error, %")
    assert _has(out, "layer lr 0.1 lr 0.01")
    assert _has(out, "2 10.00 11.00")
    assert _has(out, "ascend 2-3-1: from the least to the most sensitive")
    assert _has(out, "descend 1-3-2")
    assert "Kendall" not in out
    assert _has(out, "net-lr · as its protocol found: selected/validation_error, %")
    assert _has(out, f"compare bnn-orchestrate ui net-full --home {home.root}")
    assert _has(out, "binary 31.00 30.00")
    assert _has(out, "net-full · as its protocol found: selected/test_error, %")
    assert _has(out, "method lr mean ± std n lowest gap to float gap to binary")
    assert _has(out, "ascend 0.1 10.15 ± 0.07 2 10.10 +5.00 -20.00")
    assert _has(out, f"results {home.root}")
    assert _has(out, f"MLflow {home.tracking_uri}")


def test_what_was_found_lies_with_the_runs(
    played: Played, type_in: Callable[..., Any], protocol_files: Files, home: Home
) -> None:
    type_in(protocol_files())
    found = {
        path.relative_to(home.artifacts).parts[0] + "/" + path.name: path.read_text()
        for path in home.artifacts.rglob("*.*")
    }
    assert set(found) == {
        *(f"net-sensitivity/sensitivity{end}" for end in (".json", ".csv", "-orders.json")),
        *("net-lr/rates.json", "net-lr/rates.csv"),
        *("net-full/protocol.json", "net-full/protocol.csv"),
        *(
            f"net-{stage}/matrix.{end}"
            for stage in ("sensitivity", "lr", "full")
            for end in ("csv", "json", "md")
        ),
    }
    assert json.loads(found["net-sensitivity/sensitivity-orders.json"])["ascend"] == [2, 3, 1]


def test_the_published_order_is_shown_beside_the_measured_one(
    played: Played,
    type_in: Callable[..., Any],
    protocol_files: Files,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from orchestrator.study.orders import Orders

    orders = Orders(num_layers=3, rotations=False, published={"ascend": (1, 3, 2)})
    monkeypatch.setattr("orchestrator.protocol.stages.network_orders", lambda network: orders)
    out = type_in(protocol_files(), "--only", "sensitivity").out
    assert _has(out, "published 1-3-2: Kendall tau -1.00")


def test_one_stage_alone_and_the_stages_from_one_on(
    played: Played, type_in: Callable[..., Any], protocol_files: Files
) -> None:
    network = protocol_files()
    only = type_in(network, "--only", "sensitivity")
    assert played.names == ["net-sensitivity"]
    assert "stage 1 of 3" in only.out
    assert "method" not in only.out
    played.studies.clear()
    rest = type_in(network, "--from", "lr")
    assert played.names == ["net-lr", "net-full"]
    assert "stage 1 of 3" not in rest.out
    assert _has(rest.out, "ascend 0.1 10.15 ± 0.07 2 10.10 +5.00 -20.00")


def test_the_matrix_alone_trains_nothing(
    played: Played, type_in: Callable[..., Any], protocol_files: Files
) -> None:
    network = protocol_files()
    whole = type_in(network).out
    played.studies.clear()
    alone = type_in(network, "--only", "matrix").out
    assert played.names == []
    assert "stage" not in alone
    assert whole.endswith(alone)
    assert type_in(network, "--from", "matrix").out == alone


def test_the_matrix_command_says_that_it_shows_what_a_protocol_found(
    played: Played,
    type_in: Callable[..., Any],
    cli: Callable[..., Any],
    protocol_files: Files,
    home: Home,
) -> None:
    type_in(protocol_files())
    answer = cli("matrix", "net-full", "--home", str(home.root))
    assert answer.code == 0
    title = "net-full · as its protocol found"
    assert f"no cell of the study as in its file is finished; this is {title}" in answer.out
    assert f"{title}: selected/test_error, %" in answer.out
    assert cli("matrix", "net-sensitivity", "--home", str(home.root)).out.startswith("net-sens")


def test_seeds_epochs_and_overrides_reach_the_stages(
    played: Played, type_in: Callable[..., Any], protocol_files: Files
) -> None:
    flags = ["--seeds", "7", "--scale-epochs", "0.5", "--set", "base.data.batch_size=32"]
    assert type_in(protocol_files(), *flags).code == 0
    assert [study.variant.epoch_scale for study in played.studies] == ["0.5"] * 3
    assert {study.variant.overrides for study in played.studies} == {("base.data.batch_size=32",)}
    assert {cell.train.seed for cell in expand(played.studies[2])} == {7}
    assert {cell.train.seed for cell in expand(played.studies[0])} == {316}


def test_several_networks_end_in_one_matrix(
    played: Played, type_in: Callable[..., Any], protocol_files: Files, home: Home
) -> None:
    names = ",".join([protocol_files("one"), protocol_files("two")])
    out = type_in("--networks", names).out
    stages = ("sensitivity", "lr", "full")
    assert played.names == [f"{name}-{stage}" for name in ("one", "two") for stage in stages]
    assert _has(out, "selected/test_error, %")
    assert _has(out, "method ./one ./two")
    assert _has(out, "ascend 10.15 ± 0.07 (2) 10.15 ± 0.07 (2)")
    tables = list(home.artifacts.rglob("protocol.json"))
    assert len(tables) == 2
    assert len({path.read_text() for path in tables}) == 1


def test_an_interruption_ends_the_protocol_and_says_how_to_go_on(
    played: Played, type_in: Callable[..., Any], protocol_files: Files
) -> None:
    played.interrupted_at = "net-lr"
    answer = type_in(protocol_files())
    assert answer.code == 130
    assert played.names == ["net-sensitivity", "net-lr"]
    assert "interrupted; resume with: bnn-orchestrate" in answer.out
    assert "method" not in answer.out


def test_a_failed_cell_is_named_and_the_protocol_goes_on(
    played: Played, type_in: Callable[..., Any], protocol_files: Files
) -> None:
    played.fails = lambda cell: cell in ("layer 1 · lr 0.1", "float · lr 0.1", "float · seed 2")
    answer = type_in(protocol_files())
    assert answer.code == 1
    assert played.names == ["net-sensitivity", "net-lr", "net-full"]
    for cell in ("layer 1 · lr 0.1", "float · lr 0.1", "float · seed 2"):
        assert f"failed    {cell}: it broke" in answer.out
    assert answer.out.count("log: a.log") == 3
    # The next best rate took its place.
    assert played.studies[2].variant.given.rows["float"] == {"optimizer.lr": 0.01}
    assert _has(answer.out, "float 0.01 5.10 1 5.10 0.00 -25.05")


@pytest.mark.parametrize(
    ("cells", "what", "stages"),
    [
        ("layer 1 ", "net-sensitivity: no cell with only layer 1 binary is finished", 1),
        ("ascend · lr", "./net, stage lr: no learning rate was found for ascend", 2),
        ("seed", "of 'net-full · as its protocol found' is finished: 10 of 10 failed", 3),
    ],
    ids=["a layer", "a rate", "all full runs"],
)
def test_a_stage_that_lacks_what_the_next_one_needs_ends_the_protocol(
    cells: str,
    what: str,
    stages: int,
    played: Played,
    cli: Callable[..., Any],
    home: Home,
    protocol_files: Files,
) -> None:
    played.fails = lambda cell: cells in cell
    answer = cli("protocol", protocol_files(), "--home", str(home.root))
    assert answer.code == 1
    assert len(played.studies) == stages
    assert "failed    " in answer.out
    assert answer.err.startswith("stopped: ")
    assert what in answer.err
    assert "nothing was launched" not in answer.err
