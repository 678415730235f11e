"""The page on hybrid networks: its commands, and the layers of the published ones."""

import re
import shlex
from pathlib import Path

import pytest

from orchestrator.cli.main import _parser
from orchestrator.vocabulary import LAYER_ERRORS_ARTIFACT, LAYER_MEASURES
from trainers import MODELS
from trainers.spec.hybrids import published_hybrids

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "hybrid.md").read_text("utf-8")
LINES = re.findall(r"^\$ bnn-orchestrate (.*?)(?:\s+#.*)?$", PAGE, flags=re.MULTILINE)


@pytest.mark.parametrize("line", LINES)
def test_every_command_is_one(line: str) -> None:
    args = _parser().parse_args(shlex.split(line))
    assert callable(args.run)


def test_the_page_names_every_measure_and_artifact() -> None:
    assert len(LINES) == 4
    assert re.findall(r"^\| `(\w+)` \| (?:square|mean)", PAGE, re.MULTILINE) == [*LAYER_MEASURES]
    for suffix in ("json", "csv", "svg"):
        assert f"`{LAYER_ERRORS_ARTIFACT}.{suffix}`" in PAGE


def test_the_page_names_every_published_hybrid() -> None:
    table = PAGE.partition("| network | `--named` |")[2].partition("\n\n")[0]
    named: dict[str, list[str]] = {}
    networks: list[str] = []
    for first, form in re.findall(r"^\| (.*?) ?\| `(\w+)` \|", table, flags=re.MULTILINE):
        networks = re.findall(r"`(\w+)`", first) or networks
        for network in networks:
            named.setdefault(network, []).append(form)
    assert named == {name: [*found] for name in MODELS if (found := published_hybrids(name))}
