"""Where the shipped configurations lie."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.study import shipped
from orchestrator.study.shipped import config_digest, config_folder


def test_the_shipped_folder_has_studies_networks_and_orders() -> None:
    for kind in ("studies", "networks", "orders"):
        assert list((config_folder() / kind).glob("*.yaml")), kind


def test_a_changed_file_changes_the_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = config_digest()
    folder = tmp_path / "configs"
    shutil.copytree(config_folder(), folder)
    monkeypatch.setattr(shipped, "config_folder", lambda: folder)
    assert config_digest() == before
    (folder / "README.md").write_text("says something else")
    assert config_digest() == before
    (folder / "orders" / "vgg5.yaml").write_text("layers: 5")
    changed = config_digest()
    assert changed != before
    (folder / "studies" / "digits-lr.yaml").rename(folder / "studies" / "other.yaml")
    assert config_digest() not in (before, changed)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (("configs",), "configs"),
        (("orchestrator/configs",), "orchestrator/configs"),
        (("configs", "orchestrator/configs"), "orchestrator/configs"),
    ],
    ids=["beside the packages", "in the wheel", "in both"],
)
def test_configurations_of_the_wheel_come_before_those_beside_the_packages(
    made: tuple[str, ...], expected: str, tmp_path: Path
) -> None:
    package = tmp_path / "orchestrator"
    room = package / "study"
    room.mkdir(parents=True)
    for level in (package, room):
        (level / "__init__.py").touch()
    shutil.copy(shipped.__file__, room)
    for folder in made:
        (tmp_path / folder).mkdir()
    code = "from orchestrator.study.shipped import config_folder; print(config_folder())"
    # A folder in which python starts comes before what is installed.
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={}, capture_output=True, text=True
    )
    assert Path(done.stdout.strip()) == tmp_path / expected, done.stderr
