"""Layer orders by name."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import named_order
from orchestrator.study.axes import read_axis
from orchestrator.study.orders import network_of, network_orders, random_order
from trainers.binding import Component
from trainers.errors import SpecError, UnknownNameError
from trainers.models import MODELS
from trainers.spec.probe import model_layers

# What the published code's order files say, by network and name, as layer numbers from 1.
PUBLISHED = json.loads((Path(__file__).parent / "golden" / "layer_orders.json").read_text())


@pytest.mark.parametrize(
    ("network", "name"), [(network, name) for network in PUBLISHED for name in PUBLISHED[network]]
)
def test_a_named_order_is_the_published_one(network: str, name: str) -> None:
    assert named_order(network, name) == tuple(PUBLISHED[network][name])


def test_no_name_is_offered_that_was_not_published() -> None:
    for network, orders in PUBLISHED.items():
        assert set(network_orders(network).names) == set(orders)


def test_descend_is_ascend_backwards() -> None:
    for network in ("vgg5", "vgg9", "resnet20", "resnet21"):
        assert named_order(network, "descend") == named_order(network, "ascend")[::-1]


def test_both_networks_on_mnist_share_their_orders() -> None:
    for name in ("132", "reverse"):
        assert named_order("mnist300", name) == named_order("mnist784", name)


@given(st.integers(1, 40), st.integers(0, 2**31))
def test_a_drawn_order_has_every_layer_once(num_layers: int, seed: int) -> None:
    drawn = random_order(num_layers, seed=seed)
    assert sorted(drawn) == list(range(1, num_layers + 1))
    assert drawn == random_order(num_layers, seed=seed)


def test_drawn_orders_differ_by_seed_and_stay_what_they_were() -> None:
    assert named_order("vgg9", "random:3") == (6, 7, 9, 2, 8, 3, 1, 4, 5)
    assert named_order("vgg9", "random:4") != named_order("vgg9", "random:3")


def test_an_unknown_order_is_refused_with_those_there_are() -> None:
    with pytest.raises(SpecError, match="'vgg5' has no order 'asc', did you mean 'ascend'"):
        named_order("vgg5", "asc")
    with pytest.raises(SpecError, match="no order 'random'"):
        named_order("resnet21", "random")
    with pytest.raises(SpecError, match="has no seed"):
        named_order("vgg5", "random:x")
    with pytest.raises(SpecError, match="no order '1'"):
        named_order("mlp3", "1")


def test_an_unknown_network_is_refused_with_those_there_are() -> None:
    with pytest.raises(UnknownNameError, match="unknown network 'vgg7', did you mean"):
        named_order("vgg7", "forward")


@pytest.mark.parametrize("network", ["vgg5", "vgg9", "resnet20", "resnet21"])
def test_every_network_with_orders_has_as_many_layers_as_they_say(network: str) -> None:
    assert network in MODELS
    layers = model_layers(Component(network))
    assert len(layers) == network_orders(network).num_layers
    assert network_of(Component(network), num_layers=len(layers)) == network


def test_a_model_without_published_orders_has_none() -> None:
    assert network_of(Component("mlp", {"widths": (8, 4, 2)}), num_layers=2) is None
    assert network_of(Component("resnet32"), num_layers=32) is None


def test_an_axis_takes_the_named_orders_of_its_network() -> None:
    layers = model_layers(Component("vgg5"))
    text = {
        "name": "order",
        "sets": "layers.order",
        "permutations": ["ascend", 3, "random:1", "54321"],
    }
    axis = read_axis(text, layers=layers, network="vgg5")
    assert list(axis.points) == ["ascend", "3", "random:1", "reverse"]
    assert axis.points["3"]["layers.order"] == [layers[i - 1] for i in (3, 4, 5, 1, 2)]
    with pytest.raises(SpecError, match="no order of layers 1 to 5"):
        read_axis(text, layers=layers)
