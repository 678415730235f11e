"""Names of this machine, in links and as MLflow's server compares them."""

import platform
import socket

import pytest
from mlflow.server.security_utils import is_allowed_host_header, should_block_cors_request

from orchestrator.cli import hosts


@pytest.mark.parametrize(
    ("host", "is_local"),
    [
        ("127.0.0.1", True),
        ("127.0.0.2", True),
        ("localhost", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.5", False),
        ("gpu01", False),
    ],
)
def test_what_listens_on_loopback_is_for_this_machine_alone(host: str, is_local: bool) -> None:
    assert hosts.is_loopback(host) == is_local


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
@pytest.mark.parametrize("is_known", [True, False])
def test_a_link_names_a_host_that_others_can_open(
    host: str, is_known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resolve(name: str, *others: object) -> list[tuple[object, ...]]:
        if not is_known:
            raise socket.gaierror("unknown")
        return [(2, 1, 6, "", ("10.0.0.5", 0))]

    monkeypatch.setattr(platform, "node", lambda: "gpu01")
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(hosts, "own_addresses", lambda: ["10.0.0.5"])
    assert hosts.link_host(host) == ("gpu01" if is_known else "10.0.0.5")


def test_a_link_to_one_address_names_it() -> None:
    assert hosts.link_host("10.0.0.5") == "10.0.0.5"
    assert hosts.link_host("::1") == "[::1]"
    assert hosts.link_host("gpu01") == "gpu01"


NAMES = ("localhost", "127.0.0.1", "[::1]", "gpu01", "[2001:db8::7]", "*.lab.org", "proxy:8443")


@pytest.mark.parametrize(
    ("header", "is_allowed"),
    [
        ("gpu01", True),
        ("gpu01:5000", True),
        ("[::1]:5000", True),
        ("[::1]", True),
        ("[2001:db8::7]:5977", True),
        ("a.lab.org:5000", True),
        ("proxy:8443", True),
        ("proxy:1", False),
        ("gpu02:5000", False),
        ("gpu01.evil.org", False),
        ("", False),
    ],
)
def test_mlflows_server_answers_to_these_names_alone(header: str, is_allowed: bool) -> None:
    assert is_allowed_host_header(hosts.patterns(NAMES), header) == is_allowed
    for scheme in ("http", "https"):
        blocked = should_block_cors_request(f"{scheme}://{header}", "POST", hosts.origins(NAMES))
        assert blocked != is_allowed


def test_a_star_allows_every_name() -> None:
    assert is_allowed_host_header(hosts.patterns(["*"]), "anything:1")
    assert hosts.origins(["gpu01", "*"]) == ["*"]


@pytest.mark.parametrize("text", ["http://gpu01", "gpu01/", "a,,b", "", "a b"])
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected names separated by commas"):
        hosts.checked_hosts(text)


def test_names_are_parted_by_commas() -> None:
    assert hosts.checked_hosts("gpu01, *.lab.org,[::1]:5000") == (
        "gpu01",
        "*.lab.org",
        "[::1]:5000",
    )
