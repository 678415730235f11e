"""Beginnings that orders have in common, trained once: the same results, and all of them."""

import json
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, settled: Any, orders: str) -> tuple[Any, Any]:
    """Users who swept the same study with and without sharing, and what the first one saw."""
    path = settled.writes(orders, "orders.yaml")
    done = settled.runs("sweep", path)
    assert done.code == 0, done.err
    alone = type(settled)(tmp_path_factory.mktemp("alone"))
    alone.writes(orders, "orders.yaml")
    other = alone.runs("sweep", path, "--no-share", "--concurrency", "1")
    assert other.code == 0, other.err
    assert "shared" not in other.out
    return done, alone


def test_the_plan_says_what_is_saved(both: tuple[Any, Any], settled: Any) -> None:
    lines = both[0].out.splitlines()
    assert "epochs    72 to train" in lines
    assert "shared    15 stage trainings instead of 18, 72 epochs instead of 84" in lines
    (path,) = settled.home.glob("artifacts/orders/*/artifacts/plan.json")
    plan = json.loads(path.read_text())
    assert plan["shared"] == "15 stage trainings instead of 18, 72 epochs instead of 84"
    inherits = [cell["inherits"] for cell in plan["cells"] if "inherits" in cell]
    assert [each["epochs"] for each in inherits] == [4, 4, 4]
    assert inherits[0]["from"] == "forward · seed 7"


def test_every_cell_ends_with_the_weights_and_points_of_a_run_of_its_own(
    both: tuple[Any, Any], settled: Any, deterministic_part: Callable[[Any], Any]
) -> None:
    alone = {cell.name: cell for cell in both[1].cells()}
    shared = {cell.name: cell for cell in settled.cells()}
    assert len(shared) == len(alone) == 7
    for name, cell in shared.items():
        assert cell.tags["bnn.weights_sha256"] == alone[name].tags["bnn.weights_sha256"]
        assert deterministic_part(cell) == deterministic_part(alone[name])
        assert cell.num_rows == len(cell.points)
        assert {step for key, step in cell.points if key == "test/error"} == set(range(12))


def test_inherited_epochs_are_marked(both: tuple[Any, Any], settled: Any) -> None:
    marks = {cell.name: cell.tags.get("bnn.inherited") for cell in settled.cells()}
    assert {name: mark for name, mark in marks.items() if mark} == {
        "order 132 · seed 7": "4 epochs from forward · seed 7",
        "order 231 · seed 7": "4 epochs from order 213 · seed 7",
        "order 312 · seed 7": "4 epochs from reverse · seed 7",
    }
    counts = {
        cell.name: value
        for cell in settled.cells()
        for (key, _), value in cell.points.items()
        if key == "inherited_epochs"
    }
    assert counts == {name: 4 for name, mark in marks.items() if mark}
    assert not any("bnn.inherited" in cell.tags for cell in both[1].cells())


def test_no_state_is_left_behind(both: tuple[Any, Any], settled: Any) -> None:
    assert list((settled.home / "checkpoints" / "stems").iterdir()) == []


def test_a_copied_cell_keeps_the_mark(both: tuple[Any, Any], settled: Any, orders: str) -> None:
    other = orders.replace("study: orders", "study: other").replace("all,", "[132],")
    done = settled.runs("sweep", settled.writes(other, "other.yaml"))
    assert "nothing left to do" in done.out, done.err
    marks = [cell.tags["bnn.inherited"] for cell in settled.cells() if "132" in cell.name]
    assert marks == ["4 epochs from forward · seed 7"] * 2
