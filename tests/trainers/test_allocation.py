"""Freed memory that a process keeps while it trains."""

import ctypes
import resource
import subprocess
import sys

import pytest
import torch

from trainers import allocation
from trainers.allocation import reusing_memory

FAULTS = """
import resource
import torch
from trainers.allocation import reusing_memory
from trainers.process import process_settings
def faults(size):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(16):
        torch.ones(size, dtype=torch.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
"""
"""Counts the pages that the system makes while a tensor is filled and freed, time and again."""

needs_glibc = pytest.mark.skipif(
    allocation._mallopt() is None, reason="there is no mallopt here, so no glibc"
)


def _num_faults(code: str) -> int:
    """What the code prints, in the main thread of a process of its own."""
    command = [sys.executable, "-c", FAULTS + code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    return int(done.stdout)


@needs_glibc
@pytest.mark.parametrize("within", ["reusing_memory", "process_settings"])
def test_a_freed_block_is_taken_again(within: str) -> None:
    # A few times others take a part of what was freed.
    pages = 2**26 // resource.getpagesize()
    assert _num_faults(f"with {within}(): print(faults(2**26))") < 12 * pages
    assert _num_faults("print(faults(2**26))") > 15 * pages


@needs_glibc
def test_afterwards_blocks_of_another_size_are_given_back() -> None:
    code = "with reusing_memory(): torch.ones(2**26)\nprint(faults(2**29))"
    assert _num_faults(code) > 15 * 2**29 // resource.getpagesize()


def test_without_glibc_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert allocation._mallopt() is None
    with reusing_memory():
        assert torch.ones(3).sum() == 3
