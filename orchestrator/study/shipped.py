"""Finds the shipped configurations."""

from importlib import resources
from pathlib import Path


def config_folder() -> Path:
    """The folder of the shipped configurations: in the wheel, or next to the packages."""
    packages = Path(str(resources.files("orchestrator")))
    inside = packages / "configs"
    return inside if inside.is_dir() else packages.parent / "configs"
