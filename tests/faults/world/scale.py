"""How much is tried: a little in `make test`, much in `make faults`; and from which seed."""

import os
import random
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from _pytest.mark.structures import ParameterSet

FULL = os.environ.get("BNN_FAULTS") == "full"
"""Whether this is `make faults`."""

# The short form always does the same; the long one looks further each time.
SEED = int(os.environ.get("BNN_FAULTS_SEED") or (int(time.time()) % 1_000_000 if FULL else 316))
"""Where all random moments begin; BNN_FAULTS_SEED repeats those of an earlier run."""

LIMIT_S = 1200 if FULL else 600
"""Seconds that a whole sweep may take."""


def either(short: int, full: int) -> int:
    """The number for the form that runs."""
    return full if FULL else short


def in_full(*values: Any, id: str | None = None) -> "ParameterSet":
    """Parameters that only the long form tries; the short one tries others of their kind."""
    reason = "others of its kind are tried: only with BNN_FAULTS=full"
    return pytest.param(*values, id=id, marks=pytest.mark.skipif(not FULL, reason=reason))


def dice(purpose: str) -> random.Random:
    """Random numbers of one test."""
    return random.Random(f"{SEED} {purpose}")
