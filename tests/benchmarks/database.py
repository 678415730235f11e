"""What MLflow's database costs with many runs: python tests/benchmarks/database.py URI [RUNS ...].

URI is a database that may be filled, such as sqlite:////tmp/many.db or
postgresql+psycopg://postgres@127.0.0.1/many. A sweep of eight cells is really recorded there; its
runs are then copied by SQL until the database has so many, in studies of 2,000 cells. What the
package asks and writes is timed through its own store, without MLflow's server in between.
"""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy
import yaml

CELLS = 2000
"""Cells of a copied study."""
REPEATS = 20
TABLES = {
    "params": "key, value",
    "tags": "key, value",
    "metrics": "key, value, timestamp, step, is_nan",
    "latest_metrics": "key, value, timestamp, step, is_nan",
}
STUDY: dict[str, Any] = {
    "study": "template",
    "question": "What do many runs cost?",
    "base": {
        "model": {"name": "mlp", "widths": [64, 32, 16, 10]},
        "data": {"name": "digits", "batch_size": 128},
        "optimizer": {"name": "adam", "lr": 0.02},
        "layers": {"order": ["fc1", "fc2", "fc3"], "epochs_per_layer": 4},
        "epochs": 12,
    },
    "axes": [
        {
            "name": "order",
            "sets": "layers.order",
            "permutations": "all",
            "controls": ["float", "binary"],
        },
        {"name": "seed", "seeds": [1]},
    ],
    "metric": {"name": "selected/test_error"},
    "matrix": {"rows": "order", "over": "seed"},
}


def record(folder: Path, uri: str) -> tuple[float, int]:
    """Records a sweep; seconds that its delivery took, and the number of its cells."""
    from orchestrator.execution.options import SweepOptions
    from orchestrator.execution.outcome import Unwatched
    from orchestrator.execution.sweep import sweep
    from orchestrator.home import Home
    from orchestrator.launch import Resources
    from orchestrator.study.catalog import load_study

    path = folder / "template.yaml"
    path.write_text(yaml.safe_dump(STUDY))
    options = SweepOptions(data_dir=folder, resources=Resources(), force=True)
    outcome = sweep(load_study(path), Home.at(folder / "home", uri), options, Unwatched())
    assert outcome.num_finished == 8, outcome
    return outcome.track_s, outcome.num_finished


