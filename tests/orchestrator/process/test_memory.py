"""Freed memory goes back to the system."""

import subprocess
import sys

import pytest

CODE = """
from pathlib import Path
from orchestrator.process.memory import give_back_memory

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

# Too small for a mapping of their own; the last one keeps the top of the heap.
blocks = [b"x" * 60_000 for _ in range(2000)]
last = blocks.pop()
del blocks
before = resident()
give_back_memory()
print(before - resident())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_freed_blocks_leave_the_process() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 50_000_000
