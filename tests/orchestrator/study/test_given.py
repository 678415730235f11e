"""What a study takes over from an earlier one."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator import vocabulary
from orchestrator.record.conflicts import parent_tags
from orchestrator.study.axes import read_axis
from orchestrator.study.catalog import StudyError, load_study
from orchestrator.study.expansion import expand
from orchestrator.study.given import Given, read_given, with_rows
from orchestrator.study.spec import StudySpec, cell_key
from trainers.errors import SpecError

MakeStudy = Callable[..., StudySpec]

LAYERS = ("fc1", "fc2", "fc3")
BOTH = {"orders": {"ascend": [2, 1]}, "rows": {"forward": {"optimizer.lr": 0.5}}}
NAMED = [
    {"name": "order", "sets": "layers.order", "permutations": ["forward", "ascend"]},
    {"name": "seed", "seeds": [1]},
]


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (None, r"^expected {orders: ..., rows: ...}, got nothing$"),
        ([1], r"^expected {orders: ..., rows: ...}, got the list \[1\]$"),
        ("ascend", r"^expected {orders: ..., rows: ...}, got the text 'ascend'$"),
        ({"ordres": {}}, r"^ordres: unknown key, did you mean 'orders'\?; known: orders, rows$"),
        ({"orders": [2, 1]}, r"^orders: expected a mapping by name, got the list \[2, 1\]$"),
        ({"rows": 0.1}, r"^rows: expected a mapping by name, got 0.1$"),
        ({"orders": {"a": "21"}}, r"^orders.a: expected a list, got the text '21'$"),
        ({"orders": {"a": ["fc1"]}}, r"^orders.a.0: expected a whole number, got the text 'fc1'$"),
        ({"orders": {"a": [1, 2.0]}}, r"^orders.a.1: expected a whole number, got 2.0$"),
        (
            {"orders": {"a": [1, 1]}},
            r"^orders.a: the list \[1, 1\] is no order of layers 1 to 2; such as \[3, 1, 2\]$",
        ),
        ({"orders": {"a": [0, 1]}}, r"is no order of layers 1 to 2"),
        (
            {"rows": {"a": {}}},
            r"^rows.a: expected key paths and values, got .*; such as {optimizer.lr: 0.01}$",
        ),
        ({"rows": {"a": 0.1}}, r"^rows.a: expected key paths and values, got 0.1"),
        ({"rows": {"a": {1: 2}}}, r"^rows.a: expected key paths and values, got the mapping"),
    ],
    ids=str,
)
def test_a_fault_of_the_key_is_told_with_its_place(value: object, what: str) -> None:
    with pytest.raises(SpecError, match=what):
        read_given(value)


def test_all_faults_come_at_once() -> None:
    wrong = {"orders": {"a": [1, 1], "b": [2]}, "rows": {"c": 1}, "columns": {}}
    with pytest.raises(SpecError, match="columns: unknown key") as raised:
        read_given(wrong)
    assert [fault.path for fault in raised.value.faults] == [
        *("columns", "orders.a", "orders.b", "rows.c"),
    ]


def test_what_is_read_is_written_as_it_was() -> None:
    given = read_given(BOTH)
    assert given == Given(orders={"ascend": (2, 1)}, rows={"forward": {"optimizer.lr": 0.5}})
    assert given.to_mapping() == BOTH
    assert read_given(json.loads(json.dumps(given.to_mapping()))) == given


@pytest.mark.parametrize("value", [{}, {"orders": {}}, {"rows": {}}])
def test_nothing_given_is_nothing(value: object) -> None:
    assert not read_given(value)
    assert read_given(value) == Given()


@pytest.mark.parametrize("key", ["orders", "rows"])
def test_either_part_is_something(key: str) -> None:
    assert read_given({key: BOTH[key]})


def test_a_given_order_comes_before_a_published_one_of_that_name() -> None:
    axis = {"name": "order", "sets": "layers.order", "permutations": ["231", "312"]}
    orders = {"231": (1, 3, 2)}
    read = read_axis(axis, layers=LAYERS, network="mlp3", orders=orders)
    assert read.points == {
        "231": {"layers.order": ["fc1", "fc3", "fc2"]},
        "312": {"layers.order": ["fc3", "fc1", "fc2"]},
    }
    published = read_axis(axis, layers=LAYERS, network="mlp3")
    assert published.points["231"] == {"layers.order": ["fc2", "fc3", "fc1"]}


def test_a_given_order_needs_no_network() -> None:
    axis = {"name": "order", "sets": "layers.order", "permutations": ["ascend"]}
    read = read_axis(axis, layers=LAYERS, orders={"ascend": (3, 1, 2)})
    assert read.points == {"ascend": {"layers.order": ["fc3", "fc1", "fc2"]}}


def test_an_order_of_another_number_of_layers_is_refused(make_study: MakeStudy) -> None:
    what = "axes.order.permutations.1: the order given for ascend has 3 layers, not 2"
    with pytest.raises(SpecError, match=what):
        make_study(axes=NAMED, given={"orders": {"ascend": [3, 1, 2]}})


def test_a_name_for_which_no_order_is_given_is_refused(make_study: MakeStudy) -> None:
    with pytest.raises(SpecError, match=r"permutations.1: the text 'ascend' is no order"):
        make_study(axes=NAMED, given={"orders": {"descend": [2, 1]}})


def test_rows_set_values_beside_their_axis(make_study: MakeStudy) -> None:
    study = make_study(axes=NAMED, given=BOTH)
    points = study.axes[0].points
    assert points == {
        "forward": {"layers.order": ["fc1", "fc2"], "optimizer.lr": 0.5},
        "ascend": {"layers.order": ["fc2", "fc1"]},
    }
    found = {cell.labels["order"]: cell.train for cell in expand(study)}
    assert {row: train.optimizer.options["lr"] for row, train in found.items()} == {
        "forward": 0.5,
        "ascend": 0.01,
    }
    assert found["ascend"].layers.order == ("fc2", "fc1")


def test_only_the_rows_of_the_matrix_take_values(make_study: MakeStudy) -> None:
    study = make_study(given={"rows": {"1": {"optimizer.lr": 0.5}}}, matrix={"rows": "seed"})
    assert study.axes[1].points["1"] == {"seed": 1, "optimizer.lr": 0.5}
    assert not any("optimizer.lr" in point for point in study.axes[0].points.values())


def test_controls_take_values_as_other_rows_do(make_study: MakeStudy) -> None:
    study = make_study(given={"rows": {"float": {"optimizer.lr": 0.25}}})
    rates = {cell.labels["order"]: cell.train.optimizer.options["lr"] for cell in expand(study)}
    assert rates == {"float": 0.25, "binary": 0.01, "forward": 0.01, "reverse": 0.01}


def test_an_unknown_row_brings_the_nearest(make_study: MakeStudy) -> None:
    what = r"given.rows.forwrd: unknown row 'forwrd', did you mean 'forward'\?; known: binary, fl"
    with pytest.raises(SpecError, match=what):
        make_study(given={"rows": {"forwrd": {"optimizer.lr": 0.5}}})


def test_each_unknown_row_is_told() -> None:
    axis = read_axis(NAMED[1], layers=LAYERS)
    given = Given(rows={"1": {"epochs": 3}, "2": {"epochs": 3}, "3": {"epochs": 3}})
    with pytest.raises(SpecError, match="unknown row '2'") as raised:
        with_rows(axis, given)
    assert [fault.path for fault in raised.value.faults] == ["rows.2", "rows.3"]


def test_a_row_may_not_set_what_another_axis_sets(make_study: MakeStudy) -> None:
    with pytest.raises(SpecError, match=r"axes.seed: sets seed, which axis order sets too"):
        make_study(given={"rows": {"forward": {"seed": 3}}})


def test_a_row_that_sets_an_unknown_key_is_refused_with_its_row(
    tmp_path: Path, make_mapping: Callable[..., dict[str, Any]]
) -> None:
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(make_mapping(given={"rows": {"float": {"optimizer.rl": 1}}})))
    with pytest.raises(StudyError, match=r"order=float.*rl: unknown.*did you mean 'lr'"):
        load_study(path)


def test_faults_of_the_key_come_with_those_of_the_rest(make_study: MakeStudy) -> None:
    with pytest.raises(SpecError, match=r"given.orders.a: the list") as raised:
        make_study(given={"orders": {"a": [1, 1]}}, retries=-1)
    assert [fault.path for fault in raised.value.faults] == ["given.orders.a", "retries"]


def test_the_variant_is_what_it_was_where_nothing_is_given(make_study: MakeStudy) -> None:
    # The hash from before studies took anything over: recorded results stay where they are.
    assert make_study().variant_id == "dbefb1a83966c321"
    assert make_study(given={}).variant_id == "dbefb1a83966c321"
    assert make_study(given={"orders": {}, "rows": {}}).variant_id == "dbefb1a83966c321"


def test_other_given_values_are_another_variant(make_study: MakeStudy) -> None:
    rate = {"optimizer.lr": 0.5}
    given: list[dict[str, Any]] = [
        {},
        {"orders": {"ascend": [2, 1]}},
        {"orders": {"ascend": [1, 2]}},
        {"rows": {"forward": rate}},
        {"rows": {"reverse": rate}},
        {"rows": {"forward": {"optimizer.lr": 0.25}}},
        {"orders": {"ascend": [2, 1]}, "rows": {"forward": rate}},
    ]
    variants = [make_study(given=value).variant_id for value in given]
    assert len(set(variants)) == len(given)
    assert [make_study(given=value).variant_id for value in given] == variants


def test_the_variant_does_not_depend_on_the_order_of_keys(make_study: MakeStudy) -> None:
    rows = {"forward": {"optimizer.lr": 0.5, "epochs": 3}, "float": {"optimizer.lr": 0.1}}
    turned = {label: dict(reversed(point.items())) for label, point in reversed(rows.items())}
    one, two = make_study(given={"rows": rows}), make_study(given={"rows": turned})
    assert one.variant_id == two.variant_id


def test_a_study_that_takes_something_over_grows_by_seeds(make_study: MakeStudy) -> None:
    study = make_study(given={"rows": {"forward": {"optimizer.lr": 0.5}}})
    assert study.with_seeds((1, 2, 3)).variant_id == study.variant_id


def test_a_trial_is_known_by_its_values_wherever_they_come_from(
    make_study: MakeStudy, make_mapping: Callable[..., dict[str, Any]]
) -> None:
    given = make_study(
        axes=NAMED,
        given={
            "orders": {"ascend": [2, 1]},
            "rows": {"forward": {"optimizer.lr": 0.5}, "ascend": {"optimizer.lr": 0.5}},
        },
    )
    base = make_mapping()["base"] | {"optimizer": {"name": "adam", "lr": 0.5}}
    plain = make_study(base=base)
    ids = {cell.labels["order"]: cell.id for cell in expand(plain) if cell.labels["seed"] == "1"}
    assert {cell.labels["order"]: cell.id for cell in expand(given)} == {
        "forward": ids["forward"],
        "ascend": ids["reverse"],
    }


def test_a_rate_as_a_whole_number_is_the_same_trial(make_study: MakeStudy) -> None:
    one = make_study(given={"rows": {"float": {"optimizer.lr": 1}}})
    two = make_study(given={"rows": {"float": {"optimizer.lr": 1.0}}})
    assert [cell.id for cell in expand(one)] == [cell.id for cell in expand(two)]


def test_the_same_trial_given_is_a_cell_of_its_own(make_study: MakeStudy) -> None:
    plain = make_study()
    given = make_study(given={"rows": {"forward": {"optimizer.lr": 0.01}}})
    cells = list(zip(expand(plain), expand(given), strict=True))
    assert all(one.id == two.id for one, two in cells)
    assert all(cell_key(plain, one) != cell_key(given, two) for one, two in cells)


def test_the_run_of_a_study_says_what_it_took_over(make_study: MakeStudy) -> None:
    study = make_study(axes=NAMED, given=BOTH)
    assert json.loads(parent_tags(study)[vocabulary.GIVEN]) == BOTH
    assert study.title == "tiny · as its protocol found"
    assert parent_tags(make_study())[vocabulary.GIVEN] == ""
    assert make_study().title == "tiny"


def test_what_a_protocol_gives_takes_the_place_of_the_files_own(
    tmp_path: Path, make_mapping: Callable[..., dict[str, Any]]
) -> None:
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(make_mapping(axes=NAMED, given=BOTH)))
    assert load_study(path).variant.given == read_given(BOTH)
    other = Given(orders={"ascend": (1, 2)})
    study = load_study(path, given=other)
    assert study.variant.given == other
    assert study.axes[0].points["ascend"] == {"layers.order": ["fc1", "fc2"]}
    with pytest.raises(StudyError, match=r"permutations.1: the text 'ascend' is no order"):
        load_study(path, given=Given())
