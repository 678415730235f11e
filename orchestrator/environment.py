"""Describes the commit, packages and hardware that produce a result."""

import os
import platform
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path

from orchestrator.process.variables import for_git

PACKAGES = ("bnn-orchestrate", "torch", "torchvision", "ray", "mlflow", "optuna", "numpy")


def environment() -> dict[str, object]:
    """This process's commit, packages and machine, as plain values."""
    return {
        "git_commit": git_commit(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "platform": platform.platform(),
        "processor": _processor(),
        "num_cpus": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "gpus": _gpus(),
    }


def version(package: str) -> str:
    """The installed version of a package; empty if it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


@cache
def git_commit() -> str:
    """The commit of this code, with `-dirty` if it has changes; empty outside a checkout."""
    folder = Path(__file__).resolve().parent
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"],
            cwd=folder,
            env=for_git(),
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    # An installed package may be inside another project's repository.
    return described.stdout.strip() if (folder.parent / ".git").exists() else ""


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if not info.is_file():
        return platform.processor()
    lines = info.read_text(errors="replace").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _gpus() -> list[str]:
    import torch

    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
