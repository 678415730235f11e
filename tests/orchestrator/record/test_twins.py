"""Of duplicate runs one stays."""

import pytest

from orchestrator import vocabulary
from orchestrator.record.store import Store
from orchestrator.record.twins import keep_oldest

pytestmark = pytest.mark.slow

CELL = {vocabulary.KIND: vocabulary.CELL}
FINISHED = {**CELL, vocabulary.STATE: "finished"}
HELD = {vocabulary.HELD.format(holder="home.process"): "{}"}


@pytest.mark.parametrize(
    ("tags", "kept"),
    [
        ([CELL, CELL, CELL], 0),
        ([CELL, FINISHED, FINISHED], 1),
        # Only a cell is finished; a study's run may say so at any time.
        ([{vocabulary.STATE: "running"}, {vocabulary.STATE: "finished"}], 0),
        ([{}, {}, HELD], 2),
        ([CELL], 0),
    ],
)
def test_the_run_that_is_held_or_finished_or_else_the_oldest_stays(
    tags: list[dict[str, str]], kept: int, store: Store
) -> None:
    experiment = store.client.create_experiment("twins")
    runs = [
        store.client.create_run(experiment, start_time=1000 + number, tags=tags[number])
        for number in range(len(tags))
    ]
    # The order in which a store lists them does not count.
    found = keep_oldest(store.client, reversed(runs))
    assert found == runs[kept].info.run_id
    gone = [store.is_gone(run.info.run_id) for run in runs]
    assert gone == [number != kept for number in range(len(runs))]


def test_of_no_runs_none_stays(store: Store) -> None:
    assert keep_oldest(store.client, []) is None
