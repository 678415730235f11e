"""Malformed study files and checkpoints: a clean error or success, never a traceback or a hang."""

import copy
import hashlib
import io
import random
import signal
import string
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from world.examples import fuzz
from world.ledger import Ledger
from world.scale import either

from orchestrator.planning.planning import plan
from orchestrator.study.catalog import load_study, study_files
from trainers.engine.checkpoint import Checkpoint, CheckpointPolicy, Checkpoints
from trainers.engine.result import EpochMetrics, Scores
from trainers.errors import SpecError

pytestmark = pytest.mark.slow

LIMIT_S = 10
"""A case that takes longer hangs."""

SHIPPED = [path.read_text(encoding="utf-8") for path in study_files().values()]
NETWORKS = [
    path.read_text(encoding="utf-8")
    for path in sorted((next(iter(study_files().values())).parents[1] / "networks").glob("*.yaml"))
]

ODD = [
    *("", " ", "~", "null", "yes", "0", "-1", "1e400", "-1e-400", ".nan", ".inf", "0x10", "0o7"),
    *(
        "99999999999999999999999",
        "1" * 400,
        "1" * 5000,
        "1:1:1:1",
        "1_000",
        "2026-02-30",
        "=",
        "<<",
    ),
    *(
        "\u0000",
        "\u202e",
        "\ufeff",
        "\U0001f600",
        "ß" * 300,
        "../../x",
        "/etc/passwd",
        "a\\b",
        "'",
    ),
    *("!!python/object/apply:os.system ['false']", "!!python/name:os.system", "!!binary '%%'"),
    *(
        "!!set {a, b}",
        "!!omap [a: 1]",
        "!!pairs [a: 1]",
        "!!int x",
        "!!float [1]",
        "!x y",
        "&a *a",
    ),
    *("*none", "{a: {b: {c: d}}}", "[" * 60 + "]" * 60, "{" * 200, "{? {a: b} : c}", "? [x]"),
]
"""Texts where a study has a value."""

VALUES: list[Any] = [
    *(None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63), 10**30, 10**400, 1e308, -1e-320),
    *(
        float("nan"),
        float("inf"),
        float("-inf"),
        "",
        "name",
        "fc1",
        "all",
        "float",
        "\0",
        "x" * 9999,
    ),
    *([], [[]], {}, [None], ["fc1", "fc1"], [1, 2, 3], {"name": []}, {"": 1}, {1: 2}, {None: 1}),
    *({"name": "sgd"}, {"name": "mlp", "widths": [1] * 50}, {"name": "mlp", "widths": [2**40, 2]}),
    *([0.1] * 1000, list(range(1000)), b"bytes", {"low": 1, "high": 0}, {"low": 0, "high": 1}),
]
"""What takes the place of a value in a study's mapping."""


