"""Where results live."""

from pathlib import Path

import pytest

from orchestrator.home import Home


def test_without_a_word_the_home_lies_in_the_working_folder(tmp_path: Path) -> None:
    home = Home.at()
    assert home.root == tmp_path / "bnn-runs"
    assert home.tracking_uri == f"sqlite:///{tmp_path}/bnn-runs/mlflow.db"
    assert not home.root.exists()


def test_the_environment_names_home_and_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BNN_HOME", "/some/where")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server:5000")
    home = Home.at()
    assert home.root == Path("/some/where")
    assert home.tracking_uri == "http://server:5000"
    assert home.database is None


def test_options_win_over_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BNN_HOME", "/some/where")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server:5000")
    home = Home.at("here", "sqlite:////else/where.db")
    assert home.root == tmp_path / "here"
    assert home.database == Path("/else/where.db")


def test_a_tilde_is_the_users_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/users/me")
    assert Home.at("~/runs").root == Path("/users/me/runs")


def test_everything_lies_in_the_home_at_a_place_of_its_own(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    places = [
        home.database, home.artifacts, home.journal, home.checkpoints, home.logs, home.ray,
        home.data_folder(),
    ]  # fmt: skip
    assert len(set(places)) == len(places)
    assert all(place is not None and place.parent == tmp_path for place in places)


def test_each_store_has_a_journal_of_its_own(tmp_path: Path) -> None:
    own = Home.at(tmp_path)
    servers = [Home.at(tmp_path, f"http://127.0.0.1:{port}") for port in (5000, 5001)]
    journals = {home.journal for home in (own, *servers)}
    assert len(journals) == 3
    assert own.journal == tmp_path / "journal.db"
    assert {journal.parent for journal in journals} == {tmp_path}


def test_the_address_that_is_shown_has_no_password(tmp_path: Path) -> None:
    home = Home.at(tmp_path, "https://me:secret@host/mlflow")
    assert home.shown_uri == "https://***@host/mlflow"
    assert home.tracking_uri == "https://me:secret@host/mlflow"
    assert Home.at(tmp_path, "sqlite:////a/b.db").shown_uri == "sqlite:////a/b.db"