def grow(engine: sqlalchemy.Engine, num_runs: int) -> None:
    """Copies the recorded study, with the points of two epochs, until there are so many runs."""
    with engine.begin() as db:
        there = db.execute(sqlalchemy.text("SELECT COUNT(*) FROM runs")).scalar_one()
        source = db.execute(
            sqlalchemy.text("SELECT experiment_id FROM experiments WHERE name = 'template'")
        ).scalar_one()
    for number in range(there // CELLS, num_runs // CELLS):
        with engine.begin() as db:
            _copy(db, source, number)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as db:
        db.execute(sqlalchemy.text("ANALYZE"))


def _copy(db: sqlalchemy.Connection, source: int, number: int) -> None:
    """One more study: its experiment, and the eight runs as often as it has cells."""

    def run(text: str, **values: Any) -> None:
        db.execute(sqlalchemy.text(text), values)

    new, name = 1000 + number, f"copy-{number}"
    columns = [
        {one["name"] for one in sqlalchemy.inspect(db).get_columns(table)}
        for table in ("experiments", "runs")
    ]
    kept = ", ".join(sorted(columns[0] - {"experiment_id", "name"}))
    run(
        f"INSERT INTO experiments (experiment_id, name, {kept}) SELECT :new, :name, {kept} "
        "FROM experiments WHERE experiment_id = :source",
        new=new, name=name, source=source,
    )  # fmt: skip
    run(
        "INSERT INTO experiment_tags (experiment_id, key, value) SELECT :new, key, "
        "REPLACE(value, 'template', :name) FROM experiment_tags WHERE experiment_id = :source",
        new=new, name=name, source=source,
    )  # fmt: skip
    run("CREATE TEMPORARY TABLE copied (old VARCHAR(32), new VARCHAR(32), seed VARCHAR(9))")
    cells = db.execute(
        sqlalchemy.text(
            "SELECT run_uuid FROM runs WHERE experiment_id = :source AND EXISTS (SELECT 1 FROM "
            "tags WHERE tags.run_uuid = runs.run_uuid AND key = 'bnn.kind' AND value = 'cell') "
            "ORDER BY start_time LIMIT 8"
        ),
        {"source": source},
    )
    rows = [
        {"old": old, "new": f"{old[:16]}{number:06d}{seed:010d}", "seed": str(seed)}
        for (old,) in cells
        for seed in range(CELLS // 8)
    ]
    db.execute(sqlalchemy.text("INSERT INTO copied VALUES (:old, :new, :seed)"), rows)
    kept = ", ".join(f"runs.{one}" for one in sorted(columns[1] - {"run_uuid", "experiment_id"}))
    run(
        f"INSERT INTO runs (run_uuid, experiment_id, {kept.replace('runs.', '')}) "
        f"SELECT copied.new, :new, {kept} FROM copied JOIN runs ON runs.run_uuid = copied.old",
        new=new,
    )  # fmt: skip
    for table, listed in TABLES.items():
        kept = ", ".join(f"x.{one}" for one in listed.split(", "))
        values: dict[str, str] = {}
        if table == "tags":
            changed = "WHEN x.key = 'axis/seed' THEN copied.seed ELSE REPLACE(x.value"
            kept, values = f"x.key, CASE {changed}, 'template', :name) END", {"name": name}
        few = "WHERE x.step < 2" if table == "metrics" else ""
        run(
            f"INSERT INTO {table} (run_uuid, {listed}) SELECT copied.new, {kept} "
            f"FROM copied JOIN {table} x ON x.run_uuid = copied.old {few}",
            **values,
        )
    run("DROP TABLE copied")


def timed(call: Callable[[], object], times: int = REPEATS) -> float:
    """Milliseconds of a call, the median of several."""
    spent = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        spent.append(1000 * (time.perf_counter() - began))
    return round(statistics.median(spent), 1)


def measured(folder: Path, uri: str) -> dict[str, float]:
    """What the package asks and writes, in milliseconds."""
    from orchestrator.home import Home
    from orchestrator.mlflow_reader.reader import Reader
    from orchestrator.record.entries import Point
    from orchestrator.record.journal import Journal
    from orchestrator.record.store import Store
    from orchestrator.vocabulary import State

    home = Home.at(folder / "home", uri)
    store, reader, journal = Store(home), Reader(uri), Journal(home.journal)
    [record] = journal.variants("template")
    entries = journal.entries(record.key)
    ids = store.open_study(record)
    made: Iterator[str] = iter(
        [store.create_cell(entries[0].description, ids) for _ in range(REPEATS)]
    )
    copies = [name for name in sorted(reader.study_names()) if name.startswith("copy-")]
    points = [Point(f"m{number % 25}", number // 25, 0.5, 1) for number in range(300)]
    found = {
        "open_study": timed(lambda: store.open_study(record)),
        "find_cell": timed(lambda: store.find_cell(entries[1].description, ids)),
        "create_cell": timed(lambda: store.create_cell(entries[0].description, ids)),
        "log_300_points": timed(lambda: store.log_points(next(made), points)),
        "set_state": timed(
            lambda: store.set_state(ids.run, State.RUNNING, {"bnn.benchmark": "1"})
        ),
        "study_names": timed(reader.study_names, times=3),
    }
    for name in copies[:1]:
        experiment = reader.find_study(name)
        assert experiment is not None
        place = str(experiment.experiment_id)
        assert len(reader.cells([place])) == CELLS
        found[f"read_{CELLS}_cells"] = timed(partial(reader.cells, [place]), times=3)
    return found


def main() -> int:
    """Prints a line for each size of the database."""
    uri, sizes = sys.argv[1], [int(text) for text in sys.argv[2:]] or [0, 10_000, 100_000]
    with tempfile.TemporaryDirectory(prefix="bnn-database-") as folder:
        tell(Path(folder), uri, sizes)
    return 0


def tell(folder: Path, uri: str, sizes: Sequence[int]) -> None:
    """Records, copies and measures, with a line for each size."""
    engine = sqlalchemy.create_engine(uri)
    delivery_s, num = record(folder, uri)
    print(f"recording: {1000 * delivery_s / num:.0f} ms a cell of 12 epochs", flush=True)
    for size in sizes:
        began = time.perf_counter()
        grow(engine, size)
        line: dict[str, object] = {"grown_s": round(time.perf_counter() - began)}
        with engine.connect() as db:
            for table in ("runs", "metrics", "tags"):
                count = db.execute(sqlalchemy.text(f"SELECT COUNT(*) FROM {table}")).scalar_one()
                line[table] = count
        print(json.dumps({**line, **measured(folder, uri)}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
