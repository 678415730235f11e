"""A protocol by name: its networks, its files, and the ranking of layers."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from orchestrator.home import Home
from orchestrator.planning.planning import plan
from orchestrator.protocol import stages
from orchestrator.protocol.stages import (
    FULL,
    LR,
    SENSITIVITY,
    Changes,
    Sensitivities,
    check_network,
    given_for,
    is_network,
    load_stage,
    networks,
    unmeasured,
)
from orchestrator.study.catalog import StudyError
from orchestrator.study.expansion import expand
from orchestrator.study.given import Given
from orchestrator.study.orders import named_order
from orchestrator.study.variant import Variant

Files = Callable[..., str]

PLAIN = Changes()
ORDERS = Given(orders={"ascend": (2, 3, 1), "descend": (1, 3, 2)})


def _found(ascend: tuple[int, ...], *, published: tuple[int, ...] | None = None) -> Sensitivities:
    return Sensitivities(
        errors={number: number / 8 for number in ascend},
        rates=dict.fromkeys(ascend, "0.1"),
        ascend=ascend,
        published=published,
        table=pd.DataFrame(),
    )


def test_descend_is_ascend_turned_round() -> None:
    assert _found((2, 3, 1)).descend == (1, 3, 2)


@pytest.mark.parametrize("network", ["vgg5", "vgg9", "resnet20", "resnet21"])
def test_the_published_order_agrees_with_itself_and_least_with_its_reverse(
    network: str,
) -> None:
    published = named_order(network, "ascend")
    assert _found(published, published=published).kendall_tau == pytest.approx(1)
    assert _found(published[::-1], published=published).kendall_tau == pytest.approx(-1)


@pytest.mark.parametrize(
    ("ascend", "tau"),
    [
        # Of the six pairs of four layers, this many stand the other way round: 0, 1, 2, 3, 5.
        ((4, 2, 1, 3), 1.0),
        ((4, 1, 2, 3), 4 / 6),
        ((1, 4, 2, 3), 2 / 6),
        ((1, 4, 3, 2), 0.0),
        ((3, 1, 4, 2), -4 / 6),
    ],
)
def test_kendall_tau_counts_pairs_of_layers(ascend: tuple[int, ...], tau: float) -> None:
    assert _found(ascend, published=(4, 2, 1, 3)).kendall_tau == pytest.approx(tau)


def test_without_a_published_order_there_is_no_tau() -> None:
    found = _found((2, 3, 1))
    assert found.kendall_tau is None
    content = json.loads(found.to_json())
    assert (content["published_ascend"], content["kendall_tau"]) == (None, None)


def test_the_orders_are_written_with_the_numbers_they_come_from() -> None:
    assert json.loads(_found((2, 3, 1), published=(3, 2, 1)).to_json()) == {
        "ascend": [2, 3, 1],
        "descend": [1, 3, 2],
        "validation_error": {"2": 0.25, "3": 0.375, "1": 0.125},
        "lr": {"2": "0.1", "3": "0.1", "1": "0.1"},
        "published_ascend": [3, 2, 1],
        "kendall_tau": pytest.approx(1 / 3),
    }


@pytest.fixture
def shipped(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Ships studies of these names."""

    def ship(*names: str) -> None:
        files = {name: Path(f"{name}.yaml") for name in names}
        monkeypatch.setattr(stages, "study_files", lambda: files)

    return ship


def _whole(*heads: str) -> list[str]:
    return [f"{head}-{stage}" for head in heads for stage in stages.STAGES]


def test_a_network_has_a_study_for_each_stage(shipped: Callable[..., None]) -> None:
    shipped(*_whole("mnist300", "vgg5"), "vgg9-full", "vgg9-lr", "digits-orders", "full")
    assert networks() == ("mnist300", "vgg5")
    check_network("vgg5")


def test_a_word_is_a_network_unless_it_is_a_study_or_a_file(
    shipped: Callable[..., None], protocol_files: Files
) -> None:
    shipped(*_whole("vgg5", "both"), "both")
    assert is_network("vgg5")
    assert not any(map(is_network, ("both", "vgg5-full", "xyzzy")))
    network = protocol_files()
    assert is_network(network)
    assert not any(map(is_network, (f"{network}-full.yaml", "./nothing")))


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("vgg", r"unknown network 'vgg', did you mean 'vgg5'\?; known: mnist300, vgg5"),
        ("xyzzy", r"unknown network 'xyzzy'; known: mnist300, vgg5"),
        ("vgg5-lr", r"unknown network 'vgg5-lr', did you mean 'vgg5'"),
        (
            "vgg9",
            r"'vgg9' has no complete protocol: it has only the stages lr, full; "
            r"sweep vgg9-lr; complete protocols: mnist300, vgg5",
        ),
    ],
)
def test_a_network_without_a_protocol_brings_those_that_have_one(
    name: str, what: str, shipped: Callable[..., None]
) -> None:
    shipped(*_whole("mnist300", "vgg5"), "vgg9-full", "vgg9-lr")
    with pytest.raises(StudyError, match=what) as raised:
        check_network(name)
    assert raised.value.source == name
    assert not raised.value.hint


