"""The stack of containers: a sweep in it, troubles, passwords, a restart. In this order."""

import base64
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from stack import PAGE_PORT, PORT, Stack, wait_until

pytestmark = pytest.mark.slow

STUDY = ("digits-orders", "--scale-epochs", "0.2")
OUTAGE_S = float(os.environ.get("BNN_CLUSTER_OUTAGE_S", "60"))
SECRETS = (
    ("mlflow", "/secrets/mlflow/password"),
    ("mlflow", "/secrets/mlflow/pages"),
    ("mlflow", "/secrets/postgres/password"),
    ("worker", "/secrets/storage/key"),
    ("worker", "/secrets/storage/secret"),
    ("worker", "/secrets/ray/token"),
    ("dashboard", "/secrets/dashboard/token"),
)


def _healthy(stack: Stack, name: str) -> bool:
    line = ("exec", name, "sh", "-c", "python /opt/bnn/roles.py healthy && echo well")
    return "well" in stack.run(*line, check=False)


def test_every_role_becomes_healthy(stack: Stack) -> None:
    roles = ("head", "worker", "mlflow", "dashboard")
    names = [name for role in roles for name in stack.containers(role)]
    assert len(names) == 5
    for name in names:
        wait_until(lambda name=name: _healthy(stack, name), what=f"{name} is healthy")


def test_a_sweep_in_trouble_ends_with_the_bits_of_a_single_machine(
    stack: Stack, alone: Any, rows_of: Callable[[str], Any]
) -> None:
    first = stack.starts("sweep", *STUDY)
    wait_until(lambda: first.num_finished >= 1, what="a first cell is finished")
    # A worker dies in the middle of a trial.
    victim = stack.containers("worker")[0]
    stack.run("kill", victim)
    time.sleep(3)
    stack.run("start", victim, check=False)
    wait_until(lambda: first.num_finished >= 4, what="the sweep goes on without it")
    # MLflow is away.
    (mlflow,) = stack.containers("mlflow")
    stack.run("stop", "-t", "5", mlflow)
    gone_at = time.monotonic()
    wait_until(lambda: first.num_finished >= 6, what="the sweep goes on without MLflow")
    # The driver dies; MLflow comes back; the command is given again, in another container.
    stack.run("kill", first.name)
    assert first.ends() != 0
    time.sleep(max(0.0, OUTAGE_S - (time.monotonic() - gone_at)))
    stack.run("start", mlflow)
    code, said = stack.driver("sweep", *STUDY)
    assert code == 0, said
    # On a busy machine MLflow may lack some when the sweep ends.
    code, said = stack.driver("sync")
    assert code == 0, said
    code, said = stack.driver("results", *STUDY, "--format", "biprop")
    assert code == 0, said
    assert rows_of(said) == alone


def test_no_point_is_recorded_twice(stack: Stack, alone: Any) -> None:
    (postgres,) = stack.containers("postgres")
    query = (
        "SELECT count(*), count(DISTINCT (run_uuid, key, step)) FROM metrics "
        "JOIN runs USING (run_uuid) WHERE lifecycle_stage = 'active'"
    )
    counts = _sql(stack, postgres, query).strip().split("|")
    assert counts[0] == counts[1]
    assert int(counts[0]) > len(alone)


def _sql(stack: Stack, postgres: str, query: str) -> str:
    words = ("psql", "-h", "/run/postgresql", "-U", "mlflow", "-d", "mlflow", "-At", "-c", query)
    return stack.run("exec", postgres, *words)


@pytest.mark.parametrize(
    ("token", "what"),
    [("/secrets/storage/key", "does not let this container join"), ("/dev/null", "is empty")],
)
def test_a_driver_with_a_wrong_token_or_none_is_refused(
    token: str, what: str, stack: Stack
) -> None:
    flags = ("-e", f"RAY_AUTH_TOKEN_FILE={token}")
    code, said = stack.driver("sweep", *STUDY, flags=flags)
    assert code == 2, said
    assert what in said


def test_ray_itself_refuses_who_has_no_token(stack: Stack) -> None:
    (head,) = stack.containers("head")
    start = "ray start --address=head:6379 --num-cpus=0 --disable-usage-stats"
    line = ("exec", head, "sh", "-c", f"{start} >/tmp/said 2>&1; echo code $?; cat /tmp/said")
    said = stack.run(*line, check=False)
    assert "code 0" not in said
    assert "oken" in said


@pytest.mark.parametrize(
    ("given", "code"), [(None, 401), ("admin:password", 401), ("admin:", 401), ("right", 200)]
)
def test_mlflow_asks_for_its_password(given: str | None, code: int, stack: Stack) -> None:
    if given == "right":
        given = f"admin:{_secrets(stack)['/secrets/mlflow/password']}"
    url = f"http://127.0.0.1:{PORT}/api/2.0/mlflow/experiments/search?max_results=1"
    request = urllib.request.Request(url)
    if given is not None:
        request.add_header("Authorization", f"Basic {base64.b64encode(given.encode()).decode()}")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        status = opener.open(request, timeout=30).status
    except urllib.error.HTTPError as error:
        status = error.code
    assert status == code


@pytest.mark.parametrize(
    ("given", "code"), [("", 401), (f"?token={'0' * 64}", 403), ("right", 200)]
)
def test_the_page_shows_results_to_those_who_know_its_token(
    given: str, code: int, stack: Stack
) -> None:
    if given == "right":
        given = f"?token={_secrets(stack)['/secrets/dashboard/token']}"
    status, page = _page(given)
    assert status == code
    if code == 200:
        # While it reads the results it shows that it does.
        wait_until(lambda: "Friedman test" in _page(given)[1], what="the page has the results")
    else:
        assert "Friedman test" not in page


def _page(given: str) -> tuple[int, str]:
    """Status and text of the study's page."""
    opener = urllib.request.build_opener(
        # The first visit leaves a cookie, and goes on to the address without the token.
        urllib.request.ProxyHandler({}),
        urllib.request.HTTPCookieProcessor(),
    )
    url = f"http://127.0.0.1:{PAGE_PORT}/study/{STUDY[0]}{given}"
    try:
        with opener.open(url, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""


def _secrets(stack: Stack) -> dict[str, str]:
    return {
        path: stack.run("exec", stack.containers(role)[0], "cat", path).strip()
        for role, path in SECRETS
    }


def test_secrets_are_shown_nowhere(stack: Stack) -> None:
    names, (postgres,) = stack.containers(), stack.containers("postgres")
    shown = {
        "inspect": "".join(stack.run("inspect", name) for name in names),
        "logs": "".join(stack.run("logs", name) for name in names),
        "image": stack.run("image", "inspect", "bnn-orchestrate")
        + stack.run("history", "--no-trunc", "bnn-orchestrate"),
        "tags": _sql(stack, postgres, "SELECT value FROM tags UNION SELECT value FROM params"),
        "drivers": "".join(path.read_text() for path in stack.folder.iterdir()),
    }
    secrets = _secrets(stack)
    assert min(map(len, secrets.values())) == 64
    found = [(place, path) for place in shown for path in secrets if secrets[path] in shown[place]]
    assert found == []


def test_results_outlive_the_containers(
    stack: Stack, alone: Any, rows_of: Callable[[str], Any]
) -> None:
    before = _secrets(stack)
    stack.down()
    assert stack.containers() == []
    stack.up()
    code, said = stack.driver("sweep", *STUDY)
    assert code == 0, said
    assert "nothing left to do" in said
    assert rows_of(stack.driver("results", *STUDY, "--format", "biprop")[1]) == alone
    assert _secrets(stack) == before
