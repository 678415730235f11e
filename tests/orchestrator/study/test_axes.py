"""Axes: what each of their values sets, and what is refused."""

import itertools

import pytest

from orchestrator.study.axes import (
    Range,
    label_of,
    read_axis,
    seed_axis,
)
from trainers.errors import SpecError

LAYERS = ("fc1", "fc2", "fc3")


def _faults(mapping: object, layers: tuple[str, ...] = LAYERS) -> list[tuple[str, str]]:
    with pytest.raises(SpecError, match=r"\S") as raised:
        read_axis(mapping, layers=layers)
    return [(fault.path, f"{fault.what}; {fault.hint}") for fault in raised.value.faults]


@pytest.mark.parametrize(
    ("value", "label"),
    [
        (0.1, "0.1"),
        (1e-5, "1e-05"),
        (0.123456789, "0.123457"),
        (5, "5"),
        (1234567, "1234567"),
        ([784, 300, 10], "784-300-10"),
        ([], "none"),
        (True, "true"),
        (None, "none"),
        ("reverse", "reverse"),
    ],
)
def test_labels_are_short_and_readable(value: object, label: str) -> None:
    assert label_of(value) == label


def test_all_orders_come_after_the_controls_with_forward_and_reverse_first() -> None:
    axis = read_axis(
        {
            "name": "order",
            "sets": "layers.order",
            "permutations": "all",
            "controls": ["float", "binary"],
        },
        layers=LAYERS,
    )
    assert list(axis.points) == [
        "float", "binary", "forward", "reverse", "132", "213", "231", "312",
    ]  # fmt: skip
    assert axis.points["231"] == {"layers.order": ["fc2", "fc3", "fc1"]}
    assert axis.points["float"] == {"layers.order": [], "layers.epochs_per_layer": 0}
    assert axis.points["binary"] == {"layers.order": list(LAYERS), "layers.epochs_per_layer": 0}
    assert axis.paths == {"layers.order", "layers.epochs_per_layer"}


def test_what_only_controls_set_is_no_own_path_of_the_axis() -> None:
    entry = {"name": "order", "sets": "layers.order", "permutations": ["forward", "reverse"]}
    alone = read_axis(entry, layers=LAYERS)
    controlled = read_axis(entry | {"controls": ["float", "binary"]}, layers=LAYERS)
    assert alone.own_paths == controlled.own_paths == {"layers.order"}
    assert alone.paths == {"layers.order"}
    assert controlled.paths == {"layers.order", "layers.epochs_per_layer"}


@pytest.mark.parametrize(
    ("entry", "own", "paths"),
    [
        ({"seeds": [1, 2]}, {"seed"}, {"seed"}),
        ({"sets": "epochs", "values": [1, 2]}, {"epochs"}, {"epochs"}),
        ({"sets": "epochs", "choices": [1, 2]}, {"epochs"}, {"epochs"}),
        ({"sets": "epochs", "range": {"low": 1, "high": 2}}, {"epochs"}, {"epochs"}),
        ({"values": {"a": {"epochs": 1, "seed": 2}}}, {"epochs", "seed"}, {"epochs", "seed"}),
        (
            {"values": {"a": {"epochs": 1, "seed": 2}, "b": {"epochs": 3}}},
            {"epochs"},
            {"epochs", "seed"},
        ),
        ({"values": {"a": {"epochs": 1}, "b": {"seed": 3}}}, set(), {"epochs", "seed"}),
    ],
    ids=["seeds", "values", "choices", "range", "one label", "a common key", "no common key"],
)
def test_own_paths_are_those_that_every_value_sets(
    entry: dict[str, object], own: set[str], paths: set[str]
) -> None:
    axis = read_axis({"name": "x", **entry}, layers=())
    assert (axis.own_paths, axis.paths) == (own, paths)


def test_every_order_of_four_layers_comes_once() -> None:
    layers = ("a", "b", "c", "d")
    axis = read_axis(
        {"name": "order", "sets": "layers.order", "permutations": "all"}, layers=layers
    )
    orders = {tuple(point["layers.order"]) for point in axis.points.values()}  # type: ignore[arg-type]
    assert orders == set(itertools.permutations(layers))
    assert len(axis.points) == 24


def test_a_network_of_one_layer_has_one_order() -> None:
    entry = {"name": "order", "sets": "layers.order", "permutations": "all"}
    assert list(read_axis(entry, layers=["fc1"]).points) == ["forward"]


def test_named_orders_keep_the_order_in_which_they_are_written() -> None:
    entry = {"name": "o", "sets": "layers.order", "permutations": [312, "forward", "2-1-3"]}
    assert list(read_axis(entry, layers=LAYERS).points) == ["312", "forward", "213"]


