"""Variables of the environment that libraries read: none changes what is recorded."""

import importlib
import json
import os
import pwd
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from orchestrator.process import variables
from orchestrator.process.variables import VariableError, settle

LOOK = """
import importlib, importlib.abc, json, os, sys

class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name in ("mlflow", "ray"):
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


def _seen_by(line: list[str], **given: str) -> dict[str, str]:
    """The environment when MLflow or Ray is imported."""
    done = subprocess.run(
        [sys.executable, "-c", LOOK, *line],
        env={**os.environ, **given},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, str] = json.loads(done.stdout)
    return found


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
def test_mlflow_finds_its_settings_whichever_module_imports_it_first(line: list[str]) -> None:
    found = _seen_by(line, MLFLOW_ENABLE_ASYNC_LOGGING="true", MLFLOW_HTTP_REQUEST_TIMEOUT="7")
    wanted = {
        **variables.MLFLOW_DEFAULTS,
        **variables.FOR_MLFLOW,
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "7",
    }
    assert {name: found.get(name) for name in wanted} == wanted
    assert found["MLFLOW_ENABLE_ASYNC_LOGGING"] == "false"


def test_ray_finds_its_settings_when_it_is_imported() -> None:
    found = _seen_by(["orchestrator.launch.session"], RAY_CHDIR_TO_TRIAL_DIR="1")
    assert {name: found.get(name) for name in variables.FOR_RAY} == variables.FOR_RAY


@pytest.mark.parametrize(
    "name",
    [
        "MLFLOW_ENABLE_ASYNC_LOGGING",
        "MLFLOW_EXPERIMENT_NAME",
        "MLFLOW_RUN_ID",
        "MLFLOW_TRUNCATE_LONG_VALUES",
        "MLFLOW_REGISTRY_URI",
        "_MLFLOW_TRACKING_USE_DATABRICKS",
        "RAY_ADDRESS",
        "RAY_RUNTIME_ENV_HOOK",
        "RAY_OVERRIDE_RESOURCES",
        "RAY_TUNE_CALLBACKS",
        "TUNE_RESULT_BUFFER_LENGTH",
        "TUNE_MAX_PENDING_TRIALS_PG",
        "GIT_DIR",
        "GIT_WORK_TREE",
        "ATEN_CPU_CAPABILITY",
        "DNNL_MAX_CPU_ISA",
        "ONEDNN_DEFAULT_FPMATH_MODE",
        "MKL_CBWR",
        "OMP_THREAD_LIMIT",
        "NVIDIA_TF32_OVERRIDE",
        "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
        "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD",
    ],
)
def test_a_command_removes_what_would_change_a_result(name: str) -> None:
    environment = {name: "true", "PATH": "/bin"}
    settle(environment)
    assert environment == {"PATH": "/bin"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MLFLOW_TRACKING_URI", "http://server:5000"),
        ("MLFLOW_TRACKING_TOKEN", "abc"),
        ("MLFLOW_TRACKING_INSECURE_TLS", "true"),
        ("MLFLOW_SERVER_ALLOWED_HOSTS", "gpu01"),
        ("MLFLOW_SQLALCHEMYSTORE_POOL_SIZE", "5"),
        ("MLFLOW_S3_ENDPOINT_URL", "http://store:9000"),
        ("MLFLOW_HTTP_REQUEST_TIMEOUT", "60"),
        ("RAY_AUTH_TOKEN", "abc"),
        ("RAY_memory_usage_threshold", "0.9"),
        ("BNN_HOME", "/runs"),
        ("CUDA_VISIBLE_DEVICES", "1"),
        ("HOME", "/users/me"),
        ("AWS_ACCESS_KEY_ID", "abc"),
    ],
)
def test_a_command_obeys_what_says_where_and_who(name: str, value: str) -> None:
    environment = {name: value}
    settle(environment)
    assert environment == {name: value}


def test_to_join_a_cluster_ray_keeps_its_variables() -> None:
    environment = {"RAY_JOB_CONFIG_JSON_ENV_VAR": "{}", "TUNE_RESULT_DIR": "/elsewhere"}
    settle(environment, joins_cluster=True)
    assert environment == {"RAY_JOB_CONFIG_JSON_ENV_VAR": "{}"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MLFLOW_HTTP_REQUEST_TIMEOUT", "soon"),
        ("MLFLOW_HTTP_REQUEST_TIMEOUT", "0"),
        ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "100"),
        ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1.5"),
        ("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "nan"),
        ("MLFLOW_TRACKING_INSECURE_TLS", "yes"),
        ("PGCONNECT_TIMEOUT", "never"),
        ("MLFLOW_WORKSPACE", "team"),
    ],
)
def test_what_cannot_be_obeyed_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(VariableError, match=f"environment variable {name} is"):
        settle({name: value})


def test_python_without_docstrings_is_refused() -> None:
    code = "import os; from orchestrator.process.variables import settle; settle(dict(os.environ))"
    done = subprocess.run([sys.executable, "-OO", "-c", code], capture_output=True, text=True)
    assert "PYTHONOPTIMIZE=2" in done.stderr


@pytest.mark.parametrize("name", sorted(variables.CHECKED))
def test_an_empty_value_counts_as_unset(name: str) -> None:
    environment = {name: ""}
    settle(environment)
    assert environment == {}


def test_no_proxy_is_asked_for_loopback() -> None:
    environment = {"https_proxy": "http://proxy:3128", "NO_PROXY": "lab.example, 127.0.0.1"}
    settle(environment)
    assert environment["no_proxy"] == "lab.example,127.0.0.1,localhost,::1"
    assert environment["NO_PROXY"] == environment["no_proxy"]


def test_without_a_proxy_and_with_none_for_any_host_nothing_is_added() -> None:
    plain: dict[str, str] = {}
    settle(plain)
    assert plain == {}
    never = {"HTTP_PROXY": "http://proxy:3128", "no_proxy": "*"}
    settle(never)
    assert never["no_proxy"] == never["NO_PROXY"] == "*"


def test_git_looks_at_our_own_folder_alone() -> None:
    assert variables.for_git({"GIT_DIR": "/other/.git", "PATH": "/bin"}) == {"PATH": "/bin"}


def test_the_table_in_the_docs_has_every_variable() -> None:
    page = Path(__file__).parents[3] / "docs" / "reliability.md"
    named = set(re.findall(r"`([A-Za-z0-9_*\[\]-]+)`", page.read_text(encoding="utf-8")))
    wanted = {
        *variables.FOR_MLFLOW,
        *variables.MLFLOW_DEFAULTS,
        *variables.OBEYED,
        *variables.REMOVED,
        *variables.REFUSED,
    }
    assert wanted - named == set()


@pytest.mark.parametrize("library", ["mlflow.environment_variables"])
def test_every_checked_variable_is_one_that_the_library_reads(library: str) -> None:
    known = set(vars(importlib.import_module(library)))
    ours = {
        name for name in (*variables.FOR_MLFLOW, *variables.CHECKED) if name.startswith("MLFLOW_")
    }
    assert ours - known == set()


@pytest.mark.parametrize("given", [{}, {"HOME": ""}])
def test_a_user_without_a_name_or_a_home_gets_a_folder_of_their_own(
    given: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def nobody(uid: int) -> None:
        raise KeyError(f"no user {uid}")

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    environment = dict(given)
    settle(environment)
    home = Path(environment["HOME"])
    assert home.parent == tmp_path
    assert home.stat().st_mode & 0o777 == 0o700
    # The next command finds its caches there.
    again = dict(given)
    settle(again)
    assert again == environment
    # One that others may write to is not used.
    home.chmod(0o777)
    other = dict(given)
    settle(other)
    assert other["HOME"] != str(home)
    assert Path(other["HOME"]).is_dir()


def test_a_user_with_a_home_in_the_systems_list_keeps_it() -> None:
    environment = {"HOME": ""}
    settle(environment)
    assert environment == {}


def test_what_the_program_set_itself_stays_if_it_settles_afterwards() -> None:
    ours = {
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
    }
    environment = {**ours, "HOME": "/home/me"}
    variables.settle(environment)
    assert ours.items() <= environment.items()
    environment["MLFLOW_ENABLE_ASYNC_LOGGING"] = "true"
    variables.settle(environment)
    assert "MLFLOW_ENABLE_ASYNC_LOGGING" not in environment
