"""What single views say of a cell."""

import time

from dashboards.page.views import _cell_line, _facts, _time
from orchestrator.mlflow_reader.overview import CellNow
from orchestrator.vocabulary import State

HOUR_MS = 3_600_000
BEGAN = 1_700_000_000_000
DONE = CellNow(
    labels={"order": "reverse", "seed": "7"},
    epochs=20,
    epoch=20,
    state=State.FINISHED.value,
    started=BEGAN,
    ended=BEGAN + 5 * HOUR_MS,
)


def test_a_cell_says_when_it_ended_and_not_how_long_it_took() -> None:
    texts = [cell.text for cell in _cell_line("mine", DONE, "").cells]
    then = time.strftime("%Y-%m-%d %H:%M", time.localtime(DONE.ended / 1000 if DONE.ended else 0))
    assert texts[4] == then
    assert not any("5.0" in text for text in texts)
    facts = dict(_facts(DONE))
    assert (facts["began"], facts["ended"]) == (_time(BEGAN), then)
    assert facts["epochs"] == "20 of 20"
    assert "took" not in facts


def test_a_cell_that_runs_has_no_end() -> None:
    now = CellNow(labels={"seed": "7"}, state=State.RUNNING.value, started=BEGAN)
    assert dict(_facts(now))["ended"] == "–"
    assert _cell_line("mine", now, "").cells[4].text == "–"
