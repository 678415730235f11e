"""`--notify`: what a command at the end is told, and what it can cost."""

import json
import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli import notify
from orchestrator.execution.listener import Failure
from orchestrator.execution.outcome import Outcome
from orchestrator.free_space import DiskFullError
from orchestrator.home import Home
from orchestrator.planning.planning import plan
from orchestrator.process import signals
from orchestrator.study.expansion import expand
from orchestrator.study.spec import StudySpec

TRAINED = "orchestrator.results.recorded_sweep.train_what_is_left"
Cli = Callable[..., Any]
File = Callable[..., str]


@pytest.fixture
def taker(tmp_path: Path) -> str:
    """A command that keeps its standard input in `told.json`."""
    program = "import sys; open(sys.argv[1], 'w').write(sys.stdin.read())"
    return shlex.join([sys.executable, "-c", program, str(tmp_path / "told.json")])


@pytest.fixture
def told(tmp_path: Path) -> Callable[[], dict[str, Any]]:
    """What that command was told."""

    def read() -> dict[str, Any]:
        content: dict[str, Any] = json.loads((tmp_path / "told.json").read_text())
        return content

    return read


def test_a_sweep_tells_what_came_of_it(
    cli: Cli,
    file: File,
    home: Home,
    study: StudySpec,
    record: Callable[..., None],
    taker: str,
    told: Callable[[], dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seeds = {" ".join(cell.labels.values()): 0.25 for cell in expand(study)}
    record(study, seeds)
    failure = Failure(name="forward · seed 1", reason="it broke", log=Path("a.log"))
    outcome = Outcome(plan=plan(study), num_finished=7, failures=(failure,), wall_s=2.0)
    monkeypatch.setattr(TRAINED, lambda *others: outcome)
    answer = cli("sweep", file(), "--home", str(home.root), "--notify", taker)
    assert answer.code == 1, answer.err
    found = told()
    assert found["study"] == "tiny"
    assert found["variant"] == ""
    assert (found["version"], found["command"], found["state"]) == (1, "sweep", "failures")
    assert found["cells"] == {"planned": 8, "finished": 7, "failed": 1, "remaining": 0}
    assert found["failures"] == [{"cell": failure.name, "reason": "it broke", "log": "a.log"}]
    assert found["exit_code"] == 1
    assert found["error"] is None
    assert found["home"] == str(home.root)
    assert found["tracking_uri"] == home.shown_uri
    assert "notify" not in answer.out


def test_a_study_with_nothing_left_is_told_as_finished(
    cli: Cli,
    file: File,
    home: Home,
    make_study: Callable[..., StudySpec],
    record: Callable[..., None],
    taker: str,
    told: Callable[[], dict[str, Any]],
) -> None:
    metric = {"name": "selected/validation_error"}
    study = make_study(metric=metric)
    names = [" ".join(cell.labels.values()) for cell in expand(study)]
    record(study, {name: 0.125 if name.startswith("binary") else 0.25 for name in names})
    line = ("sweep", file(metric=metric), "--home", str(home.root), "--notify", taker)
    # The second one knows it without reading the study.
    for _ in range(2):
        assert cli(*line).code == 0
        found = told()
        assert (found["state"], found["exit_code"]) == ("finished", 0)
        assert found["cells"] == {"planned": 8, "finished": 8, "failed": 0, "remaining": 0}
        lowest = {"axis": "order", "row": "binary", "validation_error": 0.125, "n": 2}
        assert found["lowest"] == lowest


@pytest.mark.parametrize("raises", [False, True])
def test_an_interrupted_sweep_tells_too(
    raises: bool,
    cli: Cli,
    file: File,
    study: StudySpec,
    taker: str,
    told: Callable[[], dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def swept(*arguments: object) -> Outcome:
        if raises:
            signal.raise_signal(signal.SIGTERM)
        with signals.handled_by(lambda number: None):
            signal.raise_signal(signal.SIGTERM)
        return Outcome(plan=plan(study), num_finished=3, num_undelivered=1, interrupted=True)

    monkeypatch.setattr(TRAINED, swept)
    password = "http://me:hunter2@host:1"
    line = ("sweep", file(), "--tracking-uri", password, "--notify", taker)
    assert cli(*line).code == 143
    found = told()
    assert (found["state"], found["exit_code"]) == ("interrupted", 143)
    assert "hunter2" not in json.dumps(found)
    if not raises:
        assert found["cells"] == {"planned": 8, "finished": 3, "failed": 0, "remaining": 5}
        assert found["lowest"] is None


def test_what_ends_a_sweep_at_once_is_told(
    cli: Cli,
    file: File,
    taker: str,
    told: Callable[[], dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*arguments: object) -> Outcome:
        raise DiskFullError("the disk is full")

    monkeypatch.setattr(TRAINED, full)
    answer = cli("sweep", file(), "--notify", taker)
    found = told()
    assert (found["state"], found["error"]) == ("error", "the disk is full")
    assert found["exit_code"] == answer.code
    assert "the disk is full" in answer.err


@pytest.mark.parametrize(
    "command", ["awk '$1 > 2'", 'grep "a|b"', "sh -c 'cat > told'", r"cat it\'s"]
)
def test_what_a_program_is_to_read_may_look_like_a_shells(command: str) -> None:
    assert notify._words_of(command)[1:] == shlex.split(command)[1:]


@pytest.mark.parametrize(
    ("command", "what"),
    [
        ("no-such-program --brief", "'no-such-program' is not found: no folder of PATH has it"),
        ("./missing", "there is no such file"),
        ("a 'b", "no closing quotation in: a 'b"),
        ("", "expected a command"),
        ("./plain.txt", "may not be run; chmod +x ./plain.txt"),
        ("here.sh", "for the file here: ./here.sh"),
        ("cat > told", "'>' would be a word like any other; name a shell: --notify 'sh -c '"),
        ("true&&true", "'&&' would be a word like any other"),
    ],
)
@pytest.mark.parametrize("typed", [["sweep", "digits-orders"], ["protocol", "digits"]])
def test_a_command_that_is_missing_is_refused_before_anything_starts(
    typed: list[str], command: str, what: str, refused: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "plain.txt").touch()
    (tmp_path / "here.sh").touch(mode=0o755)
    err = refused(*typed, "--notify", command)
    assert "--notify" in err
    assert what in err
    assert "nothing was launched" in err


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("import sys; sys.exit('no such address')", "ended with code 1: no such address"),
        ("import time; time.sleep(30)", "took more than 0.5 s and was ended"),
        ("import os; os.kill(os.getpid(), 9)", "was ended by SIGKILL"),
    ],
)
def test_a_command_that_fails_or_hangs_costs_a_line(
    program: str,
    why: str,
    cli: Cli,
    file: File,
    study: StudySpec,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(notify, "LIMIT_S", 0.5)
    outcome = Outcome(plan=plan(study), num_undelivered=1)
    monkeypatch.setattr(TRAINED, lambda *others: outcome)
    command = shlex.join([sys.executable, "-S", "-c", program])
    answer = cli("sweep", file(), "--notify", command)
    assert answer.code == 0
    (line,) = [line for line in answer.out.splitlines() if line.startswith("notify")]
    assert why in line


def test_a_protocol_lists_its_stages(
    cli: Cli,
    home: Home,
    protocol_files: Callable[..., str],
    taker: str,
    told: Callable[[], dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def swept(study: StudySpec, *others: object) -> Outcome:
        return Outcome(plan=plan(study), num_finished=1, num_undelivered=1, interrupted=True)

    monkeypatch.setattr(TRAINED, swept)
    network = protocol_files()
    answer = cli("protocol", network, "--home", str(home.root), "--notify", taker)
    found = told()
    assert found["exit_code"] == answer.code == 130
    assert found["state"] == "interrupted"
    assert found["networks"] == [network]
    assert [stage["study"] for stage in found["stages"]] == ["net-sensitivity"]
    assert found["stages"][0]["cells"]["finished"] == 1
