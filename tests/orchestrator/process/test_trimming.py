"""Memory that a worker gives back."""

import subprocess
import sys

import pytest

from orchestrator.process.trimming import STATM, Trimming, resident

NEEDS_PROC = pytest.mark.skipif(not STATM.exists(), reason="there is no /proc")
MIB = 2**20

GROWS = """
from orchestrator.process.trimming import Trimming, resident

trimming = Trimming(grown=64 * 2**20)
trimming.trim()
# Small blocks, so that glibc keeps them: those that stay end behind those that go.
blocks = [bytes(10_000) for _ in range(20_000)]
kept = blocks[-1]
del blocks[:-1]
full = resident()
trimming.trim()
print(full, resident())
"""


@NEEDS_PROC
def test_a_process_that_has_grown_gives_freed_memory_back() -> None:
    done = subprocess.run(
        [sys.executable, "-c", GROWS], capture_output=True, text=True, check=True
    )
    full, after = map(int, done.stdout.split())
    assert full - after > 128 * MIB


@NEEDS_PROC
@pytest.mark.parametrize(("grown", "trims"), [(-1, True), (2**40, False)])
def test_only_growth_is_a_reason_to_trim(
    grown: int, trims: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = list[int]()

    class Libc:
        def malloc_trim(self, pad: int) -> None:
            calls.append(pad)

    monkeypatch.setattr("ctypes.CDLL", lambda name: Libc())
    trimming = Trimming(grown=grown)
    trimming.trim()
    assert calls == []
    trimming.trim()
    assert calls == ([0] if trims else [])


@NEEDS_PROC
def test_the_memory_of_a_process_is_known() -> None:
    before = resident()
    block = bytearray(b"1") * (200 * MIB)
    assert 150 * MIB < resident() - before < 250 * MIB
    del block


def test_a_c_library_that_cannot_trim_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    trimming = Trimming(grown=-1)
    trimming.trim()
    trimming.trim()
