"""Roles of the image: their waits, their secrets, the programs that they become."""

import socket
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import roles


class _Became(Exception):
    """In place of a process that becomes another program."""


@pytest.fixture(autouse=True)
def became(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], Any]]:
    """The programs that a role became, and their environments; nothing else is reached."""
    programs: list[tuple[list[str], Any]] = []

    def become(program: str, command: list[str], environment: Mapping[str, str]) -> None:
        programs.append((command, environment))
        raise _Became

    monkeypatch.setattr(roles.os, "execvpe", become)
    monkeypatch.setattr(roles, "ROLE_FILE", tmp_path / "role")
    monkeypatch.setattr(roles, "AUTH_FILE", tmp_path / "auth.ini")
    monkeypatch.setattr(roles, "is_listening", lambda address: True)
    monkeypatch.setattr(roles, "answers", lambda url: True)
    monkeypatch.setattr(roles, "WAIT_S", 0)
    return programs


class _Clock:
    """Time that passes only while one sleeps."""

    def __init__(self) -> None:
        self.time_s = 0.0

    def now(self) -> float:
        return self.time_s

    def sleep(self, seconds: float) -> None:
        self.time_s += seconds


def test_a_wait_ends_with_what_it_waits_for(capsys: pytest.CaptureFixture[str]) -> None:
    clock = _Clock()
    roles.wait_for("tea", lambda: clock.time_s >= 5, within_s=9, now=clock.now, sleep=clock.sleep)
    assert clock.time_s == 5
    assert capsys.readouterr().err == "waiting for tea, for 9 s at most\n"


def test_a_short_wait_is_not_worth_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    clock = _Clock()
    roles.wait_for("tea", lambda: clock.time_s >= 1, within_s=9, now=clock.now, sleep=clock.sleep)
    assert capsys.readouterr().err == ""


def test_nothing_is_waited_for_for_ever() -> None:
    clock = _Clock()
    with pytest.raises(roles.RoleError, match="tea is not there after 60 s"):
        roles.wait_for("tea", lambda: False, within_s=60, now=clock.now, sleep=clock.sleep)
    assert clock.time_s == 60


def test_a_port_listens_or_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        assert roles.is_listening(address)
    assert not roles.is_listening(address)
    with pytest.raises(roles.RoleError, match="'head' is no address; write host:port"):
        roles.is_listening("head")


def test_secrets_are_made_once(tmp_path: Path) -> None:
    paths = [tmp_path / "ray" / "token", tmp_path / "mlflow" / "password"]
    assert roles.main(["keys", *map(str, paths)], {}) == 0
    made = [path.read_text() for path in paths]
    assert len({*made}) == 2
    assert min(map(len, made)) == 64
    assert stat.S_IMODE(paths[0].stat().st_mode) == 0o444
    assert roles.main(["keys", *map(str, paths)], {}) == 0
    assert [path.read_text() for path in paths] == made


def test_a_secret_comes_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc\n")
    environment = {"RAY_AUTH_TOKEN_FILE": str(tmp_path / "token"), "OTHER_FILE": "left"}
    roles.read_secrets(environment)
    assert environment == {
        "RAY_AUTH_TOKEN": "abc",
        "RAY_AUTH_MODE": "token",
        "OTHER_FILE": "left",
    }


