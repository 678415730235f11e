"""Specifications of charts with a line for each row of a matrix."""

import json
import math
from typing import Any

from dashboards.comparison import Comparison, Difference
from dashboards.html.row_charts import differences_chart, heat_map, seeds_chart

ERROR = "selected/test_error"
NAN = math.nan
COMPARISON = Comparison(
    control="binary",
    margin=None,
    differences=(
        Difference(row="forward", n=4, mean=0.02, low=0.01, high=0.03, differs=True),
        Difference(row="reverse", n=4, mean=-0.005, low=-0.02, high=0.01, differs=False),
        Difference(row="random", n=1, mean=0.25, refusal="too few seeds"),
        Difference(row="missing", n=0, mean=NAN, refusal="too few seeds"),
    ),
    same=0.5,
    num_compared=4,
    smallest=NAN,
    num_seeds=0,
    luck=NAN,
    of_seeds=NAN,
)


def _values(spec: dict[str, Any], layer: int) -> list[dict[str, Any]]:
    values: list[dict[str, Any]] = spec["layer"][layer]["data"]["values"]
    return values


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


def test_a_difference_has_a_place_an_interval_and_what_it_says() -> None:
    spec = differences_chart(COMPARISON, COMPARISON.differences, axis="order", metric=ERROR)
    zero, intervals, points = (_values(spec, layer) for layer in range(3))
    assert zero == [{"at": 0.0}]
    assert [(mark["row"], mark["low"], mark["high"]) for mark in intervals] == [
        ("forward", 1.0, 3.0),
        ("reverse", -2.0, 1.0),
    ]
    assert [(mark["row"], mark["mean"], mark["verdict"]) for mark in points] == [
        ("forward", 2.0, "differs"),
        ("reverse", -0.5, "cannot tell"),
        ("random", 25.0, "no verdict"),
    ]
    # Without a difference, a row keeps its line.
    assert spec["layer"][2]["encoding"]["y"]["scale"]["domain"] == [
        "forward",
        "reverse",
        "random",
        "missing",
    ]


def test_verdicts_differ_by_colour_and_shape() -> None:
    spec = differences_chart(COMPARISON, COMPARISON.differences[2:3], axis="order", metric=ERROR)
    # One without an interval among these rows: no layer of them.
    assert len(spec["layer"]) == 2
    marks = spec["layer"][1]["encoding"]
    for channel in (marks["color"], marks["shape"]):
        scale = channel["scale"]
        assert scale["domain"] == ["differs", "cannot tell", "no verdict"]
        assert len(set(scale["range"])) == 3


def test_a_field_says_its_value_in_letters_that_can_be_read_on_it() -> None:
    values = {"fc1": {"0.1": 0.5, "0.01": NAN}, "fc2": {"0.1": 0.1, "0.01": 0.3}}
    spec = heat_map(values, rows="layer", columns="lr", metric=ERROR)
    assert len(spec["data"]["values"]) == 3
    letters = spec["layer"][1]["encoding"]["color"]
    assert letters["condition"]["test"] == "datum.value > 30.0"


def test_every_specification_is_json() -> None:
    for spec in (
        seeds_chart({}, {}, axis="order", metric=ERROR),
        differences_chart(COMPARISON, COMPARISON.differences, axis="order", metric="train/loss"),
        differences_chart(COMPARISON, [], axis="order", metric=ERROR),
        heat_map({}, rows="layer", columns="lr", metric=ERROR),
    ):
        json.dumps(spec, allow_nan=False)
