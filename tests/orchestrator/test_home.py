"""Where results live."""

import os
from pathlib import Path

import pytest
from sqlalchemy import make_url

from orchestrator.home import Home, HomeError, data_folder, home_folder


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


ODD = [
    "a b", "a%20b", "feature%2Fx", "100%", "runs?v=1", "a#b", "a;b", "a&b=c", "it's", 'a"b',
    "a\\b", "größer", "数据", "[x]*", "a@b:c", "~x", "$HOME", "%%", "a+b", "{x}", "-x", "!", "?",
]  # fmt: skip
"""Names of folders that addresses, shells or patterns read otherwise."""


@pytest.mark.parametrize("name", ODD)
def test_the_store_of_an_oddly_named_home_lies_in_it(name: str, tmp_path: Path) -> None:
    home = Home.at(tmp_path / name)
    home.root.mkdir()
    url = make_url(home.tracking_uri)
    assert url.database == str(home.root / "mlflow.db")
    assert not url.query
    assert home.database == home.root / "mlflow.db"
    assert home.owns_store
    assert home.journal == home.root / "journal.db"
    # What reads results gets the address, and comes to the same file.
    assert Home.at(tmp_path / "other", home.tracking_uri).database == home.database
    # MLflow makes the folder of an address of this kind, without decoding it.
    assert ("%" in home.tracking_uri) != home.tracking_uri.startswith("sqlite:///")


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("a\nb", r"home /.*/a\\nb has a line break"),
        ("a\tb", "a control character"),
        ("a\x1b[31mb", r"\\x1b\[31mb has"),
        ("a\u2028b", "has a line break"),
        (os.fsdecode(b"caf\xe9"), "bytes that are not UTF-8"),
        (
            "x" * 200 + "/" + "y" * 200 + "/" + "z" * 60,
            "has a path of .* bytes; SQLite and MLflow",
        ),
        ("ä" * 100 + "/" + "ß" * 100, "has a path of .* bytes"),
        ("~nobody-of-this-name/x", "nobody here is called '~nobody-of-this-name'"),
        ("http://host:5000", "is an address, not a folder; --tracking-uri takes MLflow's"),
        ("s3://key:secret@bucket", r"'s3://\*\*\*@bucket' is an address"),
        ("file/below", "/file is a file, not a folder"),
        ("file", "/file is a file, not a folder"),
        ("dangling", "/dangling is a link to nowhere, not a folder"),
        ("w" * 256, "cannot be used: File name too long"),
    ],
)
def test_a_home_that_cannot_be_used_is_refused(name: str, what: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "gone")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(HomeError, match=what):
        Home.at(name)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_relative_home_in_a_folder_that_is_gone_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(HomeError, match="the folder that you are in is gone"):
        Home.at()
    assert Home.at(tmp_path).root == tmp_path
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("address", "file"),
    [
        ("sqlite:///x.db", "x.db"),
        ("sqlite:///a/../x.db", "a/../x.db"),
        ("sqlite:///x.db?timeout=5", "x.db"),
        ("sqlite:///a%20b.db", "a b.db"),
        ("sqlite:///a%2520b.db", "a%20b.db"),
        ("sqlite+pysqlite:///x.db", "x.db"),
    ],
)
def test_the_address_of_a_file_names_it_from_every_folder(
    address: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home.at("h", address)
    assert home.database == tmp_path / file
    url = make_url(home.tracking_uri)
    assert url.database == str(tmp_path / file)
    assert dict(url.query) == ({"timeout": "5"} if "timeout" in address else {})
    assert not home.owns_store
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert Home.at(home.root, home.tracking_uri) == home


@pytest.mark.parametrize(
    "address",
    ["http://host:5000", "https://me:pw@host/x%20y", "postgresql://h/x?a=b", "databricks"],
)
def test_other_addresses_stay_as_they_are(address: str, tmp_path: Path) -> None:
    home = Home.at(tmp_path, address)
    assert (home.tracking_uri, home.database) == (address, None)


@pytest.mark.parametrize(
    ("address", "what"),
    [
        ("sqlite://", "does not name a file"),
        ("sqlite:///:memory:", "does not name a file"),
        ("sqlite:///", "does not name a file"),
        ("sqlite://folder/x.db", "does not name a file"),
        ("sqlite:x.db", "does not name a file"),
        ("SQLITE:///x.db", "does not name a file"),
        ("sqlite:///file:x.db?mode=memory&uri=true", "does not name a file"),
        ("./mlruns", "is a folder, and MLflow keeps no results in folders"),
        ("/data/mlruns", "is a folder"),
        ("mlflow.db", "is a folder"),
        ("file:///data/mlruns", "is a folder"),
        ("sqlite:///a%0Ab.db", "has a line break"),
        ("sqlite:///~nobody-of-this-name/x.db", "nobody here is called"),
    ],
)
def test_a_store_where_results_would_not_be_found_again_is_refused(
    address: str, what: str, tmp_path: Path
) -> None:
    with pytest.raises(HomeError, match=what):
        Home.at(tmp_path, address)
    assert list(tmp_path.iterdir()) == []


def test_a_store_in_the_home_is_its_own_however_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "home")
    named = [Home.at("home"), Home.at("link"), Home.at("home", "sqlite:///home/mlflow.db")]
    named.append(Home.at("link", f"sqlite:///{tmp_path}/home/mlflow.db?timeout=9"))
    assert all(home.owns_store for home in named)
    assert {home.journal.name for home in named} == {"journal.db"}
    assert not Home.at("other", f"sqlite:///{tmp_path}/home/mlflow.db").owns_store


def test_data_lie_in_the_home_though_the_store_is_of_no_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "file:///mlruns")
    assert data_folder(home_folder("h")) == tmp_path / "h" / "data"
