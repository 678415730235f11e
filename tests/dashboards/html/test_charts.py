"""Specifications of charts."""

import json
import math
from typing import Any

import pytest

from dashboards.html.charts import curves_chart, heat_map, lines_chart, scaled, seeds_chart

ERROR = "selected/test_error"
NAN = math.nan


def _values(spec: dict[str, Any], layer: int) -> list[dict[str, Any]]:
    values: list[dict[str, Any]] = spec["layer"][layer]["data"]["values"]
    return values


def test_shares_are_shown_in_percent_and_other_values_as_they_are() -> None:
    assert scaled(0.0125, ERROR) == 1.25
    assert scaled(0.0125, "train/loss") == 0.0125
    assert scaled(NAN, ERROR) is None
    assert scaled(math.inf, "train/loss") is None


def test_equal_seeds_do_not_hide_each_other() -> None:
    rows = {"a": [0.5, 0.5, 0.25, 0.5, NAN]}
    spec = seeds_chart(rows, {"a": (0.4, 0.3, 0.5)}, axis="order", metric=ERROR)
    dots = {(dot["value"], dot["shift"]) for dot in _values(spec, 2)}
    assert dots == {(50.0, 0), (50.0, 1), (50.0, -1), (25.0, 0)}


def test_a_row_without_a_value_keeps_its_place_and_has_no_mark() -> None:
    spec = seeds_chart(
        {"a": [NAN], "b": [0.5]},
        {"a": (NAN, NAN, NAN), "b": (0.5, NAN, NAN)},
        axis="order",
        metric=ERROR,
    )
    # Without an interval there is no layer of them, of which Vega would complain.
    assert len(spec["layer"]) == 2
    assert [mark["row"] for mark in _values(spec, 0)] == ["b"]
    assert spec["layer"][0]["encoding"]["y"]["scale"]["domain"] == ["a", "b"]


def test_layers_that_turn_binary_together_share_a_mark() -> None:
    spec = curves_chart(
        {"seed 1": [(0, 0.5), (1, 0.0)], "seed 2": [(0, 0.25)]},
        [(0, "fc1"), (0, "fc2"), (0, "fc3"), (1, "fc4")],
        metric="validation/error",
        top=0.5,
        description="what it shows",
    )
    marks = _values(spec, 2)
    assert marks == [
        {"epoch": 1, "layers": "fc1 and 2 more"},
        {"epoch": 2, "layers": "fc4"},
    ]
    # An error of 0 has a place.
    assert spec["layer"][0]["encoding"]["y"]["scale"]["type"] == "sqrt"


def test_a_field_says_its_value_in_letters_that_can_be_read_on_it() -> None:
    values = {"fc1": {"0.1": 0.5, "0.01": NAN}, "fc2": {"0.1": 0.1, "0.01": 0.3}}
    spec = heat_map(values, rows="layer", columns="lr", metric=ERROR)
    assert len(spec["data"]["values"]) == 3
    letters = spec["layer"][1]["encoding"]["color"]
    assert letters["condition"]["test"] == "datum.value > 30.0"


@pytest.mark.parametrize("top", [0.0, 1.0, NAN])
def test_every_specification_is_json(top: float) -> None:
    specs = [
        seeds_chart({}, {}, axis="order", metric=ERROR),
        curves_chart({}, [], metric="validation/error", top=top, description=""),
        curves_chart({"a": [(0, NAN)]}, [], metric="train/loss", top=top, description=""),
        heat_map({}, rows="layer", columns="lr", metric=ERROR),
        lines_chart({"a": [(1, NAN)]}, x="epochs", metric=ERROR, name="order"),
    ]
    for spec in specs:
        json.dumps(spec, allow_nan=False)
