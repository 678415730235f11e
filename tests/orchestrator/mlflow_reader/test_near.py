"""Names in messages."""

from orchestrator.mlflow_reader.near import MOST_NAMES, did_you_mean, nearest, some_of


def test_the_first_names_stand_there_and_how_many_more_there_are() -> None:
    names = [f"name {number}" for number in range(MOST_NAMES + 2)]
    assert some_of(names[:2]) == "name 0, name 1"
    assert some_of(names[:MOST_NAMES]).endswith(f", name {MOST_NAMES - 1}")
    assert some_of(names).endswith(f", name {MOST_NAMES - 1} and 2 more")


def test_only_a_name_that_is_near_is_meant() -> None:
    assert nearest("forwrd", ["reverse", "forward"]) == "forward"
    assert did_you_mean("forwrd", ["reverse", "forward"]) == ", did you mean 'forward'?"
    assert nearest("xyz", ["reverse", "forward"]) is None
    assert not did_you_mean("xyz", ["reverse", "forward"])