@contextmanager
def limited() -> Iterator[None]:
    """Turns a hang into a failure that shows where."""

    def stop(number: int, frame: object) -> None:
        raise TimeoutError(f"still busy after {LIMIT_S} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(LIMIT_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def refused_or_read(text: str, folder: Path) -> bool:
    """Whether a study of this text is one; anything but a study or a clean error raises."""
    path = folder / "fuzzed.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    longest = 0
    with limited():
        try:
            plan(load_study(path))
        except SpecError as error:
            longest = max(len(str(fault)) for fault in error.faults)
    assert longest < 5000, "a fault must fit a screen"
    return not longest


@st.composite
def damaged_texts(draw: st.DrawFn) -> str:
    """The text of a shipped study with some damage."""
    drawn = random.Random(draw(st.integers(0, 2**48)))
    text = drawn.choice(SHIPPED)
    for _ in range(drawn.choice((1, 1, 1, 2, 3, 8))):
        text = _damaged(text, drawn)
    return text


def _damaged(text: str, drawn: random.Random) -> str:
    at = drawn.randrange(len(text) + 1)
    lines = text.splitlines(keepends=True) or [""]
    line = drawn.randrange(len(lines))
    match drawn.randrange(9):
        case 0:
            return text[:at]
        case 1:
            return text[:at] + text[at + drawn.randrange(1, 20) :]
        case 2:
            return text[:at] + drawn.choice(string.printable) + text[at:]
        case 3:
            return text[:at] + drawn.choice(ODD) + text[at:]
        case 4:
            # The value of a key.
            key, colon, _ = lines[line].partition(":")
            lines[line] = f"{key}{colon} {drawn.choice(ODD)}\n"
        case 5:
            lines.insert(line, drawn.choice(drawn.choice(SHIPPED).splitlines(keepends=True)))
        case 6:
            lines[line] = drawn.choice(" \t-?:") * drawn.randrange(1, 9) + lines[line]
        case 7:
            other = drawn.choice(SHIPPED)
            return text[:at] + other[drawn.randrange(len(other)) :]
        case _:
            lines[line] = ""
    return "".join(lines)


@st.composite
def damaged_mappings(draw: st.DrawFn) -> Any:
    """The mapping of a shipped study with values exchanged, moved, taken away or added."""
    drawn = random.Random(draw(st.integers(0, 2**48)))
    mapping = yaml.safe_load(drawn.choice(SHIPPED))
    if "extends" in mapping and drawn.random() < 0.8:
        # Shared parts are put in, so that they are damaged too.
        shared = yaml.safe_load(drawn.choice(NETWORKS))
        mapping = {**shared, **{k: v for k, v in mapping.items() if k != "extends"}}
    for _ in range(drawn.choice((1, 1, 2, 4))):
        places = list(_places(mapping))
        if not places:
            break
        parent, key = drawn.choice(places)
        match drawn.randrange(5):
            case 0:
                del parent[key]
            case 1:
                other, name = drawn.choice(places)
                parent[key] = copy.deepcopy(other[name]) if _has(other, name) else None
            case 2 if isinstance(parent, dict):
                parent[drawn.choice(("names", "", "é", 7, "study", "range"))] = parent[key]
            case 3:
                parent[key] = [parent[key]]
            case _:
                parent[key] = copy.deepcopy(drawn.choice(VALUES))
    return mapping


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    pairs = (
        list(value.items())
        if isinstance(value, dict)
        else list(enumerate(value))
        if isinstance(value, list)
        else []
    )
    for key, inner in pairs:
        yield value, key
        yield from _places(inner)


def _has(parent: Any, key: Any) -> bool:
    return key in parent if isinstance(parent, dict) else key < len(parent)


def test_study_files_of_damaged_text_are_read_or_refused(tmp_path: Path, ledger: Ledger) -> None:
    tried = either(200, 4000)
    read = 0

    @fuzz(tried)
    @given(damaged_texts())
    def attempt(text: str) -> None:
        nonlocal read
        read += refused_or_read(text, tmp_path)

    attempt()
    ledger.note("malformed study texts", tried=tried, still_a_study=read, tracebacks=0, hangs=0)


def test_study_files_of_damaged_structure_are_read_or_refused(
    tmp_path: Path, ledger: Ledger
) -> None:
    tried = either(200, 4000)
    read = 0

    @fuzz(tried)
    @given(damaged_mappings())
    def attempt(mapping: Any) -> None:
        nonlocal read
        text = yaml.dump(mapping, allow_unicode=True, sort_keys=False)
        read += refused_or_read(text, tmp_path)

    attempt()
    ledger.note("malformed study mappings", tried=tried, still_a_study=read, tracebacks=0, hangs=0)


BOMB = "".join(
    f"a{number}: &a{number} [{', '.join([f'*a{number - 1}'] * 10)}]\n" for number in range(1, 30)
)


@pytest.mark.parametrize(
    "text",
    [
        "a0: &a0 [x, x]\n" + BOMB,
        "a0: &a0 {x: y}\nstudy: *a0\nbase: *a0\naxes: [*a0, *a0]\n" + BOMB,
        "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 3000)),
        "study: " + "[" * 900 + "]" * 900,
        "base: " + "{a: " * 300 + "1" + "}" * 300,
        "base: &b {model: *b}",
        "epochs: " + "9" * 100_000,
        "a: " + "1:" * 20_000 + "1",
        "? " * 900 + "x",
        "- " * 900 + "x",
    ],
    ids=[
        "bomb",
        "bomb as a study",
        "chain",
        "lists",
        "mappings",
        "cycle",
        "digits",
        "base 60",
        "keys",
        "-",
    ],
)
def test_texts_that_grow_when_they_are_read_are_refused_soon(text: str, tmp_path: Path) -> None:
    assert not refused_or_read(text, tmp_path)


def scores() -> Scores:
    return Scores(loss=0.5, accuracy=0.75)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path]]:
    """A folder with two checkpoints, and their files, oldest first."""
    folder = tmp_path_factory.mktemp("whole")
    checkpoints = _opened(folder)
    model = nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.ones(1, 4)).sum().backward()
    optimizer.step()
    history: list[EpochMetrics] = []
    for epoch in range(2):
        history.append(
            EpochMetrics(
                epoch=epoch,
                lr=0.1,
                binary=(),
                train=scores(),
                validation=scores(),
                test=None,
                latent={},
                wall_s=1.0,
                time_ms=epoch,
            )
        )
        checkpoints.save(model=model, optimizer=optimizer, history=history, best=False, last=False)
    return folder, sorted(folder.glob("*.pt"))


