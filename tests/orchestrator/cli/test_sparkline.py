"""A curve in one line of text."""

import math

from orchestrator.cli.sparkline import LEVELS, PLAIN_LEVELS, is_encodable, sparkline


def test_the_highest_value_has_the_highest_letter() -> None:
    values = [number / 7 for number in range(8)]
    assert sparkline(values, low=0, high=1) == LEVELS
    assert sparkline(values, low=0, high=1, plain=True) == PLAIN_LEVELS


def test_a_long_curve_is_shown_by_the_means_of_its_parts() -> None:
    assert sparkline([0.0, 0.0, 1.0, 1.0, 0.0, 1.0], low=0, high=1, width=3) == "▁█▅"
    assert len(sparkline([0.5] * 1000, low=0, high=1, width=40)) == 40


def test_what_is_missing_is_blank_and_a_flat_curve_is_low() -> None:
    assert sparkline([math.nan, 0.5, math.nan, math.inf], low=0.5, high=0.5) == " ▁  "
    assert sparkline([], low=0, high=1) == ""


def test_an_output_without_the_letters_is_known() -> None:
    assert is_encodable(LEVELS, "utf-8")
    assert not is_encodable(LEVELS, "ascii")
    assert not is_encodable(LEVELS, "no such encoding")