def test_too_many_orders_are_refused_with_their_number() -> None:
    entry = {"name": "order", "sets": "layers.order", "permutations": "all"}
    layers = tuple(f"fc{number}" for number in range(1, 8))
    [(path, text)] = _faults(entry, layers)
    assert path == "permutations"
    assert "5,040" in text
    assert "name some" in text


def test_an_order_named_twice_is_refused_at_its_place() -> None:
    entry = {"name": "o", "sets": "layers.order", "permutations": [132, "forward", "1-3-2"]}
    [(path, text)] = _faults(entry)
    assert path == "permutations.2"
    assert "twice" in text


@pytest.mark.parametrize("sets", [None, "seed", "layers"])
def test_orders_and_controls_are_for_the_axis_of_the_order(sets: str | None) -> None:
    entry = {"name": "o", "sets": sets, "permutations": "all"}
    assert _faults({key: value for key, value in entry.items() if value})[0][0] == "permutations"
    values = {"name": "o", "sets": "epochs", "values": [1], "controls": ["float"]}
    assert _faults(values)[0][0] == "controls"


def test_orders_without_a_model_are_refused() -> None:
    entry = {"name": "o", "sets": "layers.order", "permutations": "all"}
    [(path, text)] = _faults(entry, ())
    assert path == "permutations"
    assert "model" in text


def test_an_unknown_control_brings_the_nearest_one() -> None:
    entry = {
        "name": "o",
        "sets": "layers.order",
        "permutations": ["forward"],
        "controls": ["float", "binry"],
    }
    [(path, text)] = _faults(entry)
    assert path == "controls.1"
    assert "did you mean 'binary'" in text


def test_values_of_a_list_are_labelled_by_themselves() -> None:
    axis = read_axis({"name": "lr", "sets": "optimizer.lr", "values": [0.1, 1e-5]}, layers=())
    assert axis.points == {"0.1": {"optimizer.lr": 0.1}, "1e-05": {"optimizer.lr": 1e-5}}
    assert not axis.searched


def test_a_label_may_set_several_keys_at_once() -> None:
    values = {"slow": {"optimizer.lr": 0.1, "epochs": 20}, "fast": {"epochs": 5}}
    axis = read_axis({"name": "pace", "values": values}, layers=())
    assert axis.points == values
    assert axis.paths == {"optimizer.lr", "epochs"}


@pytest.mark.parametrize(
    ("values", "path", "what"),
    [
        ([0.1, 0.1], "values", "twice"),
        ([0.1234567, 0.1234568], "values", "twice"),
        ([], "values", "empty"),
        ({}, "values", "empty"),
        ("all", "values", "expected a list"),
    ],
)
def test_values_that_cannot_be_told_apart_are_refused(
    values: object, path: str, what: str
) -> None:
    [(found, text)] = _faults({"name": "lr", "sets": "optimizer.lr", "values": values})
    assert found == path
    assert what in text


def test_values_that_set_nothing_are_refused_by_their_label() -> None:
    [(path, text)] = _faults({"name": "lr", "values": {"slow": 0.1}})
    assert path == "values.slow"
    assert "sets nothing" in text
    assert "key path" in text


def test_seeds_set_the_seed() -> None:
    axis = read_axis({"name": "seed", "seeds": [3, 1]}, layers=())
    assert axis == seed_axis([3, 1])
    assert list(axis.points.items()) == [("3", {"seed": 3}), ("1", {"seed": 1})]


@pytest.mark.parametrize(
    ("entry", "path"),
    [
        ({"seeds": [1, 1]}, "seeds"),
        ({"seeds": []}, "seeds"),
        ({"seeds": 316}, "seeds"),
        ({"seeds": [1, "2"]}, "seeds.1"),
        ({"seeds": [1, True]}, "seeds.1"),
        ({"seeds": [1], "sets": "epochs"}, "seeds"),
    ],
)
def test_seeds_are_different_whole_numbers(entry: dict[str, object], path: str) -> None:
    assert [found for found, _ in _faults({"name": "seed", **entry})] == [path]


def test_a_range_is_searched_and_stands_for_both_of_its_ends() -> None:
    entry = {"name": "lr", "sets": "optimizer.lr", "range": {"low": 1e-4, "high": 1, "log": True}}
    axis = read_axis(entry, layers=())
    assert axis.searched
    assert axis.domain == Range(low=1e-4, high=1.0, log=True)
    assert axis.points == {}
    assert axis.paths == {"optimizer.lr"}
    assert axis.extremes() == {"0.0001": {"optimizer.lr": 1e-4}, "1": {"optimizer.lr": 1.0}}


