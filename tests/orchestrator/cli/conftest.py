"""The command line as a user types it."""

import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.cli.main import main
from trainers import RunOptions, TrainSpec, export_packed, run

PACKED: dict[str, Any] = {
    "model": {"name": "mlp", "widths": [64, 8, 10]},
    "data": {"name": "digits", "batch_size": 64},
    "optimizer": {"name": "adam", "lr": 0.01},
    "layers": {"order": ["fc1", "fc2"]},
    "epochs": 1,
}


@dataclass(frozen=True)
class Answer:
    """What a command answered: its exit code, and what it printed where."""

    code: int
    out: str
    err: str


Cli = Callable[..., Answer]


@pytest.fixture
def home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where results would go."""
    folder = tmp_path / "results"
    monkeypatch.setenv("BNN_HOME", str(folder))
    return folder


@pytest.fixture
def cli(
    home_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Cli:
    """Types a command; argparse's own refusals are answers too."""
    monkeypatch.setenv("COLUMNS", "100")

    def type_in(*arguments: str) -> Answer:
        capsys.readouterr()
        try:
            code = main(arguments)
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
        printed = capsys.readouterr()
        return Answer(code, printed.out, printed.err)

    return type_in


@pytest.fixture
def free_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@pytest.fixture
def refused(cli: Cli, home_folder: Path) -> Callable[..., str]:
    """Types a command that is wrong, and returns what it is told."""

    def type_in(*arguments: str) -> str:
        answer = cli(*arguments)
        assert answer.code == 2, answer
        assert answer.out == ""
        assert "Traceback" not in answer.err
        assert not home_folder.exists()
        return answer.err

    return type_in


@pytest.fixture
def file(tmp_path: Path, make_mapping: Callable[..., dict[str, Any]]) -> Callable[..., str]:
    """The path of a study's file: with this text, or the small study with some keys replaced."""

    def write(text: str | None = None, **changes: Any) -> str:
        path = tmp_path / "study.yaml"
        path.write_text(yaml.safe_dump(make_mapping(**changes)) if text is None else text)
        return str(path)

    return write


@pytest.fixture
def base(make_mapping: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = make_mapping()["base"]
    return content


@pytest.fixture(scope="session")
def packed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of a small exported network, for reading."""
    spec = TrainSpec.from_mapping(PACKED)
    result = run(spec, options=RunOptions(device="cpu", num_threads=1))
    metrics = {"validation_error": result.last.validation.error}
    metadata = {"study": "mine", "metrics": metrics, "spec": spec.to_mapping()}
    path = tmp_path_factory.mktemp("packed") / "net.bnn"
    export_packed(result.model, path, metadata)
    return str(path)
