"""YAML files: numbers as people write them, plain data only, no key twice."""

import contextlib
import datetime
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.study.yaml import read_yaml, read_yaml_file, write_yaml
from trainers.errors import SpecError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("1E5", 1e5),
        ("-2e+3", -2000.0),
        (".5e1", 5.0),
        ("1.e2", 100.0),
        ("1.0e-3", 1e-3),
        ("0.25", 0.25),
    ],
)
def test_numbers_with_an_exponent_are_numbers(text: str, value: float) -> None:
    assert read_yaml(f"lr: {text}") == {"lr": value}
    assert isinstance(read_yaml(text), float)


@pytest.mark.parametrize("text", ["'1e-3'", "1e", "e3", "1e-3x", "fc1e3", "1e-3 2"])
def test_what_only_looks_like_a_number_stays_a_text(text: str) -> None:
    assert isinstance(read_yaml(text), str)


def test_a_key_that_comes_twice_is_named_with_both_lines() -> None:
    with pytest.raises(SpecError, match="twice, in lines 1 and 3") as raised:
        read_yaml("epochs: 1\nseed: 2\nepochs: 3\n")
    assert [fault.path for fault in raised.value.faults] == ["epochs"]


def test_every_key_that_comes_twice_is_named() -> None:
    with pytest.raises(SpecError, match="twice") as raised:
        read_yaml("a: {x: 1, x: 2}\nb: [{y: 1, y: 1}]\na: 3\n")
    assert sorted(fault.path for fault in raised.value.faults) == ["a", "x", "y"]


def test_merged_keys_may_be_replaced() -> None:
    text = "base: &base {a: 1, b: 2}\nother: {<<: *base, b: 3}\n"
    assert read_yaml(text)["other"] == {"a": 1, "b": 3}


@pytest.mark.parametrize(
    "tag", ["python/object/apply:os.system", "python/name:os.system", "python/tuple", "!mine"]
)
def test_nothing_but_plain_data_is_made(tag: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    with pytest.raises(SpecError, match="no readable YAML"):
        read_yaml(f"a: !!{tag} ['touch {trace}']")
    assert not trace.exists()


@pytest.mark.parametrize(
    "text", ["a: [1", "a: b: c", "\ta: 1", "{[1]: 2}", "--- 1\n--- 2", "*unknown", "[" * 3000]
)
def test_broken_yaml_is_one_fault(text: str) -> None:
    with pytest.raises(SpecError, match="no readable YAML") as raised:
        read_yaml(text)
    assert len(raised.value.faults) == 1


@pytest.mark.parametrize("text", ["a: \x00", "\x07", "a: \ud800"])
def test_characters_that_yaml_does_not_allow_are_a_fault(text: str) -> None:
    with pytest.raises(SpecError, match="no readable YAML"):
        read_yaml(text)


@pytest.mark.parametrize("text", ["!!bool maybe", "!!int ''", "!!float ''", "!!timestamp now"])
def test_a_value_that_does_not_fit_its_tag_is_a_fault(text: str) -> None:
    with pytest.raises(SpecError, match="no readable YAML"):
        read_yaml(text)


def test_a_date_that_is_none_is_a_fault() -> None:
    assert read_yaml("2026-02-03") == datetime.date(2026, 2, 3)
    with pytest.raises(SpecError, match="no readable YAML"):
        read_yaml("2026-02-33")


def test_an_empty_text_is_nothing() -> None:
    assert read_yaml("") is None


def test_a_file_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="cannot be read"):
        read_yaml_file(tmp_path / "none.yaml")


def test_a_file_that_is_no_text_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "binary.yaml"
    path.write_bytes(b"a: \xff\xfe")
    with pytest.raises(SpecError, match="cannot be read"):
        read_yaml_file(path)


def test_a_file_is_read_as_utf8(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes("question: größer?".encode())
    assert read_yaml_file(path) == {"question": "größer?"}


_PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(min_codepoint=32, max_codepoint=126)),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(min_codepoint=97, max_codepoint=122), min_size=1),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@given(_PLAIN)
def test_json_is_read_as_the_same_data(data: Any) -> None:
    assert read_yaml(json.dumps(data)) == data


@settings(max_examples=200, deadline=None)
@given(
    st.text(max_size=80) | st.text(alphabet="abn019.-+eE_:!&*<>|?#%@`'\"[]{},= \n\t~", max_size=40)
)
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(SpecError):
        read_yaml(text)


