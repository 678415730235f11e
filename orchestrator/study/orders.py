"""Named layer orders: those published for each network, and those that follow a rule."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from orchestrator.study.shipped import config_folder
from orchestrator.study.yaml import read_yaml_file
from trainers.binding import Component
from trainers.errors import Fault, SpecError, choose, did_you_mean

ALIASES: Mapping[str, str] = {"mnist300": "mlp3", "mnist784": "mlp3"}
"""Networks that use the file of another network."""
RANDOM = "random:"
"""`random:7` draws an order from seed 7; plain `random` is the published random order."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Orders:
    """The named orders of a network.

    Args:
        num_layers: Number of layers of the network.
        rotations: Whether a layer's number names the order that starts at that layer and wraps
            around.
        published: The published orders by name.
    """

    num_layers: int
    rotations: bool
    published: Mapping[str, tuple[int, ...]]

    @property
    def names(self) -> tuple[str, ...]:
        """All names except `random:SEED`."""
        numbered = range(1, self.num_layers + 1) if self.rotations else ()
        return ("forward", "reverse", *self.published, *(str(number) for number in numbered))


def named_order(network: str, name: str) -> tuple[int, ...]:
    """The order of this name, as layer numbers counted from 1 in forward order.

    Args:
        network: A file of `configs/orders/`: mlp3 (also mnist300, mnist784), vgg5, vgg9,
            resnet20, resnet21.
        name: forward, reverse, ascend, descend, random, 132, ...; a layer's number where the
            network has rotations; `random:SEED` for one drawn from a seed.

    Raises:
        UnknownNameError: If there is no such network.
        SpecError: If the network has no order of that name.
    """
    orders = network_orders(network)
    forward = tuple(range(1, orders.num_layers + 1))
    if name in ("forward", "reverse"):
        return forward if name == "forward" else forward[::-1]
    if name in orders.published:
        return orders.published[name]
    if name.startswith(RANDOM):
        return random_order(orders.num_layers, seed=_seed(name))
    if orders.rotations and name in orders.names:
        return forward[int(name) - 1 :] + forward[: int(name) - 1]
    what = f"'{network}' has no order '{name}'{did_you_mean(name, orders.names)}"
    raise SpecError(Fault("", what, f"known: {', '.join(orders.names)}, {RANDOM}SEED"))


def network_of(model: Component, *, num_layers: int) -> str | None:
    """The network whose named orders fit a model; None: it has no named orders."""
    name = "mlp3" if model.name == "mlp" and num_layers == 3 else model.name
    return name if name in _files() else None


def random_order(num_layers: int, *, seed: int) -> tuple[int, ...]:
    """Draws an order from a seed, uniformly."""
    # Only here, so that reading a study's file does not wait for torch.
    import torch

    from trainers.seeding import generator

    drawn = torch.randperm(num_layers, generator=generator(seed, "layer order"))
    return tuple(int(index) + 1 for index in drawn)


@cache
def network_orders(network: str) -> Orders:
    """The named orders of a network.

    Raises:
        UnknownNameError: If the network has no file of orders.
    """
    files = _files()
    known = {**files, **{alias: files[name] for alias, name in ALIASES.items() if name in files}}
    content = read_yaml_file(choose("network", known, network))
    published: Mapping[str, Sequence[int]] = content["orders"] or {}
    return Orders(
        num_layers=content["layers"],
        rotations=content["rotations"],
        published={str(name): tuple(order) for name, order in published.items()},
    )


def _files() -> dict[str, Path]:
    return {path.stem: path for path in sorted((config_folder() / "orders").glob("*.yaml"))}


def _seed(name: str) -> int:
    text = name.removeprefix(RANDOM)
    if not text.isdecimal():
        raise SpecError(Fault("", f"'{name}' has no seed", f"write {RANDOM} and a number"))
    return int(text)