@pytest.mark.parametrize(
    ("bounds", "path", "what"),
    [
        ({"low": 1}, "range.high", "missing"),
        ({"high": 1}, "range.low", "missing"),
        ({"low": 1, "high": 1}, "range.high", "above low"),
        ({"low": 2, "high": 1}, "range.high", "above low"),
        ({"low": 0, "high": 1, "log": True}, "range.low", "positive"),
        ({"low": 1, "high": 2, "intger": True}, "range.intger", "did you mean 'integer'"),
        ({"low": "1e", "high": 2}, "range.low", "expected a number"),
        ({"low": 1, "high": 2, "log": 1}, "range.log", "true or false"),
        ([1, 2], "range", "expected {low"),
    ],
)
def test_a_range_has_two_ends_in_order(bounds: object, path: str, what: str) -> None:
    faults = _faults({"name": "lr", "sets": "optimizer.lr", "range": bounds})
    assert [found for found, _ in faults] == [path]
    assert what in faults[0][1]


def test_a_range_says_what_it_sets() -> None:
    [(path, text)] = _faults({"name": "lr", "range": {"low": 1, "high": 2}})
    assert path == "range"
    assert "sets" in text


def test_whole_numbers_may_be_searched() -> None:
    entry = {"name": "n", "sets": "epochs", "range": {"low": 3, "high": 9, "integer": True}}
    axis = read_axis(entry, layers=())
    assert axis.domain == Range(low=3.0, high=9.0, integer=True)
    assert list(axis.extremes()) == ["3", "9"]


def test_choices_are_values_that_are_searched() -> None:
    axis = read_axis({"name": "n", "sets": "epochs", "choices": [3, 9]}, layers=())
    assert axis.searched
    assert axis.points == {"3": {"epochs": 3}, "9": {"epochs": 9}}


@pytest.mark.parametrize("forms", [{}, {"values": [1], "seeds": [1]}])
def test_an_axis_has_exactly_one_kind_of_values(forms: dict[str, object]) -> None:
    [(path, text)] = _faults({"name": "lr", "sets": "optimizer.lr", **forms})
    assert path == ""
    assert "exactly one of" in text
    assert ("values and seeds" if forms else "none") in text


@pytest.mark.parametrize("name", [None, "", 5, "a b", "a/b", "a.b", ["a"]])
def test_an_axis_has_a_plain_name(name: object) -> None:
    assert "name" in [path for path, _ in _faults({"name": name, "seeds": [1]})]


def test_all_faults_of_an_axis_come_together() -> None:
    faults = _faults({"nmae": "seed", "sets": 5, "seedz": [1]})
    assert [path for path, _ in faults] == ["nmae", "seedz", "name", "sets", ""]
    assert "did you mean 'name'" in faults[0][1]
    assert "did you mean 'seeds'" in faults[1][1]


@pytest.mark.parametrize("entry", [None, 5, "seed", ["seed"]])
def test_an_axis_is_a_mapping(entry: object) -> None:
    with pytest.raises(SpecError, match="expected an axis as a mapping"):
        read_axis(entry, layers=())


def test_single_layers_are_binary_alone_from_the_first_epoch() -> None:
    axis = read_axis(
        {"name": "layer", "sets": "layers.order", "single_layers": "all"}, layers=LAYERS
    )
    assert axis.points == {
        "1": {"layers.order": ["fc1"], "layers.epochs_per_layer": 0},
        "2": {"layers.order": ["fc2"], "layers.epochs_per_layer": 0},
        "3": {"layers.order": ["fc3"], "layers.epochs_per_layer": 0},
    }
    assert axis.own_paths == {"layers.order", "layers.epochs_per_layer"}


def test_some_single_layers_are_named_by_their_numbers() -> None:
    mapping = {"name": "layer", "sets": "layers.order", "single_layers": [3, 1]}
    assert list(read_axis(mapping, layers=LAYERS).points) == ["3", "1"]
    more = {**mapping, "controls": ["float"]}
    assert list(read_axis(more, layers=LAYERS).points) == ["float", "3", "1"]


@pytest.mark.parametrize(
    ("value", "path", "what"),
    [
        ([1, 4], "single_layers.1", "there is no layer 4; the model has 1 to 3"),
        ([0], "single_layers.0", "there is no layer 0"),
        ([True], "single_layers.0", "there is no layer True"),
        (["fc1"], "single_layers.0", "there is no layer the text 'fc1'"),
        ([2, 2], "single_layers.1", "the layer 2 appears twice"),
        ([], "single_layers", "expected all, or a list of layer numbers"),
        ("some", "single_layers", "expected all, or a list of layer numbers"),
        (1, "single_layers", "expected all, or a list of layer numbers"),
    ],
)
def test_a_layer_that_is_none_is_refused(value: object, path: str, what: str) -> None:
    mapping = {"name": "layer", "sets": "layers.order", "single_layers": value}
    [(where, said)] = _faults(mapping)
    assert where == path
    assert what in said