def test_aliases_that_multiply_are_refused_at_once() -> None:
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 20)]
    with pytest.raises(SpecError, match="more than 100,000 values"):
        read_yaml("\n".join(lines))


@pytest.mark.parametrize(
    "text",
    [
        "[" * 41 + "]" * 41,
        "\n".join(["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 60))]),
    ],
)
def test_what_lies_too_deep_is_refused_by_way_of_aliases_too(text: str) -> None:
    with pytest.raises(SpecError, match="nested more than 40 levels"):
        read_yaml(text)


def test_an_alias_may_repeat_what_is_small() -> None:
    assert read_yaml("a: &a [1, 2]\nb: [*a, *a]\n")["b"] == [[1, 2], [1, 2]]


@pytest.mark.parametrize(
    "key",
    [
        *("on", "off", "Yes", "no", "true", "True", "~", "null", "010", "1_000", "1:30", "0x10"),
        *("1e3", "1e-3", ".5", "1.0", "0.10", "2026-02-03", "2026-02-33", ".nan", "=", "1"),
    ],
)
def test_a_key_is_the_text_that_is_written(key: str) -> None:
    assert read_yaml(f"{key}: 1") == {key: 1}
    assert read_yaml(f"axes: [{{values: {{{key}: 1, a: 2}}}}]")["axes"][0]["values"][key] == 1
    assert read_yaml(f"base: &b {{{key}: 1}}\nother: {{<<: *b}}")["other"] == {key: 1}


def test_keys_that_only_yaml_takes_for_one_are_two() -> None:
    assert read_yaml("{on: 1, true: 2, 1: 3, 01: 4, 1.0: 5}") == {
        "on": 1,
        "true": 2,
        "1": 3,
        "01": 4,
        "1.0": 5,
    }
    with pytest.raises(SpecError, match="twice"):
        read_yaml("{1: a, '1': b}")


@pytest.mark.parametrize("word", ["on", "off", "yes", "No", "ON"])
def test_a_word_in_a_list_that_yaml_takes_for_true_or_false_is_refused(word: str) -> None:
    with pytest.raises(SpecError, match=rf"write (true|false), or quote it .*'{word}'") as raised:
        read_yaml(f"values:\n- 1\n- {word}\n")
    assert "in line 3" in str(raised.value)
    assert read_yaml(f"['{word}', true, false, null, ~]") == [word, True, False, None, None]
    # The value of a key that is on or off is not in doubt.
    assert read_yaml(f"norm: {word}")["norm"] in (True, False)


@pytest.mark.parametrize(
    ("text", "read"),
    [("010", "8"), ("-017", "-15"), ("0_7", "7"), ("1:30", "base 60"), ("1:30.5", "base 60")],
)
def test_a_number_of_another_base_is_refused(text: str, read: str) -> None:
    for yaml in (text, f"epochs: {text}", f"[{text}]"):
        with pytest.raises(SpecError, match="quote it") as raised:
            read_yaml(yaml)
        assert read in str(raised.value)
    assert read_yaml(f"'{text}'") == text


@pytest.mark.parametrize(
    ("text", "value"), [("1_000", 1000), ("0x10", 16), ("0", 0), ("-0.0", 0.0), ("08", "08")]
)
def test_other_ways_to_write_a_number_are_read(text: str, value: object) -> None:
    assert read_yaml(text) == value


@pytest.mark.parametrize("text", ['"a\\0b"', '{"\\x1b": 1}', '["\\ud800"]', '"\\x85"'])
def test_characters_that_no_store_takes_are_refused(text: str) -> None:
    with pytest.raises(SpecError, match=r"control character U\+"):
        read_yaml(text)
    assert read_yaml('"a\\nb\\tc"') == "a\nb\tc"


@given(_PLAIN)
def test_what_is_written_is_read_as_the_same_data(data: Any) -> None:
    assert read_yaml(write_yaml(data)) == data


@pytest.mark.parametrize("text", ["on", "010", "1e3", "1e-3", "1:30", "~", "2026-02-03", "1.e2"])
def test_a_text_is_written_so_that_it_is_read_as_a_text(text: str) -> None:
    assert read_yaml(write_yaml({"values": [text], text: text})) == {"values": [text], text: text}
