"""What the tags of a run mean to a reader."""

from orchestrator import vocabulary
from orchestrator.mlflow_reader.cells import (
    OBJECTIVE,
    RecordedCell,
    RecordedVariant,
    labels_of,
    recorded_cell,
    state_of,
)
from orchestrator.vocabulary import State

TAGS = {
    vocabulary.CELL_KEY: "tiny/v/order=forward/t",
    vocabulary.TRIAL: "t",
    vocabulary.VARIANT: "v",
    vocabulary.LABEL.format(axis="order"): "forward",
    vocabulary.LABEL.format(axis="seed"): "1",
    vocabulary.STATE: State.FINISHED,
    vocabulary.CODE: "c",
    vocabulary.GIT_COMMIT: "g",
    vocabulary.WEIGHTS_SHA256: "abc",
}


def _cell(tags: dict[str, str], **metrics: float) -> RecordedCell:
    return recorded_cell(
        tags, run_id="r", name="forward", params={"epochs": "2"}, metrics=metrics, ended_ms=7
    )


def test_each_tag_is_found_under_its_meaning() -> None:
    cell = _cell(TAGS, **{OBJECTIVE: 0.25})
    assert (cell.run_id, cell.name, cell.ended_ms) == ("r", "forward", 7)
    assert (cell.key, cell.trial, cell.variant) == ("tiny/v/order=forward/t", "t", "v")
    assert cell.labels == {"order": "forward", "seed": "1"}
    assert (cell.state, cell.code, cell.commit) == (State.FINISHED, "c", "g")
    assert (cell.weights_sha256, cell.is_stopped_early) == ("abc", False)
    assert cell.params == {"epochs": "2"}
    assert cell.objective == 0.25


def test_what_a_run_does_not_say_is_empty() -> None:
    cell = _cell({})
    assert (cell.key, cell.trial, cell.code, cell.weights_sha256) == ("", "", "", "")
    assert cell.labels == {}
    assert cell.state == State.RUNNING
    assert cell.objective is None


def test_a_cell_that_a_scheduler_stopped_says_so() -> None:
    assert _cell(TAGS | {vocabulary.STOPPED_EARLY: "after 2 epochs"}).is_stopped_early


def test_labels_are_those_of_the_axes_alone() -> None:
    assert labels_of(TAGS) == {"order": "forward", "seed": "1"}


def _variant(**tags: str) -> RecordedVariant:
    return RecordedVariant(experiment_id="1", run_id="r", title="tiny", tags=tags, started_ms=1)


def test_a_variant_is_plain_if_no_tag_says_in_what_it_differs() -> None:
    assert _variant().is_plain
    assert _variant(**{vocabulary.OVERRIDES: "[]", vocabulary.APART: ""}).is_plain
    for tag in vocabulary.VARIANT_TAGS:
        assert not _variant(**{tag: "something"}).is_plain


def test_a_variant_is_known_by_its_hash() -> None:
    assert _variant(**{vocabulary.VARIANT: "v"}).id == "v"
    assert _variant().id == ""


def test_a_state_that_somebody_made_up_is_none() -> None:
    assert state_of({vocabulary.STATE: "failed"}) is State.FAILED
    assert state_of({vocabulary.STATE: "done by hand"}) is State.RUNNING
