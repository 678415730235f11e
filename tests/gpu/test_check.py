"""The whole command on a CPU, where Ray, MLflow and pytest could not be imported."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
CHECK = Path(__file__).with_name("check.py")
DOCS = ROOT / "docs" / "results" / "gpu.md"

ABSENT = """\
import importlib.machinery, sys
NAMES = {"ray", "mlflow", "yaml", "pandas", "sklearn", "safetensors", "_pytest", "hypothesis"}
class Absent:
    # A spec for each: torch asks for some of them without importing them.
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in NAMES:
            return importlib.machinery.ModuleSpec(name, self)
    def create_module(self, spec):
        raise ModuleNotFoundError(spec.name)
    def exec_module(self, module):
        pass
sys.meta_path.insert(0, Absent())
"""


FAILING = """\
import sys
sys.path.insert(0, sys.argv.pop(1))
import check, right
from setting import Check
def good(): pass
def bad(): raise ValueError("two is not three")
right.CHECKS = (Check("sums", lambda setting: [("one", good), ("two", bad), ("three", good)], 9),)
sys.exit(check.main())
"""


def _run(
    *arguments: str, device: str = "cpu", **variables: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(CHECK), "--device", device, "--quick", *arguments],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.mark.slow
def test_all_of_it_passes_on_a_cpu_and_measures_every_line(tmp_path: Path) -> None:
    before = DOCS.read_text("utf-8")
    (tmp_path / "sitecustomize.py").write_text(ABSENT)
    done = _run("--page", str(tmp_path / "page.md"), PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    page = (tmp_path / "page.md").read_text("utf-8")
    assert "Nothing failed." in page
    assert "No GPU: a CPU" in page
    assert "not measured" not in page
    # Six networks in eight ways, and two with packed members and processes.
    assert len(re.findall(r"^\| (?:usual loop|engine), ", page, flags=re.MULTILINE)) == 48
    assert len(re.findall(r"^\| \d+ (?:packed|processes) ", page, flags=re.MULTILINE)) == 5
    assert DOCS.read_text("utf-8") == before


def test_what_failed_is_printed_first_and_fails_the_command() -> None:
    command = [sys.executable, "-c", FAILING, str(CHECK.parent), "--device", "cpu"]
    done = subprocess.run([*command, "--only", "right"], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout.startswith("FAILED right: sums: two\n")
    assert "ValueError: two is not three" in done.stdout
    assert "- sums: 2 of 3 in " in done.stdout
    assert "FAILED right: sums: two\n" in done.stderr


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU")
def test_all_of_it_passes_on_a_gpu(tmp_path: Path) -> None:
    done = _run("--page", str(tmp_path / "page.md"), device="cuda")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA GPU")
def test_without_a_gpu_the_command_says_what_needs_none() -> None:
    done = _run(device="cuda")
    assert done.returncode == 2
    assert "torch finds no CUDA GPU here; --device cpu --quick needs none" in done.stderr


def test_figures_of_a_cpu_are_kept_out_of_the_docs(tmp_path: Path) -> None:
    # Also those of another checkout.
    for path in (DOCS, tmp_path / DOCS.name):
        done = _run("--page", str(path))
        assert done.returncode == 2
        assert "is for figures of a GPU" in done.stderr


@pytest.mark.parametrize(
    ("device", "page", "told"),
    [
        ("meta", "page.md", "there is no device 'meta'; known: cuda, cuda:1, ..., cpu"),
        ("cuda:-1", "page.md", "there is no device 'cuda:-1'"),
        ("cpu", "nowhere/page.md", "nowhere cannot be written"),
    ],
)
def test_a_wrong_request_measures_nothing(
    device: str, page: str, told: str, tmp_path: Path
) -> None:
    done = _run("--page", str(tmp_path / page), device=device)
    assert done.returncode == 2
    assert told in done.stderr
    assert "right:" not in done.stderr


def test_what_was_found_before_an_interruption_is_printed(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    code = FAILING.replace('ValueError("two is not three")', "KeyboardInterrupt")
    command = [
        sys.executable,
        "-c",
        code,
        str(CHECK.parent),
        "--device",
        "cpu",
        "--page",
        str(path),
    ]
    done = subprocess.run([*command, "--only", "right"], capture_output=True, text=True)
    assert done.returncode == 130
    assert "No GPU: a CPU" in done.stdout
    assert "interrupted: above is what was found until then" in done.stderr
    assert not path.exists()
