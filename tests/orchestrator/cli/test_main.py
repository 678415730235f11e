"""Mistakes that any command knows: its name, its study, its home, an interruption."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Refused = Callable[..., str]


def test_an_unknown_command_brings_the_known_ones(refused: Refused) -> None:
    err = refused("swep", "digits-orders")
    assert "'swep'" in err
    assert "sweep" in err.replace("'swep'", "")
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
