"""Homes that earlier versions made, opened by this one: see README.md.

Nothing is trained here, so nothing depends on the machine: what is compared was recorded then.
"""

import sqlite3
import tarfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
import torch

from orchestrator import launch
from orchestrator.cli.main import main
from trainers import load_packed

VERSIONS = sorted(Path(__file__).parent.glob("*/home.tar.xz"))
PROTOCOL = ("net-sensitivity", "net-lr", "net-full")
OPEN = ("failing", "half")
"""Sweeps of which a cell is left: it failed, or was interrupted."""


@dataclass(frozen=True)
class Old:
    """A home of an earlier version, and what that version said of it."""

    version: Path
    home: Path

    def typed(self, *arguments: str | Path) -> int:
        """Types a command in this version."""
        return main([*map(str, arguments), "--home", str(self.home)])

    def expected(self, name: str) -> str:
        return (self.version / "expected" / name).read_text(encoding="utf-8")

    def asked(self, sweep: str) -> list[str | Path]:
        """The study of a sweep and its changes, as they were typed."""
        lines = (self.version / "sweeps.txt").read_text(encoding="utf-8").splitlines()
        [words] = [line.split() for line in lines if line.split()[0] == sweep]
        return [self.version / "studies" / words[1], *words[2:]]

    def read(self, database: str, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.home / database)) as rows:
            return rows.execute(query).fetchall()


def _sweeps() -> list[str]:
    return [
        line.split()[0]
        for version in VERSIONS
        for line in (version.parent / "sweeps.txt").read_text(encoding="utf-8").splitlines()
    ]


def _extracted(archive: Path, folder: Path) -> Path:
    """The home of an archive as that version left it, but in a folder of today."""
    with tarfile.open(archive) as content:
        content.extractall(folder, filter="data")
    return folder / "home"


def _opened(archive: Path, folder: Path) -> Old:
    """The home of an archive, with the addresses of today."""
    home = _extracted(archive, folder)
    before = (home / "made-in.txt").read_text(encoding="utf-8").strip()
    places = {"experiments": "artifact_location", "runs": "artifact_uri"}
    with closing(sqlite3.connect(home / "mlflow.db")) as database, database:
        for table, column in (*places.items(), ("logged_models", "artifact_location")):
            change = f"UPDATE {table} SET {column} = replace({column}, ?, ?)"
            database.execute(change, (before, str(home)))
    return Old(archive.parent, home)


