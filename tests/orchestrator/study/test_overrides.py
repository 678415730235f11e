"""`--set key.path=value`: what it reaches, and what it refuses."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.study.overrides import overridden, set_path, with_published
from orchestrator.study.yaml import read_yaml
from trainers.errors import SpecError

MakeMapping = Callable[..., dict[str, Any]]

BASE: dict[str, Any] = {
    "retries": 1,
    "base": {
        "model": {"name": "mlp", "widths": [64, 10]},
        "optimizer": {"name": "adam", "lr": 0.1},
        "epochs": 4,
    },
    "matrix": {"rows": "seed"},
}
LEAVES = ("retries", "base.model.widths", "base.optimizer.lr", "base.epochs", "matrix.rows")
NEW = ("base.optimizer.eps", "checkpoint.policy", "base.layers.order", "question")


def _at(mapping: Any, path: str) -> Any:
    for key in path.split("."):
        mapping = mapping[key]
    return mapping


def _faults(mapping: dict[str, Any], *overrides: str) -> list[tuple[str, str]]:
    with pytest.raises(SpecError, match=r"\S") as raised:
        overridden(mapping, overrides)
    return [(fault.path, f"{fault.what}; {fault.hint}") for fault in raised.value.faults]


@given(
    st.sampled_from(LEAVES + NEW),
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(min_codepoint=32, max_codepoint=126))
    | st.lists(st.integers(), max_size=3),
)
def test_a_value_that_is_set_is_the_one_that_stands_there(path: str, value: Any) -> None:
    before = copy.deepcopy(BASE)
    changed = overridden(BASE, [f"{path}={json.dumps(value)}"])
    assert _at(changed, path) == value
    assert before == BASE
    if path in LEAVES:
        back = overridden(changed, [f"{path}={json.dumps(_at(BASE, path))}"])
        assert back == BASE


def test_values_are_read_as_yaml() -> None:
    changed = overridden(
        BASE,
        ["base.optimizer.lr=1e-3", "base.model.widths=[64, 20, 10]", "question=a=b?", "retries="],
    )
    assert changed["base"]["optimizer"]["lr"] == 0.001
    assert changed["base"]["model"]["widths"] == [64, 20, 10]
    assert changed["question"] == "a=b?"
    assert changed["retries"] is None


def test_later_overrides_win() -> None:
    assert overridden(BASE, ["base.epochs=5", "base.epochs=6"])["base"]["epochs"] == 6


def test_axes_go_by_their_name_or_their_number(make_mapping: MakeMapping) -> None:
    changed = overridden(make_mapping(), ["axes.seed.seeds=[5]", "axes.0.controls=[float]"])
    assert changed["axes"][1] == {"name": "seed", "seeds": [5]}
    assert changed["axes"][0]["controls"] == ["float"]


def test_an_axis_can_be_replaced_whole() -> None:
    mapping = {"axes": [{"name": "a", "seeds": [1]}, {"name": "b", "seeds": [2]}]}
    changed = overridden(mapping, ["axes.b={name: c, seeds: [3]}"])
    assert changed["axes"] == [{"name": "a", "seeds": [1]}, {"name": "c", "seeds": [3]}]


def test_an_unknown_axis_brings_the_nearest_and_the_known(make_mapping: MakeMapping) -> None:
    [(path, text)] = _faults(make_mapping(), "axes.sede.seeds=[5]")
    assert path == "--set axes.sede.seeds=[5]"
    assert "no 'sede', did you mean 'seed'" in text
    assert "known: order, seed" in text


def test_options_can_be_added_to_a_component_that_is_only_a_name() -> None:
    mapping = {"base": {"optimizer": "adam"}}
    changed = overridden(mapping, ["base.optimizer.lr=0.5"])
    assert changed == {"base": {"optimizer": {"name": "adam", "lr": 0.5}}}


@pytest.mark.parametrize("override", ["base.epochs", "=5", "", " =5"])
def test_what_is_no_override_is_refused_with_an_example(override: str) -> None:
    [(path, text)] = _faults(BASE, override)
    assert path.startswith("--set")
    assert "expected key.path=value" in text
    assert "base.optimizer.lr=0.01" in text


def test_a_path_cannot_lead_through_a_number() -> None:
    [(path, text)] = _faults(BASE, "base.epochs.many=5")
    assert path == "--set base.epochs.many=5"
    assert "base.epochs is 4, which has no 'many'" in text


def test_broken_yaml_in_a_value_is_refused() -> None:
    [(path, text)] = _faults(BASE, "base.model.widths=[64")
    assert path == "--set base.model.widths=[64"
    assert "no readable YAML" in text


def test_all_wrong_overrides_come_together() -> None:
    assert len(_faults(BASE, "epochs", "base.epochs.x=1", "question=fine")) == 2


def test_what_an_axis_sets_anyway_cannot_be_overridden(make_mapping: MakeMapping) -> None:
    [(path, text)] = _faults(make_mapping(), "base.layers.order=[fc1]")
    assert path.startswith("--set base.layers.order")
    assert "does nothing: the axis order" in text
    [(path, text)] = _faults(make_mapping(), "base.seed=5")
    assert "does nothing: the axis seed" in text
    assert "--seeds" in text


def test_what_every_label_of_an_axis_sets_cannot_be_overridden() -> None:
    values = {"slow": {"optimizer.lr": 0.1}, "fast": {"optimizer.lr": 0.2}}
    mapping = {**BASE, "axes": [{"name": "pace", "values": values}]}
    [(path, text)] = _faults(mapping, "base.optimizer.lr=0.5")
    assert path.startswith("--set base.optimizer.lr")
    assert "does nothing: the axis pace" in text


def test_the_original_study_stays_as_it_is(make_mapping: MakeMapping) -> None:
    mapping = make_mapping()
    before = copy.deepcopy(mapping)
    overridden(mapping, ["axes.seed.seeds=[5]", "base.optimizer.lr=3"])
    assert mapping == before


def test_a_number_beyond_the_end_of_a_list_is_refused() -> None:
    with pytest.raises(SpecError, match="there is no '2'"):
        set_path({"a": [1, 2]}, ["a", "2"], 5)


def test_the_published_way_is_put_in_at_its_key_paths(make_mapping: MakeMapping) -> None:
    overlay = {
        "base.latent_at_eval": "reset",
        "base.weights.zero": 0,
        "base.data.more": {"a": 1},
        "metric.name": "best_on_test/test_error",
    }
    mapping = make_mapping(as_published=overlay)
    kept = copy.deepcopy(mapping)
    changed = with_published(mapping)
    assert {path: _at(changed, path) for path in overlay} == overlay
    assert changed["base"]["weights"]["name"] == "sign"
    assert mapping == kept


@pytest.mark.parametrize("overlay", [None, [], {}, "base.epochs", {"": 1}, {"a..b": 1}, {3: 1}])
def test_the_published_way_is_key_paths_and_values(
    overlay: object, make_mapping: MakeMapping
) -> None:
    mapping = {**make_mapping(), "as_published": overlay}
    with pytest.raises(SpecError, match="as_published: expected key paths and their values, got"):
        with_published(mapping)


def test_a_published_way_that_leads_nowhere_or_does_nothing_is_refused(
    make_mapping: MakeMapping,
) -> None:
    mapping = make_mapping(as_published={"base.epochs.many": 1, "axes.sede.seeds": [1]})
    with pytest.raises(SpecError, match="epochs is 2, which has no 'many'") as raised:
        with_published(mapping)
    paths = [fault.path for fault in raised.value.faults]
    assert paths == ["as_published.base.epochs.many", "as_published.axes.sede.seeds"]
    mapping = make_mapping(as_published={"base.seed": 1})
    with pytest.raises(SpecError, match=r"as_published\.base\.seed: does nothing: the axis seed"):
        with_published(mapping)


def test_epochs_per_layer_mean_nothing_to_single_layers(make_mapping: MakeMapping) -> None:
    layer = {"name": "layer", "sets": "layers.order", "single_layers": "all"}
    [(path, what)] = _faults(make_mapping(axes=[layer]), "base.layers.epochs_per_layer=3")
    assert path == "--set base.layers.epochs_per_layer=..."
    assert "the axis layer sets it in every trial" in what


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("base.epochs=010", "YAML reads this as 8"),
        ("base.model.widths=[010, 10]", "010: YAML reads this as 8"),
        ("base.optimizer={lr: 1, lr: 2}", "lr: the key appears twice"),
    ],
)
def test_a_value_that_cannot_be_read_has_the_whole_flag_as_its_place(
    override: str, said: str
) -> None:
    with pytest.raises(SpecError) as raised:
        overridden(BASE, [override])
    (fault,) = raised.value.faults
    assert fault.path == f"--set {override}"
    assert fault.what.startswith(said)


@pytest.mark.parametrize(("text", "number"), [("1_0", 10), ("0x10", 16), ("1e1", 10.0)])
def test_numbers_are_read_as_those_of_a_file(text: str, number: float) -> None:
    assert overridden(BASE, [f"base.epochs={text}"])["base"]["epochs"] == number
    assert read_yaml(f"epochs: {text}") == {"epochs": number}
