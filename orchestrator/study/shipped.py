"""Finds the shipped configurations."""

import hashlib
from importlib import resources
from pathlib import Path

STUDY_SCHEMA, SHARED_SCHEMA = "study.schema.json", "shared.schema.json"
"""Files beside the configurations: the schema of studies, and of what studies extend."""


def config_folder() -> Path:
    """The folder of the shipped configurations: in the wheel, or next to the packages."""
    packages = Path(str(resources.files("orchestrator")))
    inside = packages / "configs"
    return inside if inside.is_dir() else packages.parent / "configs"


def config_digest() -> str:
    """A digest of all shipped configurations."""
    folder, digest = config_folder(), hashlib.sha256()
    for path in sorted(folder.rglob("*.yaml")):
        name = str(path.relative_to(folder)).encode()
        digest.update(name + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
