"""Freed memory that a process keeps while it trains."""

import ctypes
import resource
import subprocess
import sys

import pytest
import torch

from trainers import allocation
from trainers.allocation import reusing_memory
from trainers.process import process_settings

SIZE = 64 * 2**20
PAGES = SIZE // resource.getpagesize()

needs_glibc = pytest.mark.skipif(
    allocation._mallopt() is None, reason="there is no mallopt here, so no glibc"
)


def _num_faults(times: int) -> int:
    """Pages that the system makes while a tensor is filled and freed so many times."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        torch.ones(SIZE, dtype=torch.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@needs_glibc
def test_a_freed_block_is_taken_again() -> None:
    with reusing_memory():
        # A few times others take a part of what was freed.
        assert _num_faults(32) < 8 * PAGES


@needs_glibc
def test_afterwards_blocks_of_another_size_are_given_back() -> None:
    code = """
import resource
import torch
from trainers.allocation import reusing_memory
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(8):
        torch.ones(2**29, dtype=torch.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
with reusing_memory():
    torch.ones(2**26)
print(faults(), resource.getpagesize())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=True
    )
    num, page = map(int, done.stdout.split())
    assert num > 7 * 2**29 // page


@needs_glibc
def test_a_trial_trains_in_memory_that_it_keeps() -> None:
    with process_settings():
        # A few times others take a part of what was freed.
        assert _num_faults(32) < 8 * PAGES


def test_without_glibc_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert allocation._mallopt() is None
    with reusing_memory():
        assert torch.ones(3).sum() == 3
