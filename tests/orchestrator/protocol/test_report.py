"""The report of a network: which stages it has, and what it says of those that are missing."""

import csv
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from dashboards.runs import NoResultsError
from orchestrator.home import Home
from orchestrator.protocol import stages
from orchestrator.protocol.report import (
    NetworkReport,
    network_report,
    protocol_words,
    write_network_report,
)
from orchestrator.protocol.stages import FULL, LR, SENSITIVITY, Changes, given_for, load_stage
from orchestrator.study.orders import Orders
from orchestrator.study.spec import StudySpec
from orchestrator.study.variant import Variant
from orchestrator.vocabulary import State

Files = Callable[..., str]
Record = Callable[..., None]

PLAIN = Changes()
MEASURED = {"1 0.1": 0.5, "1 0.01": 0.3, "2 0.1": 0.1, "2 0.01": 0.4, "3 0.01": 0.2}
SEARCHED = {
    **{"float 0.1": 0.05, "binary 0.1": 0.3, "binary 0.01": 0.2, "forward 0.1": 0.25},
    **{"ascend 0.01": 0.15, "ascend 0.1": 0.14, "descend 0.01": 0.35},
}
TRAINED = {
    **{"float 1": 0.05, "float 2": 0.07, "binary 1": 0.25, "binary 2": 0.27},
    **{"forward 1": 0.15, "ascend 1": 0.125, "ascend 2": 0.135},
}
WAY = "bnn-orchestrate protocol ./net"


def _made(network: str, home: Home) -> NetworkReport:
    return network_report(network, PLAIN, home, command=WAY)


def _stage(network: str, stage: str, home: Home) -> StudySpec:
    return load_stage(network, stage, PLAIN, given_for(network, stage, PLAIN, home) or None)


def test_a_report_grows_with_the_stages_that_are_recorded(
    protocol_files: Files, record: Record, home: Home, tmp_path: Path
) -> None:
    network, folder = protocol_files(), tmp_path / "out"
    with pytest.raises(NoResultsError, match="net, stage sensitivity, is not recorded") as raised:
        _made(network, home)
    assert raised.value.hint == f"to have it: {WAY}"

    record(_stage(network, SENSITIVITY, home), MEASURED)
    first = _made(network, home)
    _assert_missing(first, ["lr", "full"], "has no results of a study 'net-lr'.")
    assert first.last.study == "net-sensitivity"
    write_network_report(first, folder)

    record(_stage(network, LR, home), SEARCHED)
    second = _made(network, home)
    _assert_missing(second, ["full"], "has no results of a study 'net-full'.")
    assert second.last.study == "net-lr"

    full = _stage(network, FULL, home)
    record(full, TRAINED)
    record(full, {"descend 1": 0.5}, state=State.FAILED)
    third = _made(network, home)
    assert third.missing is None
    assert third.last.study == "net-full"
    _assert_page(third.files["report.html"])
    _assert_numbers(third.files)

    # Files of a report that had more do not stay beside the later one.
    write_network_report(third, folder)
    (folder / "mine.txt").touch()
    write_network_report(first, folder)
    assert {path.name for path in folder.iterdir()} == {*first.files, "mine.txt"}


def _assert_missing(report: NetworkReport, left: list[str], reason: str) -> None:
    page, missing = report.files["report.html"], report.missing
    assert missing is not None
    assert list(missing.stages) == left
    assert missing.reason.endswith(reason)
    assert f"Not recorded: {missing.named}." in page
    assert missing.named in ("stages lr and full", "stage full")
    assert f'<pre tabindex="0">{WAY}</pre>' in page
    assert "Matrix of the protocol" not in page
    assert "matrix.tex" not in report.files
    assert json.loads(report.files["report.json"])["missing"]["stages"] == left


def _assert_page(page: str) -> None:
    texts = (
        "<h1>net: protocol</h1>",
        "<h2>Matrix of the protocol</h2>",
        "gap to float",
        "13.00 ± 0.71",
        "<h2>Stage sensitivity:",
        'id="sensitivity"',
        "<h2>Stage lr:",
        'id="rates"',
        "<h2>Stage full:",
        'id="seeds"',
        "<h2>What failed in stage full</h2>",
        WAY,
    )
    places = [page.index(text) for text in texts]
    assert places == sorted(places)
    assert "Later stages take ascend 2-3-1, descend 1-3-2." in page
    assert "Not recorded" not in page


def _assert_numbers(files: Mapping[str, str]) -> None:
    assert set(files) == {
        *("report.html", "report.json", "sensitivity.csv", "rates.csv", "protocol.csv"),
        *("matrix.csv", "matrix.tex", "cells-sensitivity.csv", "cells-lr.csv", "cells-full.csv"),
    }
    rows = {row["row"]: row for row in csv.DictReader(io.StringIO(files["protocol.csv"]))}
    assert float(rows["ascend"]["gap_to_float"]) == pytest.approx(0.07)
    assert rows["ascend"]["network"] == "net"
    rates = list(csv.DictReader(io.StringIO(files["rates.csv"])))
    assert {row["order"]: row["best_lr"] for row in rates}["ascend"] == "0.1"
    assert files["sensitivity.csv"].splitlines()[1] == "1,0.5,0.3"
    comment = files["matrix.tex"].splitlines()[0]
    assert comment.startswith("% study net-full;")
    assert comment.endswith(WAY)
    data = json.loads(files["report.json"])
    assert (data["network"], data["missing"]) == ("net", None)
    assert data["sensitivity"]["ascend"] == [2, 3, 1]
    assert data["lr"]["binary"] == {"lr": "0.01", "value": 0.2}
    assert {row["row"]: row["n"] for row in data["full"]["rows"]}["ascend"] == 2
    assert data["repeat"]["commands"] == data["full"]["repeat"]["commands"] == [WAY]


def test_a_stage_of_one_rate_is_shown_and_the_next_counts_as_missing(
    protocol_files: Files, record: Record, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = Orders(num_layers=3, rotations=False, published={"ascend": (1, 3, 2)})
    monkeypatch.setattr(stages, "network_orders", lambda network: orders)
    network = protocol_files()
    record(_stage(network, SENSITIVITY, home), MEASURED)
    record(_stage(network, LR, home), {"float 0.1": 0.05, "binary 0.1": 0.3})
    report = _made(network, home)
    assert report.missing is not None
    assert list(report.missing.stages) == ["full"]
    assert "no learning rate was found for forward, ascend, descend" in report.missing.reason
    page = report.files["report.html"]
    # No view fits a single rate; its table stays.
    assert "<h2>Stage lr: Which learning rate suits each row?</h2>" in page
    assert "The published order ascend is 1-3-2: Kendall tau -1.00." in page


def test_the_command_that_repeats_it_has_what_was_asked() -> None:
    variant = Variant(overrides=("lr:epochs=2",), epoch_scale="0.5", apart="mine")
    words = protocol_words("net", Changes(variant=variant, seeds=(1, 2)))
    assert " ".join(words) == (
        "protocol net --set lr:epochs=2 --scale-epochs 0.5 --apart mine --seeds 1,2"
    )
