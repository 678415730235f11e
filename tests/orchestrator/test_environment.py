"""What a result says about how it was made."""

import json
import re

from orchestrator.environment import PACKAGES, environment, git_commit, version


def test_the_environment_names_commit_packages_and_machine() -> None:
    made_with = environment()
    assert set(made_with) >= {"git_commit", "python", "packages", "processor", "num_cpus", "gpus"}
    packages = made_with["packages"]
    assert isinstance(packages, dict)
    assert set(packages) == set(PACKAGES)
    assert re.match(r"\d+\.\d+", packages["torch"])
    assert isinstance(made_with["memory_bytes"], int)
    assert made_with["memory_bytes"] > 2**28


def test_the_environment_is_plain_data() -> None:
    assert json.loads(json.dumps(environment())) == environment()


def test_a_package_that_is_not_installed_has_no_version() -> None:
    assert version("a-package-that-nobody-wrote") == ""


def test_the_commit_is_whole_or_empty() -> None:
    assert re.fullmatch(r"([0-9a-f]{40}(-dirty)?)?", git_commit())