def _opened(folder: Path) -> Checkpoints:
    return Checkpoints(folder, policy=CheckpointPolicy(policy="every", keep=0), identity="trial")


def _spoiled(content: bytes, other: bytes, drawn: random.Random) -> bytes:
    at = drawn.randrange(len(content))
    match drawn.randrange(6):
        case 0:
            return content[:at]
        case 1:
            flipped = bytearray(content)
            for _ in range(drawn.choice((1, 1, 5, 50))):
                flipped[drawn.randrange(len(flipped))] ^= 1 << drawn.randrange(8)
            return bytes(flipped)
        case 2:
            return content[:at] + other[drawn.randrange(len(other)) :]
        case 3:
            return content[:at] + bytes(drawn.randrange(1, 4096)) + content[at:]
        case 4:
            return content[at:]
        case _:
            return drawn.randbytes(drawn.choice((0, 1, 100, len(content))))


def test_of_a_spoiled_checkpoint_the_one_before_is_used(
    whole: tuple[Path, list[Path]], ledger: Ledger
) -> None:
    folder, files = whole
    contents = [path.read_bytes() for path in files]
    tried = either(100, 2000)

    @fuzz(tried)
    @given(st.integers(0, 2**48))
    def attempt(number: int) -> None:
        drawn = random.Random(number)
        spoiled = _spoiled(contents[1], contents[0], drawn)
        files[1].write_bytes(spoiled)
        with limited():
            found = _opened(folder).load()
        assert isinstance(found, Checkpoint)
        assert len(found.history) == (2 if spoiled == contents[1] else 1)

    try:
        attempt()
    finally:
        files[1].write_bytes(contents[1])
    ledger.note("damaged checkpoints", tried=tried, half_read=0, tracebacks=0, hangs=0)


def test_a_spoiled_checkpoint_with_the_right_checksum_is_not_used_either(
    whole: tuple[Path, list[Path]], tmp_path: Path, ledger: Ledger
) -> None:
    """The worst case: damage that came before the checksum was taken, or somebody's intent."""
    _, files = whole
    contents = [path.read_bytes() for path in files]
    tried = either(50, 1000)

    @fuzz(tried)
    @given(st.integers(0, 2**48))
    def attempt(number: int) -> None:
        drawn = random.Random(number)
        spoiled = _spoiled(contents[1], contents[0], drawn)
        for old in tmp_path.glob("*.pt"):
            old.unlink()
        digest = hashlib.sha256(spoiled).hexdigest()[:16]
        (tmp_path / f"epoch-000001-{digest}.pt").write_bytes(spoiled)
        (tmp_path / files[0].name).write_bytes(contents[0])
        with limited():
            found = _opened(tmp_path).load()
        assert isinstance(found, Checkpoint)

    attempt()
    ledger.note("checkpoints forged", tried=tried, tracebacks=0, hangs=0)


class _Runs:
    """Pickled, it makes a file when it is loaded."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return (Path.touch, (self.trace,))


def test_a_pickle_among_the_checkpoints_runs_nothing(
    whole: tuple[Path, list[Path]], tmp_path: Path
) -> None:
    _, files = whole
    trace, folder = tmp_path / "trace", tmp_path / "trial"
    folder.mkdir()
    buffer = io.BytesIO()
    torch.save({"schema": 1, "model": _Runs(trace)}, buffer)
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()[:16]
    (folder / f"epoch-000009-{digest}.pt").write_bytes(buffer.getvalue())
    (folder / files[0].name).write_bytes(files[0].read_bytes())
    found = _opened(folder).load()
    assert found is not None
    assert len(found.history) == 1
    assert not trace.exists()
