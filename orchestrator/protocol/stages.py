"""The protocol of a network: three studies, each built from the results of the previous one.

Stages exchange results only through MLflow: a stage reads the results of earlier stages from the
store. So a protocol can stop anywhere and resume.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import permutations
from pathlib import Path
from typing import Any

import pandas as pd

from dashboards.analysis.sensitivity import ascending
from dashboards.runs import NoResultsError
from dashboards.stages import best_of, full_matrix, table_of
from orchestrator.home import Home
from orchestrator.study.catalog import STAGE_NAMES, StudyError, load_variant, study_files
from orchestrator.study.given import Given
from orchestrator.study.order_axes import ORDER
from orchestrator.study.orders import network_of, network_orders
from orchestrator.study.spec import StudySpec
from orchestrator.study.variant import Variant
from trainers.errors import Fault, UnknownNameError
from trainers.spec.probe import model_layers

SENSITIVITY, LR, FULL = STAGE_NAMES
STAGES = (SENSITIVITY, LR, FULL)
MATRIX = "matrix"
"""The step after the stages; it trains nothing."""
RATE = "optimizer.lr"


@dataclass(frozen=True, kw_only=True, slots=True)
class Changes:
    """How a protocol differs from its files.

    Args:
        variant: The changes to every stage; an override `lr:key.path=value` applies to stage lr
            only.
        seeds: Seeds of the full runs; None: the study's own.
    """

    variant: Variant = field(default_factory=Variant)
    seeds: tuple[int, ...] | None = None

    def variant_of(self, stage: str) -> Variant:
        """The variant of one stage, with only the overrides that apply to it."""
        found: list[str] = []
        for override in self.variant.overrides:
            head, colon, rest = override.partition(":")
            if not colon or head not in STAGES:
                found.append(override)
            elif head == stage:
                found.append(rest)
        return replace(self.variant, overrides=tuple(found))


@dataclass(frozen=True, kw_only=True, slots=True)
class Sensitivities:
    """The results of stage sensitivity.

    Args:
        errors: Layer number to the lowest validation error with only that layer binary.
        rates: Layer number to the learning rate that reached this error.
        ascend: Layers from the least to the most sensitive; in a tie the lower number first.
        published: The published order named ascend; None: there is none.
        table: The errors of layer by learning rate.
    """

    errors: Mapping[int, float]
    rates: Mapping[int, str]
    ascend: tuple[int, ...]
    published: tuple[int, ...] | None
    table: pd.DataFrame

    @property
    def descend(self) -> tuple[int, ...]:
        """The reverse of `ascend`, as published."""
        return self.ascend[::-1]

    @property
    def kendall_tau(self) -> float | None:
        """Rank correlation with the published order: 1 if equal, -1 if reversed."""
        if self.published is None:
            return None
        places = [
            pd.Series({layer: place for place, layer in enumerate(order)}, dtype=float)
            for order in (self.ascend, self.published)
        ]
        return float(places[0].corr(places[1], method="kendall"))

    def to_json(self) -> str:
        """The orders as JSON, with the numbers behind them."""
        content: dict[str, Any] = {
            "ascend": list(self.ascend),
            "descend": list(self.descend),
            "validation_error": {str(layer): error for layer, error in self.errors.items()},
            "lr": {str(layer): rate for layer, rate in self.rates.items()},
            "published_ascend": list(self.published) if self.published else None,
            "kendall_tau": self.kendall_tau,
        }
        return json.dumps(content, indent=1)


def networks() -> tuple[str, ...]:
    """The networks that have a study for each stage."""
    names = study_files()
    heads = [name.removesuffix(f"-{FULL}") for name in names if name.endswith(f"-{FULL}")]
    return tuple(head for head in heads if all(f"{head}-{stage}" in names for stage in STAGES))


def is_network(name: str) -> bool:
    """Whether a word names a network rather than a study; one that is both names the study.

    Args:
        name: As typed; a path names a network if the file of its full runs is there.
    """
    if "/" not in name:
        return name not in study_files() and name in networks()
    is_file = name.endswith((".yaml", ".yml"))
    return not is_file and Path(f"{name}-{FULL}.yaml").expanduser().is_file()


def name_of(network: str) -> str:
    """A network's name; of a path, what its files' names begin with."""
    return Path(network).name


def check_network(name: str) -> None:
    """Checks that a network has a study for each stage.

    Raises:
        StudyError: With the nearest names.
    """
    if "/" in name or name in networks():
        return
    there = [stage for stage in STAGES if f"{name}-{stage}" in study_files()]
    if there:
        what = f"'{name}' has no complete protocol: it has only the stages {', '.join(there)}"
        hint = f"sweep {name}-{there[0]}; complete protocols: {', '.join(networks())}"
        raise StudyError(name, Fault("", what, hint))
    error = UnknownNameError("network", name, networks())
    raise StudyError(name, *error.faults)


def load_stage(
    network: str, stage: str, changes: Changes, given: Given | None = None
) -> StudySpec:
    """Loads the study of a stage.

    Args:
        network: A name as for `check_network`; a path `./mine` means `./mine-lr.yaml` and so on.
        stage: One of `STAGES`.
        changes: How the protocol differs from its files.
        given: Results of earlier stages; the study keeps only the orders that it names.

    Raises:
        StudyError: With every fault.
    """
    name = f"{network}-{stage}.yaml" if "/" in network else f"{network}-{stage}"
    study = load_variant(
        name,
        replace(changes.variant_of(stage), given=given or Given()),
        seeds=changes.seeds if stage == FULL else None,
        is_given=given is not None,
    )
    given = study.variant.given
    if not given:
        return study
    rows = next(axis for axis in study.axes if axis.name == study.matrix.rows)
    used = {label: order for label, order in given.orders.items() if label in rows.points}
    return replace(study, variant=replace(study.variant, given=replace(given, orders=used)))


def given_for(network: str, stage: str, changes: Changes, home: Home) -> Given:
    """Reads the results of earlier stages that a stage needs from MLflow.

    Raises:
        StudyError: If a study has faults.
        NoResultsError: If an earlier stage lacks results that are needed.
    """
    if stage == SENSITIVITY:
        return Given()
    earlier = SENSITIVITY
    try:
        found = sensitivities(load_stage(network, SENSITIVITY, changes), home)
        given = Given(orders={"ascend": found.ascend, "descend": found.descend})
        if stage == LR:
            return given
        earlier = LR
        search = load_stage(network, LR, changes, given)
        rates = best_rates(search, home)
    except NoResultsError as error:
        raise NoResultsError(f"{error}; run stage {earlier} first") from error
    full = load_stage(network, FULL, changes, given)
    rows = next(axis for axis in full.axes if axis.name == full.matrix.rows).points
    missing = [row for row in rows if row not in rates]
    if missing:
        what = f"no learning rate was found for {', '.join(missing)}: no cell of it is finished"
        raise NoResultsError(f"{network}, stage {LR}: {what}")
    # The values behind the label have all digits, and may set more than the rate.
    points = next(axis for axis in search.axes if axis.name == LR).points
    return replace(given, rows={row: points[rates[row][0]] for row in rows})


def sensitivities(study: StudySpec, home: Home) -> Sensitivities:
    """Reads the results of stage sensitivity from MLflow.

    Source: arXiv:2111.07046, sec. 4; the published code leaves the ranking to the reader.

    Raises:
        NoResultsError: If a layer has no finished cell.
    """
    table = table_of(study, home.tracking_uri, column="lr")
    best = best_of(table)
    layers = model_layers(study.base.model)
    missing = [str(number) for number in range(1, len(layers) + 1) if str(number) not in best]
    if missing:
        what = f"no cell with only layer {', '.join(missing)} binary is finished"
        raise NoResultsError(f"{study.name}: {what}")
    errors = {number: best[str(number)][1] for number in range(1, len(layers) + 1)}
    network = network_of(study.base.model, num_layers=len(layers))
    known = network_orders(network).published if network else {}
    return Sensitivities(
        errors=errors,
        rates={number: best[str(number)][0] for number in errors},
        ascend=ascending(errors),
        published=known.get("ascend"),
        table=table,
    )


def best_rates(study: StudySpec, home: Home) -> dict[str, tuple[str, float]]:
    """Row to the learning rate with the lowest validation error, and that error.

    Raises:
        NoResultsError: If no cell is finished.
    """
    return best_of(table_of(study, home.tracking_uri, column="lr"))


def matrices(
    names: Sequence[str], changes: Changes, home: Home
) -> dict[str, tuple[StudySpec, pd.DataFrame]]:
    """Network to the study of its full runs, and the matrix of that study.

    Raises:
        NoResultsError: If a network has no finished full run.
    """
    found: dict[str, tuple[StudySpec, pd.DataFrame]] = {}
    for name in names:
        study = load_stage(name, FULL, changes, given_for(name, FULL, changes, home))
        found[name] = study, full_matrix(study, home.tracking_uri)
    return found


def rates_of(study: StudySpec) -> dict[str, str]:
    """Row to the given learning rate, as tables show it."""
    return {
        row: f"{point[RATE]:g}" for row, point in study.variant.given.rows.items() if RATE in point
    }


def unmeasured(network: str, changes: Changes) -> Given:
    """Placeholder orders for checks and estimates before stage sensitivity.

    All orders cost the same, but rows that begin alike share what they train. So these begin as no
    other row does, if the network has enough layers, or are at least no other row's order.
    """
    layers = model_layers(load_stage(network, SENSITIVITY, changes).base.model)
    forward = tuple(range(1, len(layers) + 1))
    given = _both(forward)
    full = load_stage(network, FULL, changes, given)
    rows = next(axis for axis in full.axes if axis.name == full.matrix.rows).points
    orders = [point.get(ORDER) for row, point in rows.items() if row not in given.orders]
    taken = {
        tuple(layers.index(layer) + 1 for layer in order)
        for order in orders
        if isinstance(order, list) and order
    }
    ends = [layer for layer in forward if layer not in {order[0] for order in taken}]
    if len(ends) > 1:
        first, last, *_ = ends
        return _both((first, *(num for num in forward if num not in (first, last)), last))
    free = (order for order in permutations(forward) if not {order, order[::-1]} & taken)
    return _both(next(free, forward))


def _both(ascend: tuple[int, ...]) -> Given:
    return Given(orders={"ascend": ascend, "descend": ascend[::-1]})
