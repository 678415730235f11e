"""Freed memory that a process keeps while it trains."""

import ctypes
import subprocess
import sys

import pytest
import torch

from trainers import allocation
from trainers.allocation import reusing_memory

KEPT = """
import os
import torch
from trainers.allocation import reusing_memory
from trainers.process import process_settings
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
def kept(size):
    before = resident()
    torch.ones(size, dtype=torch.uint8)
    return resident() - before
"""
"""Counts the bytes that the process keeps of a tensor that was filled and freed."""
SIZE = 2**28

needs_glibc = pytest.mark.skipif(
    allocation._mallopt() is None, reason="there is no mallopt here, so no glibc"
)


def _kept(code: str) -> int:
    """What the code prints, in the main thread of a process of its own."""
    command = [sys.executable, "-c", KEPT + code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    return int(done.stdout)


@needs_glibc
@pytest.mark.parametrize("within", ["reusing_memory", "process_settings"])
def test_a_freed_block_stays_with_the_process(within: str) -> None:
    assert _kept(f"with {within}(): print(kept({SIZE}))") > 0.9 * SIZE
    assert _kept(f"print(kept({SIZE}))") < 0.1 * SIZE


@needs_glibc
def test_afterwards_it_does_not() -> None:
    code = f"with reusing_memory(): torch.ones(9)\nprint(kept({SIZE}))"
    assert _kept(code) < 0.1 * SIZE


def test_without_glibc_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert allocation._mallopt() is None
    with reusing_memory():
        assert torch.ones(3).sum() == 3
