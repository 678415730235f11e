"""A bar chart of what binary inputs lose."""

import math
from xml.etree import ElementTree

from orchestrator.results.bars import BAR, BINARY, LETTER, REAL, TITLES, layer_bars
from orchestrator.vocabulary import LAYER_MEASURES
from trainers.engine.layer_errors import LayerErrors

ERRORS = {
    "conv1<a&b>": LayerErrors(0.5, 0.25, 0.125),
    "conv2": LayerErrors(1.0, 0.5, 0.25),
    "unused": LayerErrors(math.nan, math.nan, math.nan),
}


def _drawn(text: str) -> list[tuple[str, float, str]]:
    """Tip, width and colour of each bar."""
    root = ElementTree.fromstring(text)
    space = {"svg": "http://www.w3.org/2000/svg"}
    return [
        (tip.text or "", float(bar.attrib["width"]), bar.attrib["fill"])
        for bar in root.findall("svg:rect", space)
        if (tip := bar.find("svg:title", space)) is not None
    ]


def test_each_measure_has_a_bar_a_layer_of_its_length_and_colour() -> None:
    bars = _drawn(layer_bars(ERRORS, ["conv2"], of="a & b"))
    assert len(bars) == 3 * len(ERRORS)
    first, second, unused = bars[:3]
    assert first == ("conv1<a&b>: 0.5", BAR / 2, BINARY)
    assert second == ("conv2: 1", BAR, REAL)
    assert unused == ("unused: nan", 0.0, BINARY)


def test_numbers_beside_bars_have_three_digits_each() -> None:
    errors = {"conv1": LayerErrors(0.6, 1, 0.05), "conv2": LayerErrors(0.5901, 1.206, 0)}
    root = ElementTree.fromstring(layer_bars(errors, (), of="a network"))
    texts = [text.text or "" for text in root.findall("{http://www.w3.org/2000/svg}text")]
    assert [text for text in texts if text.replace(".", "").isdigit()] == [
        "0.600", "0.590", "1.00", "1.21", "0.0500", "0.00",
    ]  # fmt: skip


def test_without_a_proposal_nothing_is_marked() -> None:
    text = layer_bars({"fc2": LayerErrors(0, 0, 0)}, (), of="a network")
    assert REAL not in text
    assert [width for _, width, _ in _drawn(text)] == [0, 0, 0]


def test_the_picture_is_as_wide_as_the_name_of_the_network() -> None:
    name = "W" * 200
    short, long = (
        ElementTree.fromstring(layer_bars(ERRORS, (), of=of)) for of in ("a network", name)
    )
    assert int(long.attrib["width"]) >= len(name) * LETTER > int(short.attrib["width"])
    assert name in [text.text for text in long.findall("{http://www.w3.org/2000/svg}text")]


def test_measures_have_the_same_names_everywhere() -> None:
    assert tuple(TITLES) == LayerErrors._fields == LAYER_MEASURES
