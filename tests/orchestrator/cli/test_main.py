"""Mistakes that any command knows: its name, its study, its home, an interruption."""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Refused = Callable[..., str]


def test_an_unknown_command_brings_the_known_ones(refused: Refused) -> None:
    err = refused("swep", "digits-orders")
    assert "unknown command 'swep', did you mean 'sweep'?" in err
    assert "validate" in err


def test_no_command_is_a_mistake(refused: Refused) -> None:
    assert "COMMAND" in refused()


def test_an_unknown_study_brings_the_nearest_and_the_known(refused: Refused) -> None:
    for command, trains in (("validate", False), ("sweep", True), ("train", True)):
        err = refused(command, "digit-orders")
        assert err.startswith("digit-orders: 1 fault")
        assert "unknown study 'digit-orders', did you mean 'digits-orders'" in err
        assert "mnist300-orders" in err
        assert "path of a YAML file" in err
        assert ("nothing was launched" in err) == trains


def test_the_home_is_the_one_that_the_flag_names(refused: Refused, tmp_path: Path) -> None:
    for command in (["matrix", "digits-orders"], ["ui"]):
        assert str(tmp_path / "other") in refused(*command, "--home", str(tmp_path / "other"))
        assert not (tmp_path / "other").exists()


def test_a_variable_that_cannot_be_obeyed_ends_any_command(
    refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "soon")
    for command in (["studies"], ["sweep", "digits-orders"]):
        assert "MLFLOW_HTTP_REQUEST_TIMEOUT is 'soon'" in refused(*command)


def test_what_would_change_a_result_is_removed_before_a_command_begins(
    cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GIT_DIR", "ATEN_CPU_CAPABILITY", "MLFLOW_RUN_ID", "RAY_ADDRESS"):
        monkeypatch.setenv(name, "anything")
    assert cli("studies").code == 0
    assert not {"GIT_DIR", "ATEN_CPU_CAPABILITY", "MLFLOW_RUN_ID", "RAY_ADDRESS"} & {*os.environ}


def test_too_few_file_handles_end_a_command_that_trains_and_no_other() -> None:
    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        line = shlex.join([sys.executable, "-m", "orchestrator.cli.main", *words])
        limited = ["bash", "-c", f"ulimit -n 100; exec {line}"]
        return subprocess.run(limited, capture_output=True, text=True, check=False)

    refused = run("sweep", "digits-orders")
    assert refused.returncode == 2
    assert "may open 100 files (ulimit -n)" in refused.stderr
    assert "nothing was launched" in refused.stderr
    assert run("studies").returncode == 0


def test_an_error_of_a_clean_up_that_a_signal_interrupted_counts_as_the_signal(
    cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            # As `shutil.rmtree` does, interrupted between a close and the note that it closed.
            os.close(10_000)

    monkeypatch.setattr("orchestrator.study.catalog.load_variant", interrupted)
    answer = cli("sweep", "digits-orders")
    assert answer.code == 128 + signal.SIGTERM
    assert "interrupted by SIGTERM" in answer.err
    assert "descriptor" not in answer.err


def test_an_interruption_is_told_and_has_a_code_of_its_own(
    cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("orchestrator.study.catalog.load_variant", interrupted)
    for command, goes_on in (("validate", False), ("sweep", True)):
        answer = cli(command, "digits-orders")
        assert answer.code == 130
        assert "interrupted" in answer.err
        assert ("the same command resumes" in answer.err) == goes_on


def test_what_was_printed_stands_before_the_error_in_one_file(tmp_path: Path) -> None:
    code = "from orchestrator.cli import main; print('first'); main._say('then')"
    with (tmp_path / "both").open("wb") as both:
        # A user's variable would take the buffer away, and with it what is tested.
        environment = {**os.environ, "PYTHONUNBUFFERED": ""}
        command = [sys.executable, "-c", code]
        subprocess.run(command, stdout=both, stderr=both, check=True, env=environment)
    assert (tmp_path / "both").read_text() == "first\nthen\n"
