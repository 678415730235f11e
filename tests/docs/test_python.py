"""What the page of Python shows runs as it stands there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "python.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), flags=re.DOTALL)
# A script is imported once more by each process that it starts.
HERE = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "BNN_"))}

pytestmark = pytest.mark.slow


def _run(example: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", example], cwd=folder, env=HERE, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_trial_is_trained_in_a_notebook(tmp_path: Path) -> None:
    (example,) = (text for text in EXAMPLES if "import trainers" in text)
    error, digest = _run(example, tmp_path).split()
    assert 0 <= float(error) < 0.2
    assert re.fullmatch("[0-9a-f]{64}", digest)


def test_a_study_is_swept_by_a_program(tmp_path: Path) -> None:
    (example,) = (text for text in EXAMPLES if "orchestrator.sweep" in text)
    lines = _run(example, tmp_path).splitlines()
    assert [line.split()[0] for line in lines if line.startswith(("float", "rev"))] == [
        "float", "reverse",
    ]  # fmt: skip
    assert lines[-1] == "()"
    # It recorded its matrix itself.
    assert list((tmp_path / "runs-of-mine" / "artifacts").glob("*/*/artifacts/matrix.csv"))