@pytest.fixture(scope="module", params=VERSIONS, ids=lambda path: path.parent.name)
def old(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Old:
    return _opened(request.param, tmp_path_factory.mktemp("old"))


@pytest.fixture(autouse=True)
def _nothing_is_trained(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("BNN_HOME", "BNN_DATA_DIR", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(launch, "ray_session", lambda **_: pytest.fail("something is left"))


@pytest.mark.parametrize("sweep", _sweeps())
def test_a_study_shows_what_it_showed(
    sweep: str, old: Old, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = old.asked(sweep)
    assert old.typed("matrix", *asked, "--csv", tmp_path / "matrix.csv") == 0
    assert (tmp_path / "matrix.csv").read_text("utf-8") == old.expected(f"{sweep}.matrix.csv")
    assert (
        old.typed("results", *asked, "--format", "biprop", "--csv", tmp_path / "results.csv") == 0
    )
    assert (tmp_path / "results.csv").read_text("utf-8") == old.expected(f"{sweep}.results.csv")


@pytest.mark.parametrize("sweep", [name for name in _sweeps() if name not in OPEN])
def test_of_a_study_that_was_finished_nothing_is_left(
    sweep: str, old: Old, capsys: pytest.CaptureFixture[str]
) -> None:
    count = "SELECT count(*) FROM runs"
    before = old.read("mlflow.db", count)
    assert old.typed("sweep", *old.asked(sweep)) == 0
    assert "nothing left to do" in capsys.readouterr().out
    assert old.read("mlflow.db", count) == before


@pytest.mark.parametrize("sweep", OPEN)
def test_a_study_that_was_not_is_still_one(
    sweep: str, old: Old, capsys: pytest.CaptureFixture[str]
) -> None:
    [file] = old.asked(sweep)
    assert main(["validate", str(file)]) == 0
    assert f"{sweep}: no fault; 2 trials" in capsys.readouterr().out


def test_of_a_protocol_nothing_is_left(
    old: Old, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert old.typed("protocol", old.version / "studies" / "net") == 0
    assert capsys.readouterr().out.count("nothing left to do") == len(PROTOCOL)
    for stage in PROTOCOL:
        assert old.typed("matrix", stage, "--csv", tmp_path / "matrix.csv") == 0
        assert (tmp_path / "matrix.csv").read_text("utf-8") == old.expected(f"{stage}.matrix.csv")
        assert (
            old.typed("results", stage, "--format", "biprop", "--csv", tmp_path / "results.csv")
            == 0
        )
        said = (tmp_path / "results.csv").read_text("utf-8")
        assert said == old.expected(f"{stage}.results.csv")


def test_an_exported_file_can_be_looked_into(
    old: Old, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    assert main(["inspect", str(old.home / "net.bnn")]) == 0
    assert capsys.readouterr().out.replace(str(old.home), "HOME") == old.expected("inspect.txt")


def test_an_exported_network_is_loaded_by_mlflow_and_computes_what_the_file_does(
    old: Old, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{old.home / 'mlflow.db'}")
    [(model,)] = old.read("mlflow.db", "SELECT model_id FROM logged_models")
    images = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    scores = mlflow.pyfunc.load_model(f"models:/{model}").predict(images.numpy())
    with torch.no_grad():
        expected = load_packed(old.home / "net.bnn")(images).numpy()
    assert np.array_equal(scores, expected)


def test_a_checkpoint_is_exported_to_the_same_network(
    old: Old, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [(run,)] = old.read("mlflow.db", "SELECT source_run_id FROM logged_models")
    assert old.typed("export", run, "-o", tmp_path / "again.bnn") == 0
    assert "verified  the file alone gives the same logits" in capsys.readouterr().out
    ours, theirs = (
        load_packed(path).state_dict() for path in (tmp_path / "again.bnn", old.home / "net.bnn")
    )
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("archive", VERSIONS, ids=lambda path: path.parent.name)
def test_artifacts_are_found_where_the_home_lies_now(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = Old(archive.parent, _extracted(archive, tmp_path))
    former = (old.home / "made-in.txt").read_text(encoding="utf-8").strip()
    assert old.typed("sweep", *old.asked("orders")) == 0
    assert "nothing left to do" in capsys.readouterr().out
    for table, column in (
        ("experiments WHERE name != 'Default'", "artifact_location"),
        ("runs", "artifact_uri"),
        ("logged_models", "artifact_location"),
    ):
        places = [place for (place,) in old.read("mlflow.db", f"SELECT {column} FROM {table}")]
        assert places
        assert all(place.startswith(f"file://{old.home}/artifacts/") for place in places)
    assert not Path(former).exists()


@pytest.mark.slow
@pytest.mark.parametrize("archive", VERSIONS, ids=lambda path: path.parent.name)
def test_a_study_that_was_interrupted_goes_on(archive: Path, tmp_path: Path, user: Any) -> None:
    """With the finished cell as it was, and the other one from its checkpoint."""
    old = _opened(archive, tmp_path)
    rows = "SELECT run_uuid, key, step, value FROM metrics ORDER BY run_uuid, key, step, value"
    before = old.read("mlflow.db", rows)
    done = user.runs("sweep", *map(str, old.asked("half")), "--home", str(old.home))
    assert done.code == 0, done.err
    after = old.read("mlflow.db", rows)
    assert set(before) < set(after)
    trained = "SELECT count(*), max(step) FROM metrics m JOIN tags t USING (run_uuid) WHERE {}"
    long = "t.key = 'bnn.label.length' AND t.value = 'long' AND m.key = 'validation/error'"
    assert old.read("mlflow.db", trained.format(long)) == [(300, 299)]
    accepted = "SELECT count(*) FROM tags WHERE key = 'bnn.code.accepted'"
    assert old.read("mlflow.db", accepted) == [(0,)]