def test_a_path_stands_for_three_files_beside_each_other(protocol_files: Files) -> None:
    network = protocol_files()
    check_network(network)
    assert load_stage(network, SENSITIVITY, PLAIN).name == "net-sensitivity"
    assert load_stage(network, LR, PLAIN, ORDERS).source == Path("./net-lr.yaml")


def test_a_path_without_one_of_the_files_is_refused(protocol_files: Files) -> None:
    network = protocol_files(lr=None)
    with pytest.raises(StudyError, match="no such file") as raised:
        load_stage(network, LR, PLAIN, ORDERS)
    assert raised.value.source == "./net-lr.yaml"


def test_seeds_are_for_the_full_runs_alone(protocol_files: Files) -> None:
    network, changes = protocol_files(), Changes(seeds=(7, 8, 9))
    for stage in (SENSITIVITY, LR):
        study = load_stage(network, stage, changes, ORDERS if stage == LR else None)
        assert {cell.train.seed for cell in expand(study)} == {316}
    full = load_stage(network, FULL, changes, ORDERS)
    assert {cell.train.seed for cell in expand(full)} == {7, 8, 9}


def test_epochs_are_scaled_and_overrides_put_in_at_every_stage(protocol_files: Files) -> None:
    network = protocol_files()
    changes = Changes(variant=Variant(overrides=("base.data.batch_size=32",), epoch_scale="0.5"))
    for stage, epochs in {SENSITIVITY: 2, LR: 3, FULL: 6}.items():
        study = load_stage(network, stage, changes, None if stage == SENSITIVITY else ORDERS)
        assert {cell.train.epochs for cell in expand(study)} == {epochs}
        assert {cell.train.data.batch_size for cell in expand(study)} == {32}
        assert study.variant.overrides == changes.variant.overrides


def test_an_override_of_one_stage_stays_out_of_the_others() -> None:
    overrides = ("epochs=3", "lr:epochs=5", "full:base.seed=1", "key=a:b")
    changes = Changes(variant=Variant(overrides=overrides))
    assert {stage: changes.variant_of(stage).overrides for stage in (SENSITIVITY, LR, FULL)} == {
        SENSITIVITY: ("epochs=3", "key=a:b"),
        LR: ("epochs=3", "epochs=5", "key=a:b"),
        FULL: ("epochs=3", "base.seed=1", "key=a:b"),
    }


def test_a_stage_takes_over_only_the_orders_that_it_names(protocol_files: Files) -> None:
    network = protocol_files(
        lr={"axes": [_order_axis("forward", "descend"), _rates_axis(0.1)]},
        full={"axes": [_order_axis("forward"), {"name": "seed", "seeds": [1]}]},
    )
    assert load_stage(network, LR, PLAIN, ORDERS).variant.given.orders == {"descend": (1, 3, 2)}
    assert not load_stage(network, FULL, PLAIN, ORDERS).variant.given
    # So an order that changes leaves a study alone that does not train it.
    other = Given(orders={"ascend": (3, 2, 1), "descend": (1, 3, 2)})
    first, second = (load_stage(network, LR, PLAIN, given) for given in (ORDERS, other))
    assert first.variant_id == second.variant_id


def test_what_is_not_measured_yet_begins_as_no_other_row(protocol_files: Files) -> None:
    given = unmeasured(protocol_files(), PLAIN)
    assert given == Given(orders={"ascend": (2, 1, 3), "descend": (3, 1, 2)})


def test_where_rows_have_all_orders_the_placeholders_are_two_of_them() -> None:
    given = unmeasured("digits", PLAIN)
    assert given == Given(orders={"ascend": (1, 2, 3), "descend": (3, 2, 1)})


@pytest.mark.parametrize(
    ("network", "stage", "epochs"), [("vgg5", LR, 15750), ("vgg5", FULL, 26250)]
)
def test_placeholders_share_nothing_with_other_rows(network: str, stage: str, epochs: int) -> None:
    study = load_stage(network, stage, PLAIN, unmeasured(network, PLAIN))
    assert len({cell.id for cell in study.trials}) == len(study.trials)
    assert plan(study).epochs == epochs


def test_placeholders_are_other_orders_even_if_every_layer_comes_first_somewhere(
    protocol_files: Files,
) -> None:
    axis = {
        "name": "order",
        "sets": "layers.order",
        "permutations": ["forward", "reverse", [2, 1, 3], "ascend", "descend"],
    }
    network = protocol_files(full={"axes": [axis, {"name": "seed", "seeds": [1]}]})
    given = unmeasured(network, PLAIN)
    assert given == Given(orders={"ascend": (1, 3, 2), "descend": (2, 3, 1)})


def test_the_first_stage_takes_nothing_over(protocol_files: Files, home: Home) -> None:
    assert not given_for(protocol_files(), SENSITIVITY, PLAIN, home)


def _order_axis(*orders: str) -> dict[str, Any]:
    return {"name": "order", "sets": "layers.order", "permutations": list(orders)}


def _rates_axis(*rates: float) -> dict[str, Any]:
    return {"name": "lr", "sets": "optimizer.lr", "values": list(rates)}
