"""A process whose folder is removed."""

import os
import shutil
from pathlib import Path

import pytest

from orchestrator.process.foothold import is_folder_gone, keep_foothold, leave_folder


def test_a_folder_that_is_there_is_kept(tmp_path: Path) -> None:
    keep_foothold()
    assert Path.cwd() == tmp_path
    assert not is_folder_gone()


def test_a_folder_that_is_gone_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.chdir(scratch)
    shutil.rmtree(scratch)
    assert is_folder_gone()
    keep_foothold()
    assert os.getcwd() == "/"
    assert not is_folder_gone()


def test_a_folder_may_be_left_before_it_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    leave_folder()
    assert os.getcwd() == "/"
