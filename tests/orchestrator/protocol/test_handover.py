"""What the stages of a protocol hand on, through the store alone."""

import json
import math
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from dashboards.runs import NoResultsError
from orchestrator.home import Home
from orchestrator.protocol import stages
from orchestrator.protocol.stages import (
    FULL,
    LR,
    SENSITIVITY,
    Changes,
    best_rates,
    given_for,
    load_stage,
    matrices,
    rates_of,
    sensitivities,
)
from orchestrator.study.expansion import expand
from orchestrator.study.given import Given
from orchestrator.study.orders import Orders
from orchestrator.study.variant import Variant
from orchestrator.vocabulary import State

pytestmark = pytest.mark.slow

Files = Callable[..., str]
Record = Callable[..., None]

PLAIN = Changes()
# Layer 2 suffers least, then layer 3; the columns say with which rate.
MEASURED = {"1 0.1": 0.5, "1 0.01": 0.3, "2 0.1": 0.1, "2 0.01": 0.4, "3 0.01": 0.2}
ORDERS = Given(orders={"ascend": (2, 3, 1), "descend": (1, 3, 2)})
SEARCHED = {
    **{"float 0.1": 0.05, "float 0.01": 0.06, "binary 0.1": 0.3, "binary 0.01": 0.2},
    **{"forward 0.1": 0.25, "ascend 0.01": 0.15, "ascend 0.1": 0.14, "descend 0.01": 0.35},
}
BEST = {"float": 0.1, "binary": 0.01, "forward": 0.1, "ascend": 0.1, "descend": 0.01}


def test_layers_are_ranked_by_their_best_rate(
    protocol_files: Files, record: Record, home: Home
) -> None:
    study = load_stage(protocol_files(), SENSITIVITY, PLAIN)
    record(study, MEASURED)
    found = sensitivities(study, home)
    assert found.errors == {1: 0.3, 2: 0.1, 3: 0.2}
    assert found.rates == {1: "0.01", 2: "0.1", 3: "0.01"}
    assert (found.ascend, found.descend) == ((2, 3, 1), (1, 3, 2))
    assert found.published is None
    assert list(found.table.columns) == ["0.1", "0.01"]


def test_of_equal_layers_the_lower_number_comes_first(
    protocol_files: Files, record: Record, home: Home
) -> None:
    study = load_stage(protocol_files(), SENSITIVITY, PLAIN)
    record(study, {"3 0.1": 0.25, "2 0.01": 0.25, "1 0.1": 0.5, "1 0.01": 0.25})
    assert sensitivities(study, home).ascend == (1, 2, 3)


def test_more_than_nine_layers_are_ranked_by_number_and_not_by_text(
    protocol_files: Files, record: Record, home: Home
) -> None:
    layers = {str(number): [f"fc{number}"] for number in range(1, 12)}
    base = {
        "model": {"name": "mlp", "widths": [64, *[4] * 10, 10]},
        "data": {"name": "digits", "batch_size": 64},
        "optimizer": {"name": "adam", "lr": 0.1},
        "epochs": 1,
    }
    rate = {"name": "lr", "sets": "optimizer.lr", "values": [0.1]}
    axes = [{"name": "layer", "sets": "layers.order", "values": layers}, rate]
    study = load_stage(
        protocol_files(sensitivity={"base": base, "axes": axes}), SENSITIVITY, PLAIN
    )
    record(study, {f"{number} 0.1": 0.5 if number == 1 else 0.25 for number in range(1, 12)})
    assert sensitivities(study, home).ascend == (*range(2, 12), 1)


