"""Files of the stacks: they can be read, publish pages alone, and hold no secret."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import roles
import yaml

DOCKER = Path(__file__).parents[2] / "docker"


@pytest.fixture(scope="module")
def stack() -> dict[str, Any]:
    """The stack of compose.yaml, with its merge keys resolved."""
    loaded: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text())
    return loaded


def test_only_pages_are_published_on_loopback(stack: dict[str, Any]) -> None:
    published = {
        name: each["ports"] for name, each in stack["services"].items() if "ports" in each
    }
    assert list(published) == ["mlflow", "dashboard"]
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


def test_every_secret_is_a_file_that_the_first_start_makes(stack: dict[str, Any]) -> None:
    made = stack["services"]["keys"]["command"][1:]
    for name, service in stack["services"].items():
        for variable, value in service.get("environment", {}).items():
            if any(word in variable for word in ("PASSWORD", "SECRET", "TOKEN", "ACCESS_KEY")):
                assert variable.endswith("_FILE"), (name, variable)
                assert value in made


def test_who_is_given_a_secret_mounts_its_volume_and_no_other(stack: dict[str, Any]) -> None:
    for name, service in stack["services"].items():
        if name in ("keys", "storage"):
            continue
        places = [value for key, value in service["environment"].items() if key.endswith("_FILE")]
        folders = {str(Path(place).parent) for place in places}
        mounted = {
            volume.split(":")[1] for volume in service["volumes"] if volume.startswith("key-")
        }
        assert mounted == folders, name
        assert all(
            volume.endswith(":ro") for volume in service["volumes"] if volume.startswith("key-")
        )


def test_every_role_that_a_stack_asks_for_is_one(stack: dict[str, Any]) -> None:
    for name in ("keys", "mlflow", "dashboard", "head", "worker"):
        assert stack["services"][name]["command"][0] in roles.ROLES
    assert stack["services"]["driver"]["entrypoint"][-1] in roles.ROLES


def test_gpus_are_reserved_in_a_file_of_their_own(stack: dict[str, Any]) -> None:
    assert "deploy" not in str(stack)
    extra = yaml.safe_load((DOCKER / "compose.gpu.yaml").read_text())
    assert set(extra["services"]) <= set(stack["services"])


def test_the_image_is_built_of_named_folders_alone() -> None:
    ignored = (DOCKER.parent / ".dockerignore").read_text().splitlines()
    rules = [line for line in ignored if line and not line.startswith("#")]
    assert rules[0] == "*"
    allowed = {rule[1:] for rule in rules if rule.startswith("!")}
    copied = {
        word
        for line in (DOCKER / "Dockerfile").read_text().splitlines()
        if line.startswith("COPY") and "--from" not in line
        for word in line.split()[1:-1]
        if not word.startswith("--")
    }
    assert copied == allowed


def test_the_batch_script_is_one_and_wants_a_study(tmp_path: Path) -> None:
    script = DOCKER / "slurm" / "sweep.sbatch"
    done = subprocess.run(["bash", str(script)], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    assert "name a study: sbatch docker/slurm/sweep.sbatch STUDY" in done.stderr
