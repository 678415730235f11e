"""What is read from a store, in which order, and what is said of one that cannot be read."""

from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from orchestrator import vocabulary
from orchestrator.mlflow_reader.client import MlflowClient, client_of
from orchestrator.mlflow_reader.reader import Reader, StoreError, told
from orchestrator.record.embedded import make_once


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An embedded store without a row."""

    def make(database: Path) -> None:
        client_of(f"sqlite:///{database}").search_experiments(max_results=1)

    database = tmp_path_factory.mktemp("store") / "mlflow.db"
    make_once(database, make)
    return f"sqlite:///{database}"


@pytest.fixture
def reader(uri: str) -> Reader:
    return Reader(uri)


@pytest.fixture
def client(uri: str) -> MlflowClient:
    return client_of(uri)


@pytest.fixture
def experiment(client: MlflowClient, request: pytest.FixtureRequest) -> str:
    """That of a study named after the test."""
    name = request.node.name
    return str(client.create_experiment(name, tags={vocabulary.STUDY: name}))


@pytest.fixture
def make_run(client: MlflowClient, experiment: str) -> Callable[..., str]:
    def make(start_ms: int, **tags: str) -> str:
        named = {f"bnn.{key}": value for key, value in tags.items()}
        run = client.create_run(experiment, start_time=start_ms, run_name="some", tags=named)
        return str(run.info.run_id)

    return make


@pytest.mark.slow
def test_variants_and_cells_come_oldest_first(
    reader: Reader, experiment: str, make_run: Callable[..., str]
) -> None:
    late = make_run(2000, kind=vocabulary.PARENT, variant="b")
    early = make_run(1000, kind=vocabulary.PARENT, variant="a")
    cells = [make_run(start, kind=vocabulary.CELL, trial=str(start)) for start in (9, 7, 8)]
    found = reader.variants([experiment])
    assert [variant.run_id for variant in found] == [early, late]
    assert [(variant.id, variant.started_ms) for variant in found] == [("a", 1000), ("b", 2000)]
    assert {variant.experiment_id for variant in found} == {experiment}
    assert [cell.run_id for cell in reader.cells([experiment])] == [cells[1], cells[2], cells[0]]


@pytest.mark.slow
def test_cells_are_those_with_the_tags_that_were_not_deleted(
    reader: Reader, client: MlflowClient, experiment: str, make_run: Callable[..., str]
) -> None:
    wanted = make_run(1, kind=vocabulary.CELL, variant="a", state="finished")
    make_run(1, kind=vocabulary.CELL, variant="b", state="finished")
    client.delete_run(make_run(1, kind=vocabulary.CELL, variant="a", state="finished"))
    client.log_metric(wanted, "x", 0.5)
    client.log_param(wanted, "epochs", 2)
    client.set_terminated(wanted, end_time=77)
    [cell] = reader.cells([experiment], {vocabulary.VARIANT: "a"})
    assert (cell.run_id, cell.name, cell.state) == (wanted, "some", "finished")
    assert (cell.metrics, cell.params, cell.ended_ms) == ({"x": 0.5}, {"epochs": "2"}, 77)


@pytest.mark.slow
def test_studies_are_the_experiments_that_say_so(
    reader: Reader, client: MlflowClient, experiment: str, request: pytest.FixtureRequest
) -> None:
    other = client.create_experiment("no study of ours")
    assert experiment in reader.studies()
    assert other not in reader.studies()
    found = reader.find_study(request.node.name)
    assert found is not None
    assert found.experiment_id == experiment
    assert reader.find_study("no such") is None


def _study(client: MlflowClient, name: str, *, tag: str = "") -> str:
    tags = {vocabulary.STUDY: tag} if tag else {}
    return str(client.create_experiment(name, tags=tags))


def _id(reader: Reader, name: str) -> str | None:
    found = reader.find_study(name)
    return None if found is None else str(found.experiment_id)


@pytest.mark.slow
def test_a_study_is_found_by_its_tag_whatever_its_experiment_is_called(
    reader: Reader, client: MlflowClient
) -> None:
    experiment = _study(client, "renamed", tag="renamed")
    client.rename_experiment(experiment, "what I called it")
    assert _id(reader, "renamed") == experiment
    assert _id(reader, "what I called it") is None
    client.delete_experiment(experiment)
    found = reader.find_study("renamed")
    assert found is not None
    assert (found.experiment_id, found.lifecycle_stage) == (experiment, "deleted")


@pytest.mark.slow
def test_of_several_with_the_tag_the_one_with_the_name_is_the_study(
    reader: Reader, client: MlflowClient
) -> None:
    named, other = _study(client, "twice", tag="twice"), _study(client, "copy", tag="twice")
    assert _id(reader, "twice") == named
    client.rename_experiment(named, "twice, by another name")
    with pytest.raises(StoreError, match=r"several experiments have the tag .*'copy' \(\d+\)"):
        reader.find_study("twice")
    client.delete_experiment(other)
    assert _id(reader, "twice") == named
    # One in use comes before one that was deleted, though that has the name.
    client.restore_experiment(other)
    client.rename_experiment(named, "twice")
    client.delete_experiment(named)
    assert _id(reader, "twice") == other


@pytest.mark.slow
def test_without_its_tag_a_study_is_known_by_its_name_and_its_runs(
    reader: Reader, client: MlflowClient
) -> None:
    experiment = _study(client, "untagged")
    assert _id(reader, "untagged") is None
    client.create_run(experiment, tags={vocabulary.STUDY: "another"})
    assert _id(reader, "untagged") is None
    run = client.create_run(experiment, tags={vocabulary.STUDY: "untagged"})
    client.delete_run(run.info.run_id)
    assert _id(reader, "untagged") == experiment


@pytest.mark.slow
def test_a_tag_that_all_runs_contradict_does_not_make_an_experiment_a_study(
    reader: Reader, client: MlflowClient
) -> None:
    experiment = _study(client, "first", tag="second")
    # Renamed, and nothing trained yet.
    assert _id(reader, "second") == experiment
    client.create_run(experiment, tags={vocabulary.STUDY: "first"})
    assert _id(reader, "second") is None
    assert _id(reader, "first") == experiment
    client.create_run(experiment, tags={vocabulary.STUDY: "second"})
    assert _id(reader, "second") == experiment


@pytest.mark.slow
@pytest.mark.parametrize("name", ["it's", 'a "b"', "a`b", "100%", "a/../b", "größer", "Default"])
def test_a_name_that_no_study_has_is_none(name: str, reader: Reader, client: MlflowClient) -> None:
    assert reader.find_study(name) is None
    if name != "Default":
        _study(client, name)
        assert reader.find_study(name) is None


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (requests.ConnectionError("refused"), r"^http://\*\*\*@host: refused$"),
        (OSError("no route\nand more"), r"^http://\*\*\*@host: no route$"),
    ],
)
def test_a_store_that_cannot_be_read_is_named_without_its_password(
    error: Exception, what: str
) -> None:
    with pytest.raises(StoreError, match=what), told("http://me:secret@host"):
        raise error


def test_what_is_no_fault_of_the_store_passes() -> None:
    with pytest.raises(KeyError, match="x"), told("http://host"):
        raise KeyError("x")


@pytest.mark.parametrize(
    ("module", "package"),
    [
        ("MySQLdb", "mysqlclient"),
        ("mysql.connector", "mysql-connector-python"),
        ("psycopg2", "psycopg2-binary"),
        ("pymysql", "pymysql"),
        ("pyodbc", "pyodbc"),
    ],
)
def test_a_missing_driver_is_named_by_its_package(module: str, package: str) -> None:
    with (
        pytest.raises(StoreError, match=f"pip install {package}, or name another"),
        told("mysql://a:b@c/d"),
    ):
        raise ModuleNotFoundError(f"No module named '{module}'", name=module)