def test_single_layers_set_the_order_of_a_model_that_is_right() -> None:
    [(path, what)] = _faults({"name": "lr", "sets": "optimizer.lr", "single_layers": "all"})
    assert (path, what.split(",")[0]) == (
        "single_layers",
        "is for an axis with sets: layers.order",
    )
    mapping = {"name": "layer", "sets": "layers.order", "single_layers": "all"}
    assert "the base trial's model is not right" in _faults(mapping, ())[0][1]


def test_controls_alone_are_an_axis_and_nothing_at_all_is_none() -> None:
    mapping = {"name": "order", "sets": "layers.order", "permutations": [], "controls": ["binary"]}
    assert list(read_axis(mapping, layers=LAYERS).points) == ["binary"]
    [(path, what)] = _faults({**mapping, "controls": []})
    assert (path, what[:9]) == ("permutations", "is empty:")


@pytest.mark.parametrize(
    ("label", "what"),
    [
        ("", "expected a label, got the text ''"),
        (" ", "expected a label"),
        ("a\nb", "has a control character, U+000A"),
        ("a\tb", "has a control character, U+0009"),
        ("a\u2028b", "has a control character, U+2028"),
        ("\ud800", "has a control character, U+D800"),
        ("x" * 5001, "has 5,001 characters, more than 5,000; give the value a short one"),
    ],
)
@pytest.mark.parametrize("form", ["values", "choices"])
def test_a_label_that_no_line_can_hold_is_refused(label: str, what: str, form: str) -> None:
    [(path, text)] = _faults({"name": "lr", "sets": "optimizer.lr", form: {label: 0.1, "b": 0.2}})
    assert path == form
    assert what in text


@pytest.mark.parametrize(
    "label",
    [
        *(
            "on",
            "1e3",
            "a,b",
            "a=b",
            "../x",
            "[red]",
            "50%",
            "\U0001f600",
            "\u200fa",
            " a ",
            "a/b",
        ),
        *("x" * 5000, "bnn.x", "'", '"', "\\"),
    ],
)
def test_any_other_text_is_a_label(label: str) -> None:
    axis = read_axis({"name": "lr", "sets": "optimizer.lr", "values": {label: 0.1}}, layers=())
    assert list(axis.points) == [label]


@pytest.mark.parametrize(
    ("bounds", "path", "what"),
    [
        ({"low": 1.5, "high": 3}, "range.low", "expected a whole number, got 1.5"),
        ({"low": 1, "high": 2**54}, "range.high", "is beyond 9,007,199,254,740,992"),
        ({"low": -(2**54), "high": 1}, "range.low", "is beyond"),
    ],
)
def test_a_range_of_whole_numbers_has_whole_ends(
    bounds: dict[str, float], path: str, what: str
) -> None:
    [(found, text)] = _faults(
        {"name": "n", "sets": "epochs", "range": {**bounds, "integer": True}}
    )
    assert (found, what in text) == (path, True)


def test_the_ends_of_a_range_of_whole_numbers_are_whole() -> None:
    entry = {"name": "n", "sets": "epochs", "range": {"low": 3.0, "high": 1e3, "integer": True}}
    axis = read_axis(entry, layers=())
    assert list(axis.extremes()) == ["3", "1000"]
    assert {type(value) for point in axis.extremes().values() for value in point.values()} == {int}
    assert list(axis.extremes(inwards=2)) == ["5", "998"]


def test_a_range_that_no_number_can_span_is_refused() -> None:
    entry = {"name": "lr", "sets": "optimizer.lr", "range": {"low": -1e308, "high": 1e308}}
    assert _faults(entry)[0][0] == "range.high"


@pytest.mark.parametrize("name", [True, 5, 1.5])
def test_a_name_that_yaml_reads_as_something_else_is_to_be_quoted(name: object) -> None:
    assert "quote it" in dict(_faults({"name": name, "seeds": [1]}))["name"]


def test_a_control_and_a_value_have_different_labels() -> None:
    entry = {"name": "o", "sets": "layers.order", "values": {"float": ["fc1"], "a": []}}
    [(path, text)] = _faults({**entry, "controls": ["float"]})
    assert path == "controls"
    assert "float is also the label of a value" in text
