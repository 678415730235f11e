"""Secrets are masked wherever they are shown, whatever is in them."""

import json
import logging
import urllib.parse
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import masking
from orchestrator.masking import mask_error, masked, remember, shown_address


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test knows the secrets of another one."""
    monkeypatch.setattr(masking, "_known", {})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://a:b@host:1/x", "http://***@host:1/x"),
        (
            "postgresql+psycopg://me:p%40ss@db/runs",
            "postgresql+psycopg://***@db/runs",
        ),
        ("https://token@host", "https://***@host"),
        ("http://ml:S3cr@etPW@127.0.0.1:9", "http://***@127.0.0.1:9"),
        ("http://ml:S3cr/etPW@127.0.0.1:9", "http://***@127.0.0.1:9"),
        ("http://ml:S3?cr#etPW@127.0.0.1:9 is away", "http://***@127.0.0.1:9 is away"),
        ("'http://ml:a'b@h'", "'http://***@h'"),
        ("http%3A%2F%2Fml%3Apw%40host", "http%3A%2F%2F***%40host"),
        (
            "postgresql://h/x?user=me&password=geheim&a=1",
            "postgresql://h/x?user=me&password=***&a=1",
        ),
        ("https://h/x?access_token=abc#top", "https://h/x?access_token=***#top"),
        ("https://h/x?key=abc;sig=def", "https://h/x?key=***;sig=***"),
        ("host=db user=ml password=geheim dbname=x", "host=db user=ml password=*** dbname=x"),
        ("Authorization: Basic bWw6UzNjcg==", "Authorization: Basic ***"),
        ("sent 'Bearer eyJhbGciOi.eyJ'", "sent 'Bearer ***'"),
        # What is no secret stays.
        ("http://host:5000/x", "http://host:5000/x"),
        ("sqlite:////home/me/mlflow.db", "sqlite:////home/me/mlflow.db"),
        ("mail me@host", "mail me@host"),
        (
            "base.data.monkey=1, sort_key=lr, axis key=3",
            "base.data.monkey=1, sort_key=lr, axis key=3",
        ),
        ("two layers are basic blocks", "two layers are basic blocks"),
        ("Basic Training failed", "Basic Training failed"),
        ("tokens=3, num_tokens=128 tokenizer=bpe", "tokens=3, num_tokens=128 tokenizer=bpe"),
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str, shown: str) -> None:
    assert masked(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "Failed to parse: ml:S3cr",
        "invalid literal for int() with base 10: 'S3cr'",
        "no such path: /et%40PWort@127.0.0.1",
        "user ml, password S3cr/et@PWort",
        "Authorization header bWw6UzNjci9ldEBQV29ydA==",
        "S3cr%2Fet%40PWort",
    ],
)
def test_of_an_address_in_use_every_part_of_a_secret_is_masked(text: str) -> None:
    remember("http://ml:S3cr/et@PWort@127.0.0.1:9")
    shown = masked(text)
    for part in ("S3cr", "PWort", "bWw6"):
        assert part not in shown
    assert "***" in shown


def test_a_short_secret_is_masked_as_a_word_only() -> None:
    remember("http://me:run@host")
    assert masked("the run of running") == "the *** of running"


@pytest.mark.parametrize(
    "name", ["MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "AWS_SECRET_ACCESS_KEY"]
)
def test_a_secret_of_the_environment_is_masked(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "hush-hush")
    assert masked("401: token hush-hush") == "401: token ***"


def test_a_password_of_a_proxy_is_masked_and_a_path_of_a_secret_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("https_proxy", "http://me:geheim7@proxy:3128")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", "/home/me/token")
    assert masked("407 from proxy: geheim7; see /home/me/token") == (
        "407 from proxy: ***; see /home/me/token"
    )


def test_the_texts_of_an_error_and_of_its_causes_are_masked() -> None:
    remember("http://ml:geheim7@host")
    error = RuntimeError("failed for http://ml:geheim7@host", 7)
    error.__cause__ = ValueError("cannot read geheim7")
    mask_error(error)
    assert error.args == ("failed for http://***@host", 7)
    assert str(error.__cause__) == "cannot read ***"


SHOWN: list[Callable[[str], str]] = [
    str,
    repr,
    json.dumps,
    lambda text: urllib.parse.quote(text, safe=""),
    urllib.parse.quote_plus,
    lambda text: f"HTTPConnectionPool: {text}/api/2.0/mlflow failed (caused by {text!r})",
]


@given(
    # A blank would let a pattern end; letters alone would be found by every pattern.
    secret=st.text(
        st.characters(min_codepoint=33, max_codepoint=0x2FF, categories=("L", "N", "P", "S")),
        min_size=6,
        max_size=30,
    ).filter(lambda text: set(text) - set("*")),
    scheme=st.sampled_from(["http", "https", "postgresql+psycopg", "mysql+pymysql", "ray"]),
    where=st.sampled_from(["password", "token", "query"]),
    show=st.sampled_from(SHOWN),
    encodes=st.booleans(),
)
def test_no_secret_of_an_address_is_ever_shown(
    secret: str, scheme: str, where: str, show: Callable[[str], str], encodes: bool
) -> None:
    masking._known.clear()
    written = urllib.parse.quote(secret, safe="") if encodes or where == "query" else secret
    address = {
        "password": f"{scheme}://ml:{written}@host:9/x",
        "token": f"{scheme}://{written}@host:9/x",
        "query": f"{scheme}://host:9/x?password={written}&a=1",
    }[where]
    remember(address)
    for text in (show(address), f"login failed with {secret}", f"sent {written} to host"):
        shown = masked(text)
        assert secret not in shown
        assert written not in shown


@pytest.mark.parametrize(
    ("address", "token"),
    [
        ("http://t0ken-42@host/x", "t0ken-42"),
        ("http://t0ken-42:@host/x", "t0ken-42"),
        ("http://t0:42@host/x", "t0:42"),
    ],
)
def test_a_token_in_the_place_of_a_user_is_known(address: str, token: str) -> None:
    masking._known.clear()
    remember(address)
    assert masked(f"{token} is refused") == "*** is refused"


def test_a_log_line_of_a_command_is_masked(capsys: pytest.CaptureFixture[str]) -> None:
    from orchestrator.cli.main import _Masked

    remember("http://ml:geheim7@host")
    record = logging.LogRecord(
        "mlflow", logging.WARNING, __file__, 1, "cannot reach %s", ("geheim7",), None
    )
    assert _Masked("%(message)s").format(record) == "cannot reach ***"


def test_a_folder_and_an_ordinary_word_are_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    from orchestrator.home import Home

    home = Home.at("/home/alice@corp.example/bnn-runs")
    assert home.shown_uri == "sqlite:////home/alice@corp.example/bnn-runs/mlflow.db"
    text = "the home /home/alice@corp.example/bnn-runs cannot be used; name another with --home"
    assert masked(text) == text
    monkeypatch.setenv("DOCKER_HOST", "ssh://alice@build01")
    monkeypatch.setenv("MAX_TOKENS", "128000")
    assert masked("/home/alice/runs, seed 1280001") == "/home/alice/runs, seed 1280001"
    remember("postgresql://postgres:postgres@localhost/mlflow")
    assert (
        masked("postgresql://localhost: no role postgres") == "postgresql://localhost: no role ***"
    )


def test_a_long_run_of_letters_is_masked_in_no_time() -> None:
    blob = "a" * 100_000
    assert masked(blob) == blob


@pytest.mark.parametrize("mark", [":", ",", ".", ")", "", ": no", " no"])
def test_what_is_masked_already_keeps_the_punctuation_after_it(mark: str) -> None:
    address = "postgresql://u:p@h/d?password=A&sslpassword=B"
    said = f"{shown_address(address)}{mark}"
    assert said == f"postgresql://***@h/d?password=***&sslpassword=***{mark}"
    assert masked(said) == said


def test_a_secret_that_begins_like_a_mask_is_masked() -> None:
    address = "postgresql://h/d?sslpassword=***:secret"
    assert "secret" not in masked(address)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://mlflow:mlflow@mlflow.lab.org:5000", "http://***@mlflow.lab.org:5000"),
        ("http://ml:S3cr/et@host", "http://***@host"),
        ("https://h/x?token=abc&a=1", "https://h/x?token=***&a=1"),
        ("sqlite:////home/a@b.c/mlflow.db", "sqlite:////home/a@b.c/mlflow.db"),
        ("/home/a@b.c", "/home/a@b.c"),
    ],
)
def test_of_an_address_alone_only_what_is_secret_is_masked(address: str, shown: str) -> None:
    remember(address)
    assert shown_address(address) == shown
    assert shown_address(address, user="") == shown.replace("***@", "")
