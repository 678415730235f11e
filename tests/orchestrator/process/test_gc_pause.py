"""Garbage collection is off within the block, and afterwards as it was."""

import gc

import pytest

from orchestrator.process.gc_pause import uncollected


def test_collection_is_off_within_the_block_alone() -> None:
    assert gc.isenabled()
    with uncollected():
        assert not gc.isenabled()
        with uncollected():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_an_error_turns_it_on_again() -> None:
    with pytest.raises(KeyError, match="missing"), uncollected():
        raise KeyError("missing")
    assert gc.isenabled()
