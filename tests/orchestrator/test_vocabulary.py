"""Names under which MLflow shows things: each once, and all of them allowed."""

import re

import pytest

from orchestrator import vocabulary
from orchestrator.vocabulary import State

# MLflow's rule for the names of metrics, params and tags, and its limit on their length.
ALLOWED = re.compile(r"[A-Za-z0-9_\-. :/]{1,250}")
CONSTANTS = {
    name: value
    for name, value in vars(vocabulary).items()
    if name.isupper() and isinstance(value, str)
}
PATTERNS = {"LABEL", "AXIS_PARAM", "ROW_MEAN", "HELD", "HELD_TRIALS", "PERCENT"}


def test_no_two_constants_have_the_same_value() -> None:
    values = list(CONSTANTS.values())
    assert len(set(values)) == len(values)


@pytest.mark.parametrize("name", sorted(CONSTANTS))
def test_every_name_is_one_that_mlflow_takes(name: str) -> None:
    parts = {"axis": "order", "row": "forward", "holder": "a1b2.c3", "part": 0}
    text = CONSTANTS[name].format(**parts, metric="selected/test_error")
    assert ALLOWED.fullmatch(text)
    assert not text.startswith("mlflow.")
    assert ("{" in CONSTANTS[name]) == (name in PATTERNS)


def test_every_metric_has_a_name_of_its_own_that_mlflow_takes() -> None:
    layers = [name.format(layer="stage1.0.conv1") for name in vocabulary.LAYER_CURVES.values()]
    names = [*vocabulary.METRICS, *layers, vocabulary.OBJECTIVE]
    assert len(set(names)) == len(names)
    assert all(ALLOWED.fullmatch(name) for name in names)


def test_metrics_are_the_summaries_and_the_curves() -> None:
    assert (*vocabulary.SUMMARIES, *vocabulary.CURVES) == vocabulary.METRICS
    assert len(vocabulary.SUMMARIES) == 22
    assert {"train/loss", "validation/accuracy", "test/error", "lr"} <= set(vocabulary.CURVES)
    assert {"selected/test_error", "last/epoch", "best_on_test/test_error"} <= set(
        vocabulary.SUMMARIES
    )


def test_tags_of_ours_are_told_apart_from_those_of_others() -> None:
    values = {"CELL", "PARENT", "FINISHED", "FAILED", "RUNNING", "INTERRUPTED", "SELECTED", "LAST"}
    values |= {"UPLOAD", "BEST_ON_TEST", "OBJECTIVE", "ROW_MEAN", "AXIS_PARAM", "INHERITED_EPOCHS"}
    values |= {"PERCENT"}
    values |= {name for name in CONSTANTS if name.endswith(("_ARTIFACT", "_ARTIFACTS"))}
    tags = set(CONSTANTS) - values
    assert {"KIND", "STATE", "LABEL", "CELL_KEY"} <= tags
    assert all(CONSTANTS[name].startswith("bnn.") for name in tags)


def test_states_are_the_texts_that_are_stored() -> None:
    assert {state.value for state in State} == {
        "running",
        "finished",
        "failed",
        "interrupted",
    }
    assert f"{State.FINISHED}" == State.FINISHED == "finished"
