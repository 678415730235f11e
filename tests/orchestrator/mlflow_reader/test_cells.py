"""What the tags of a run mean to a reader."""

import pytest

from orchestrator import vocabulary
from orchestrator.mlflow_reader.cells import (
    OBJECTIVE,
    RecordedCell,
    RecordedVariant,
    counted,
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


KEYED = {key: text for key, text in TAGS.items() if key != vocabulary.WEIGHTS_SHA256} | {
    vocabulary.CELL_KEY: "tiny/v/order=forward,seed=1/0123456789abcdef",
    vocabulary.VARIANT: "v",
    vocabulary.TRIAL: "0123456789abcdef",
}


def test_a_cell_is_known_while_its_tags_agree() -> None:
    # Stores give tags in any order.
    for tags in (KEYED, dict(reversed(KEYED.items()))):
        assert _cell(tags).is_known
        assert _cell(tags).is_placed


def _changes(key: str) -> list[dict[str, str]]:
    changed = [KEYED | {key: text} for text in ("", "other", KEYED[key][:-1], f"{KEYED[key]}x")]
    return [{name: text for name, text in KEYED.items() if name != key}, *changed]


@pytest.mark.parametrize("key", [vocabulary.CELL_KEY, vocabulary.VARIANT, vocabulary.TRIAL])
def test_a_cell_whose_tags_somebody_changed_is_not_known(key: str) -> None:
    assert not any(_cell(tags).is_known for tags in _changes(key))


def test_a_cell_whose_labels_somebody_changed_is_in_no_place() -> None:
    for tags in [*_changes("bnn.label.order"), KEYED | {"bnn.label.order": "reverse"}]:
        assert _cell(tags).is_known
        assert not _cell(tags).is_placed


def test_a_key_that_mlflow_cut_is_enough() -> None:
    long = {"bnn.label.order": "x" * 9000, vocabulary.CELL_KEY: "tiny/v/order=" + "x" * 7987}
    assert _cell(KEYED | long).is_known
    assert _cell(KEYED | long).is_placed
    assert not _cell(KEYED | long | {vocabulary.VARIANT: "w"}).is_known


def _run(run_id: str, state: str, **tags: str) -> RecordedCell:
    tags = KEYED | {vocabulary.STATE: state} | tags
    return recorded_cell(tags, run_id=run_id, name="", params={}, metrics={})


def test_of_runs_of_one_cell_one_counts_the_oldest_that_is_finished() -> None:
    runs = [_run("a", "failed"), _run("b", "finished"), _run("c", "finished")]
    assert [cell.run_id for cell in counted(runs)] == ["b"]
    assert [cell.run_id for cell in counted(runs[:1])] == ["a"]
    other = _run("d", "finished", **{vocabulary.CELL_KEY: "tiny/v/order=forward,seed=1/other"})
    assert [cell.run_id for cell in counted([other, *runs])] == ["b"]


def test_a_cell_is_complete_with_what_training_ends_with() -> None:
    assert not _run("a", "finished").is_complete
    for end in (vocabulary.WEIGHTS_SHA256, vocabulary.STOPPED_EARLY):
        assert _run("a", "finished", **{end: "x"}).is_complete
        assert not _run("a", "running", **{end: "x"}).is_complete
