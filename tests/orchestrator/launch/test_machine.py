"""The folder for the files of an embedded Ray."""

import os
import sys
from pathlib import Path

import pytest

from orchestrator.launch import machine
from orchestrator.launch.machine import session_folder, session_parent
from orchestrator.launch.resources import ResourceError


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder that is just short enough, and the only one of the system."""
    folder = tmp_path / "s"
    folder.mkdir()
    monkeypatch.setattr(machine, "LONGEST_RAY_FOLDER", len(str(folder)))
    monkeypatch.setattr(machine, "SYSTEM_FOLDERS", (str(folder),))
    monkeypatch.delenv("TMPDIR", raising=False)
    return folder


def test_a_session_has_a_short_folder_and_those_of_dead_drivers_go(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Beyond the largest number that Linux gives to a process.
    dead_pid = 2**22 + 1
    monkeypatch.setattr(machine, "LONGEST_RAY_FOLDER", len(str(tmp_path)) + 10)
    left = tmp_path / "ray" / f"bnn{dead_pid}-abc"
    other = tmp_path / "ray" / "something-else"
    for folder in (left, other):
        folder.mkdir(parents=True)
    made = session_folder(tmp_path / "ray")
    assert made.is_dir()
    assert made.parent == tmp_path / "ray"
    assert not left.exists()
    assert other.exists()
    # Its own driver lives, so the next one leaves it alone.
    session_folder(tmp_path / "ray")
    assert made.exists()


def test_of_a_home_too_deep_for_sockets_a_session_lies_in_the_systems_folder(
    short: Path, tmp_path: Path
) -> None:
    made = session_folder(tmp_path / "home" / "ray")
    assert made.parent == short
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("name", ["a b", "a%20b", "a?b", "a'b", "größer", "a#b", "a;b"])
def test_of_an_oddly_named_home_a_session_lies_in_the_systems_folder(
    name: str, short: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "LONGEST_RAY_FOLDER", 1000)
    assert session_parent(tmp_path / "plain-1.0_a" / "ray").name == "ray"
    assert session_parent(tmp_path / name / "ray") == short


@pytest.mark.parametrize("name", ["much-too-long-a-name", "a b", "missing", "ü", "a;b", "closed"])
def test_a_tmpdir_that_ray_cannot_use_is_passed_over(
    name: str, short: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / name
    if name != "missing":
        folder.mkdir()
    if name == "closed":
        if os.getuid() == 0:
            pytest.skip("root may write everywhere")
        folder.chmod(0o500)
    monkeypatch.setenv("TMPDIR", str(folder))
    assert session_parent(tmp_path / "home" / "ray") == short


def test_a_short_tmpdir_comes_before_the_systems_folders(
    short: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "o"
    own.mkdir()
    monkeypatch.setenv("TMPDIR", str(own))
    assert session_parent(tmp_path / "home" / "ray") == own


def test_an_environment_whose_path_has_a_blank_is_refused(
    short: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "my env"))
    with pytest.raises(ResourceError, match=r"cannot start workers in .*my env.* blank"):
        session_parent(tmp_path / "home" / "ray")


def test_without_any_folder_the_message_says_which_variable_to_set(
    short: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "SYSTEM_FOLDERS", (str(tmp_path / "none"),))
    with pytest.raises(ResourceError, match="set TMPDIR to a folder of at most") as caught:
        session_parent(tmp_path / "home" / "ray")
    assert str(tmp_path / "none") in str(caught.value)
