"""MLflow's client finds its settings whichever module imports it first."""

import json
import os
import subprocess
import sys

import pytest

from orchestrator.mlflow_reader.client_environment import CLIENT_DEFAULTS

LOOK = """
import importlib, importlib.abc, json, os, sys

class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "mlflow":
            print(json.dumps(dict(os.environ)))
            sys.stdout.flush()
            os._exit(0)

sys.meta_path.insert(0, Finder())
importlib.import_module(sys.argv[1])
if len(sys.argv) > 2:
    # Of modules that import MLflow when they first read.
    from orchestrator.mlflow_reader.reader import Reader

    Reader(sys.argv[2])
"""


@pytest.mark.parametrize(
    "line",
    [
        ["orchestrator.mlflow_reader.client"],
        ["orchestrator.record.store"],
        ["orchestrator.results.mlflow_model"],
        ["dashboards.runs", "sqlite:///nowhere.db"],
    ],
    ids=lambda line: line[0],
)
def test_the_settings_are_there_when_mlflow_is_imported_and_the_users_come_first(
    line: list[str],
) -> None:
    bare = {key: value for key, value in os.environ.items() if key not in CLIENT_DEFAULTS}
    asked = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "7"}
    done = subprocess.run(
        [sys.executable, "-c", LOOK, *line],
        env={**bare, **asked},
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert {key: found.get(key) for key in CLIENT_DEFAULTS} == {**CLIENT_DEFAULTS, **asked}