@pytest.mark.parametrize(("published", "tau"), [((2, 3, 1), 1.0), ((1, 3, 2), -1.0)])
def test_the_ranking_is_compared_with_the_published_one(
    published: tuple[int, ...],
    tau: float,
    protocol_files: Files,
    record: Record,
    home: Home,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    orders = Orders(num_layers=3, rotations=False, published={"ascend": published})
    monkeypatch.setattr(stages, "network_orders", lambda network: orders)
    study = load_stage(protocol_files(), SENSITIVITY, PLAIN)
    record(study, MEASURED)
    found = sensitivities(study, home)
    assert found.published == published
    assert found.kendall_tau == pytest.approx(tau)


@pytest.mark.parametrize("state", [State.FAILED, State.RUNNING, State.FINISHED])
def test_a_layer_without_a_result_is_named(
    state: State, protocol_files: Files, record: Record, home: Home
) -> None:
    study = load_stage(protocol_files(), SENSITIVITY, PLAIN)
    record(study, {"2 0.1": 0.25})
    worth = math.nan if state == State.FINISHED else 0.125
    record(study, {"1 0.1": worth, "3 0.1": worth}, state=state)
    what = "net-sensitivity: no cell with only layer 1, 3 binary is finished"
    with pytest.raises(NoResultsError, match=what):
        sensitivities(study, home)


def test_the_best_rate_of_a_row_is_that_of_lowest_error(
    protocol_files: Files, record: Record, home: Home
) -> None:
    study = load_stage(protocol_files(), LR, PLAIN, ORDERS)
    record(study, SEARCHED)
    found = best_rates(study, home)
    assert {row: float(rate) for row, (rate, _) in found.items()} == BEST
    assert found["binary"] == ("0.01", 0.2)


def test_cells_without_a_number_or_an_end_have_no_rate(
    protocol_files: Files, record: Record, home: Home
) -> None:
    study = load_stage(protocol_files(), LR, PLAIN, ORDERS)
    record(study, {"float 0.1": math.nan, "float 0.01": 0.5, "binary 0.1": 0.25})
    record(study, {"binary 0.01": 0.125, "forward 0.1": 0.125}, state=State.FAILED)
    record(study, {"ascend 0.1": math.nan})
    assert best_rates(study, home) == {"float": ("0.01", 0.5), "binary": ("0.1", 0.25)}


def test_the_rates_stage_takes_the_measured_orders(
    protocol_files: Files, record: Record, home: Home
) -> None:
    network = protocol_files()
    record(load_stage(network, SENSITIVITY, PLAIN), MEASURED)
    given = given_for(network, LR, PLAIN, home)
    assert given == ORDERS
    study = load_stage(network, LR, PLAIN, given)
    orders = {cell.labels["order"]: cell.train.layers.order for cell in expand(study)}
    assert orders["ascend"] == ("fc2", "fc3", "fc1")
    assert orders["descend"] == ("fc1", "fc3", "fc2")
    assert orders["forward"] == orders["binary"] == ("fc1", "fc2", "fc3")


@pytest.fixture
def measured(protocol_files: Files, record: Record) -> str:
    """A network of which the first two stages are recorded."""
    network = protocol_files()
    record(load_stage(network, SENSITIVITY, PLAIN), MEASURED)
    record(load_stage(network, LR, PLAIN, ORDERS), SEARCHED)
    return network


def test_the_full_stage_takes_orders_and_a_rate_for_each_row(measured: str, home: Home) -> None:
    given = given_for(measured, FULL, PLAIN, home)
    assert given.orders == ORDERS.orders
    assert given.rows == {row: {"optimizer.lr": rate} for row, rate in BEST.items()}
    study = load_stage(measured, FULL, PLAIN, given)
    rates = {(cell.labels["order"], cell.train.optimizer.options["lr"]) for cell in expand(study)}
    assert rates == set(BEST.items())
    assert rates_of(study) == {row: f"{rate:g}" for row, rate in BEST.items()}


def test_a_row_without_a_rate_is_named_with_its_stage(
    protocol_files: Files, record: Record, home: Home
) -> None:
    network = protocol_files()
    record(load_stage(network, SENSITIVITY, PLAIN), MEASURED)
    some = {name: error for name, error in SEARCHED.items() if "scend" not in name}
    record(load_stage(network, LR, PLAIN, ORDERS), some)
    what = r"net, stage lr: no learning rate was found for ascend, descend: no cell of it is fin"
    with pytest.raises(NoResultsError, match=what):
        given_for(network, FULL, PLAIN, home)


@pytest.mark.parametrize(
    ("recorded", "stage", "missing"),
    [
        ({}, LR, "sensitivity"),
        ({}, FULL, "sensitivity"),
        ({SENSITIVITY: {"2 0.1": 0.25}}, FULL, "sensitivity"),
        ({SENSITIVITY: MEASURED}, FULL, "lr"),
    ],
    ids=["nothing", "nothing for full", "some layers", "no rates"],
)
def test_a_stage_that_was_not_run_is_named_with_what_to_do(
    recorded: Mapping[str, Mapping[str, float]],
    stage: str,
    missing: str,
    protocol_files: Files,
    record: Record,
    home: Home,
) -> None:
    network = protocol_files()
    for earlier, errors in recorded.items():
        record(load_stage(network, earlier, PLAIN), errors)
    with pytest.raises(NoResultsError, match=rf"net-{missing}.*; run stage {missing} first$"):
        given_for(network, stage, PLAIN, home)


def test_a_store_that_is_not_there_is_not_made(protocol_files: Files, tmp_path: Path) -> None:
    nowhere = Home.at(tmp_path / "nowhere")
    with pytest.raises(NoResultsError, match=r"no results in .*; run stage sensitivity first"):
        given_for(protocol_files(), LR, PLAIN, nowhere)
    assert not nowhere.root.exists()


def test_scaled_results_feed_no_full_protocol_nor_the_other_way_round(
    measured: str, home: Home
) -> None:
    with pytest.raises(NoResultsError, match=r"recorded: net-sensitivity; run stage sensit"):
        given_for(measured, LR, Changes(variant=Variant(epoch_scale="0.5")), home)
    with pytest.raises(NoResultsError, match=r"recorded: net-sensitivity; run stage sensit"):
        given_for(measured, LR, Changes(variant=Variant(overrides=("base.epochs=40",))), home)


def test_a_full_protocol_takes_nothing_from_a_scaled_one(
    protocol_files: Files, record: Record, home: Home
) -> None:
    network, scaled = protocol_files(), Changes(variant=Variant(epoch_scale="0.5"))
    record(load_stage(network, SENSITIVITY, scaled), MEASURED)
    assert given_for(network, LR, scaled, home) == ORDERS
    what = r"is finished; the store has net-sensitivity · 0.5 of the epochs; run stage"
    with pytest.raises(NoResultsError, match=what):
        given_for(network, LR, PLAIN, home)


def test_rates_found_for_other_orders_do_not_count(
    measured: str, record: Record, home: Home
) -> None:
    # Layer 3 does better with a rate that came later: ascend is another order now.
    record(load_stage(measured, SENSITIVITY, PLAIN), {"3 0.1": 0.05})
    given = given_for(measured, LR, PLAIN, home)
    assert given.orders["ascend"] == (3, 2, 1)
    with pytest.raises(NoResultsError, match=r"net-lr.*; run stage lr first"):
        given_for(measured, FULL, PLAIN, home)


def test_nothing_is_handed_on_but_through_the_store(measured: str, home: Home) -> None:
    here = given_for(measured, FULL, PLAIN, home)
    assert given_for(measured, FULL, PLAIN, Home(home.root, home.tracking_uri)) == here
    # Neither the folder of results nor this process has a part in it.
    elsewhere = Home(home.root.parent / "elsewhere", home.tracking_uri)
    assert given_for(measured, FULL, PLAIN, elsewhere) == here
    script = (
        "import json, sys; from orchestrator.home import Home;"
        "from orchestrator.protocol.stages import Changes, given_for;"
        "found = given_for(sys.argv[1], 'full', Changes(), Home.at('none', sys.argv[2]));"
        "print(json.dumps(found.to_mapping()))"
    )
    line = [sys.executable, "-c", script, measured, home.tracking_uri]
    done = subprocess.run(line, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == here.to_mapping()
    assert not Path("none").exists()
    assert not elsewhere.root.exists()


def test_the_matrix_is_that_of_the_runs_which_the_store_asks_for(
    measured: str, record: Record, home: Home
) -> None:
    with pytest.raises(NoResultsError, match="has no results of a study 'net-full'"):
        matrices([measured], PLAIN, home)
    given = given_for(measured, FULL, PLAIN, home)
    record(load_stage(measured, FULL, PLAIN, given), {"float 1": 0.1, "forward 1": 0.2})
    record(load_stage(measured, FULL, PLAIN, ORDERS), {"float 1": 0.9})
    ((study, matrix),) = matrices([measured], PLAIN, home).values()
    assert study.variant.given == given
    assert dict(matrix["mean"]) == {"float": 0.1, "forward": 0.2}
    assert matrix.attrs["title"] == "net-full · as its protocol found"


def test_several_networks_have_a_matrix_each(
    protocol_files: Files, record: Record, home: Home
) -> None:
    names = [protocol_files("one"), protocol_files("two")]
    for name, error in zip(names, (0.25, 0.5), strict=True):
        record(load_stage(name, SENSITIVITY, PLAIN), MEASURED)
        record(load_stage(name, LR, PLAIN, ORDERS), SEARCHED)
        given = given_for(name, FULL, PLAIN, home)
        record(load_stage(name, FULL, PLAIN, given), {"binary 2": error})
    found = matrices(names, PLAIN, home)
    assert list(found) == names
    assert [matrix.loc["binary", "mean"] for _, matrix in found.values()] == [0.25, 0.5]
