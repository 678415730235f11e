"""Nodes of the stack that are lost in the middle of a sweep: a worker cut off, the head anew."""

import os
import time
from collections.abc import Callable
from typing import Any

import pytest
from stack import Said, Stack, wait_until

pytestmark = pytest.mark.slow

CUT_S = float(os.environ.get("BNN_CLUSTER_OUTAGE_S", "60"))
CUT = ("digits-orders", "--scale-epochs", "0.3")
"""Other numbers of epochs than those of the other tests, so that all cells are to be trained."""
ANEW = ("digits-orders", "--scale-epochs", "0.5")
SOON_S = 60
"""Ray itself would end a driver without a head after a minute."""


@pytest.fixture
def matrix_of(stack: Stack, rows_of: Callable[[str], Any]) -> Callable[..., Any]:
    """What MLflow has of a study in the end, delivered first."""

    def read(*study: str) -> Any:
        code, said = stack.driver("sync")
        assert code == 0, said
        code, said = stack.driver("results", *study, "--format", "biprop")
        assert code == 0, said
        return rows_of(said)

    return read


def _begun(stack: Stack, *study: str) -> Said:
    sweep = stack.starts("sweep", *study)
    wait_until(lambda: sweep.num_finished >= 1, what="a first cell is finished")
    return sweep


def test_a_worker_without_network_for_a_while_costs_no_cell(
    stack: Stack, trained_alone: Callable[..., Any], matrix_of: Callable[..., Any]
) -> None:
    alone = trained_alone(*CUT)
    sweep = _begun(stack, *CUT)
    victim = stack.containers("worker")[0]
    stack.cut(victim)
    time.sleep(CUT_S)
    stack.join(victim)
    assert sweep.ends() == 0, sweep.text
    assert " failed: " not in sweep.text
    assert matrix_of(*CUT) == alone
    # It comes back as a new node, and is used again.
    code, said = stack.driver("sweep", *CUT, "--seeds", "319")
    assert code == 0, said
    assert "slots     2 at a time" in said


def test_a_sweep_whose_head_is_restarted_ends_and_goes_on_when_given_again(
    stack: Stack, trained_alone: Callable[..., Any], matrix_of: Callable[..., Any]
) -> None:
    alone = trained_alone(*ANEW)
    sweep = _begun(stack, *ANEW)
    (head,) = stack.containers("head")
    stack.run("restart", "-t", "5", head)
    assert sweep.ends(within_s=SOON_S) == 1, sweep.text
    assert "stopped: the head of the Ray cluster, head:6379, was restarted" in sweep.text
    assert "the same command goes on" in sweep.text
    assert sweep.num_finished < len(alone)
    code, said = stack.driver("sweep", *ANEW)
    assert code == 0, said
    assert "0 of them finished" not in said
    assert matrix_of(*ANEW) == alone


def test_a_sweep_whose_head_stays_away_ends_soon_and_says_so(stack: Stack) -> None:
    sweep = _begun(stack, "digits-orders", "--scale-epochs", "0.7")
    (head,) = stack.containers("head")
    stack.run("stop", "-t", "5", head)
    try:
        assert sweep.ends(within_s=SOON_S) == 1, sweep.text
    finally:
        stack.run("start", head)
    assert "stopped: the head of the Ray cluster, head:6379, does not answer" in sweep.text