@pytest.mark.parametrize(("text", "what"), [(None, "is not there after"), (" \n", "is empty")])
def test_a_secret_that_is_none_is_refused(
    text: str | None, what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "token"
    if text is not None:
        path.write_text(text)
    assert roles.main(["head"], {"RAY_AUTH_TOKEN_FILE": str(path)}) == 2
    assert f"error: the secret {path} {what}" in capsys.readouterr().err


def test_an_unknown_role_names_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert roles.main(["diver"], {}) == 2
    err = capsys.readouterr().err
    known = "known: dashboard, driver, head, healthy, keys, mlflow, worker"
    assert err.startswith(f"error: unknown role 'diver'; {known}; ")


def _becomes(became: list[Any], arguments: list[str], environment: dict[str, str]) -> str:
    with pytest.raises(_Became):
        roles.main(arguments, environment)
    return " ".join(became[-1][0])


def test_a_head_trains_nothing(became: list[Any]) -> None:
    line = _becomes(became, ["head"], {})
    assert line.startswith("ray start ")
    assert "--head" in line
    assert "--num-cpus=0" in line


def test_a_worker_joins_the_head_with_its_cpus(became: list[Any]) -> None:
    line = _becomes(became, ["worker"], {"BNN_WORKER_CPUS": "2", "BNN_RAY_ADDRESS": "there:1"})
    assert "--address=there:1" in line
    assert line.endswith("--num-cpus=2")
    assert "--num-cpus" not in _becomes(became, ["worker"], {})


def test_a_worker_without_a_head_ends(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(roles, "is_listening", lambda address: False)
    assert roles.main(["worker"], {}) == 2
    assert "Ray's head at head:6379 is not there" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["sweep", "protocol"])
def test_a_driver_that_trains_joins_first(
    command: str, became: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    joined: list[Any] = []
    monkeypatch.setattr(roles, "_join", joined.append)
    environment = {"BNN_RAY_ADDRESS": "head:6379"}
    assert _becomes(became, ["driver", command, "one"], environment) == (
        f"bnn-orchestrate {command} one"
    )
    assert joined == [environment]


@pytest.mark.parametrize("line", ["matrix one", "status one --follow"])
def test_a_driver_that_reads_results_waits_for_mlflow_alone(
    line: str, became: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[str] = []
    monkeypatch.setattr(roles, "wait_for", lambda what, is_there: waited.append(what))
    environment = {"BNN_RAY_ADDRESS": "head:6379", "MLFLOW_TRACKING_URI": "http://mlflow:5000"}
    assert _becomes(became, ["driver", *line.split()], environment) == f"bnn-orchestrate {line}"
    assert waited == ["MLflow's server"]


@pytest.mark.parametrize("line", ["matrix --help", "sweep --help", "validate one", ""])
def test_a_driver_that_trains_nothing_waits_for_nobody(
    line: str, became: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roles, "wait_for", pytest.fail)
    environment = {"BNN_RAY_ADDRESS": "head:6379", "MLFLOW_TRACKING_URI": "http://mlflow:5000"}
    wanted = f"bnn-orchestrate {line}".strip()
    assert _becomes(became, ["driver", *line.split()], environment) == wanted


def test_mlflow_gets_its_passwords_unseen(became: list[Any]) -> None:
    environment = {"BNN_POSTGRES_PASSWORD": "a%b/c", "MLFLOW_AUTH_ADMIN_PASSWORD": "x%y"}
    environment["MLFLOW_FLASK_SERVER_SECRET_KEY"] = "z"
    line = _becomes(became, ["mlflow", "--workers=2"], environment)
    assert line.endswith("--app-name=basic-auth --workers=2")
    (_, seen) = became[-1]
    uri = "postgresql+psycopg://mlflow:a%25b%2Fc@postgres:5432/mlflow?client_encoding=utf8"
    assert seen["MLFLOW_BACKEND_STORE_URI"] == uri
    assert "MLFLOW_AUTH_ADMIN_PASSWORD" not in seen
    written = roles.AUTH_FILE.read_text()
    assert f"database_uri = {uri.replace('%', '%%')}\n" in written
    assert "admin_password = x%%y\n" in written
    assert stat.S_IMODE(roles.AUTH_FILE.stat().st_mode) == 0o600


@pytest.mark.parametrize("missing", roles.MLFLOW_SECRETS)
def test_mlflow_says_which_secret_is_missing(
    missing: str, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = {name: "x" for name in roles.MLFLOW_SECRETS if name != missing}
    assert roles.main(["mlflow"], environment) == 2
    told = f"MLflow's server needs a secret: {missing}_FILE names its file"
    assert capsys.readouterr().err == f"error: {told}\n"


def test_secrets_that_cannot_be_made_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert roles.main(["keys"], {}) == 2
    assert "name the files to make" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert roles.main(["keys", str(tmp_path / "file" / "key")], {}) == 2
    assert "cannot be written (" in capsys.readouterr().err


def test_the_page_listens_for_others_and_wants_a_token(
    became: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    waited: list[str] = []
    monkeypatch.setattr(roles, "wait_for", lambda what, is_there: waited.append(what))
    there = {"MLFLOW_TRACKING_URI": "http://mlflow:5000"}
    line = _becomes(became, ["dashboard", "tiny"], {**there, "BNN_DASHBOARD_TOKEN": "x" * 64})
    assert line == "bnn-orchestrate dashboard --host=0.0.0.0 --port=5050 tiny"
    # Arguments of a process can be seen by its neighbours; its environment cannot.
    assert became[-1][1]["BNN_DASHBOARD_TOKEN"] == "x" * 64
    assert waited == ["MLflow's server"]
    assert roles.main(["dashboard"], {**there}) == 2
    assert "BNN_DASHBOARD_TOKEN_FILE" in capsys.readouterr().err


def test_health_is_that_of_the_role(monkeypatch: pytest.MonkeyPatch) -> None:
    assert roles.main(["healthy"], {}) == 1
    asked: list[str] = []
    monkeypatch.setattr(roles, "answers", lambda url: bool(asked.append(url)))
    for role, code in (("head", 1), ("worker", 1), ("mlflow", 1), ("driver", 0)):
        roles.ROLE_FILE.write_text(role)
        assert roles.main(["healthy"], {}) == code
    assert asked == [roles.RAYLET, roles.RAYLET, roles.MLFLOW]
    roles.ROLE_FILE.write_text("dashboard")
    for listens in (True, False):
        monkeypatch.setattr(roles, "is_listening", {"127.0.0.1:5050": listens}.__getitem__)
        assert roles.main(["healthy"], {}) == (0 if listens else 1)
