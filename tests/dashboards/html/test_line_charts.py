"""Specifications of charts of lines."""

import json
import math

import pytest

from dashboards.html.line_charts import curves_chart, lines_chart

NAN = math.nan


def test_layers_that_turn_binary_together_share_a_mark() -> None:
    spec = curves_chart(
        {"seed 1": [(0, 0.5), (1, 0.0)], "seed 2": [(0, 0.25)]},
        [(0, "fc1"), (0, "fc2"), (0, "fc3"), (1, "fc4")],
        metric="validation/error",
        top=0.5,
        description="what it shows",
    )
    marks = spec["layer"][2]["data"]["values"]
    assert marks == [
        {"epoch": 1, "layers": "fc1 and 2 more"},
        {"epoch": 2, "layers": "fc4"},
    ]
    # An error of 0 has a place.
    assert spec["layer"][0]["encoding"]["y"]["scale"]["type"] == "sqrt"


def test_a_line_has_the_points_that_have_a_value() -> None:
    lines = {"forward": [(1.0, 0.5), (2.0, NAN), (4.0, 0.25)], "reverse": [(1.0, NAN)]}
    spec = lines_chart(lines, x="epochs", metric="selected/test_error", name="order", is_log=True)
    assert spec["data"]["values"] == [
        {"at": 1.0, "value": 50.0, "line": "forward"},
        {"at": 4.0, "value": 25.0, "line": "forward"},
    ]
    assert spec["encoding"]["x"]["scale"] == {"type": "log"}
    assert spec["encoding"]["color"]["sort"] == ["forward", "reverse"]


@pytest.mark.parametrize("top", [0.0, 1.0, NAN])
def test_every_specification_is_json(top: float) -> None:
    for spec in (
        curves_chart({}, [], metric="validation/error", top=top, description=""),
        curves_chart({"a": [(0, NAN)]}, [], metric="train/loss", top=top, description=""),
        lines_chart({"a": [(1, NAN)]}, x="epochs", metric="validation/error", name="order"),
    ):
        json.dumps(spec, allow_nan=False)
