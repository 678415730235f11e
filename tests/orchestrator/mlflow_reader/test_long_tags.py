"""Texts longer than one tag: split where they are written, joined where they are read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.mlflow_reader.long_tags import LONGEST, joined, shortened, split

LENGTHS = [0, 1, LONGEST - 1, LONGEST, LONGEST + 1, 3 * LONGEST, 3 * LONGEST + 1]


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("letter", ["x", "é", "\U0001f600"])
def test_a_text_of_any_length_comes_back(length: int, letter: str) -> None:
    tags = {"bnn.a": letter * length, "bnn.b": "short"}
    held = split(tags)
    assert joined(held) == tags
    assert max(map(len, held.values())) < 5000
    assert len(held) == 1 + max(1, -(-length // LONGEST))


def test_short_texts_are_written_as_they_are() -> None:
    tags = {"bnn.a": "[1/2] a", "bnn.b": "[]", "bnn.c": ""}
    assert split(tags) == tags


@pytest.mark.parametrize("text", ["[1/1 01234567] a", "[2/2 01234567] a", "[1/9 deadbeef] "])
def test_a_text_that_looks_like_a_part_comes_back(text: str) -> None:
    assert joined(split({"bnn.a": text})) == {"bnn.a": text}


@given(st.dictionaries(st.sampled_from(["a", "b"]), st.text(max_size=50)), st.integers(1, 300))
def test_any_texts_come_back(tags: dict[str, str], times: int) -> None:
    long = {key: text * times for key, text in tags.items()}
    assert joined(split(long)) == {key: text.replace("\0", "?") for key, text in long.items()}


def test_a_text_that_replaces_a_longer_one_is_read_alone() -> None:
    held = split({"bnn.a": "x" * 3 * LONGEST})
    for text in ("short", "y" * 2 * LONGEST):
        assert joined({**held, **split({"bnn.a": text})}) == {"bnn.a": text}


def test_half_a_text_counts_as_none() -> None:
    held = split({"bnn.a": "x" * 2 * LONGEST, "bnn.b": "b"})
    other = split({"bnn.a": "y" * 2 * LONGEST})
    key = "bnn.a.part2"
    assert joined({name: text for name, text in held.items() if name != key}) == {"bnn.b": "b"}
    assert joined({**held, key: other[key]}) == {"bnn.b": "b"}
    assert joined({"bnn.a": "[1/999999999999 01234567] x"}) == {}


def test_what_no_database_takes_is_replaced() -> None:
    assert split({"bnn.a": "a\0b\ud800c"}) == {"bnn.a": "a?b?c"}
    assert shortened("a\0b") == "a?b"


def test_a_text_for_a_param_is_cut_and_stays_different_from_others() -> None:
    first, second = (shortened("x" * 9000 + end) for end in "ab")
    assert first != second
    assert len(first) < 5000
    assert shortened("x" * LONGEST) == "x" * LONGEST
