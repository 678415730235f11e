"""Chooses whose inputs stay real in a binary network, by what binary ones lose; pure."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from orchestrator.planning.flops import layer_flops
from trainers.binding import Component
from trainers.engine.layer_errors import LayerErrors
from trainers.errors import Fault, SpecError


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """How many of the worst layers keep real inputs; exactly one of the first three is given.

    Args:
        keep: This many.
        budget: Worst first, as long as their share of the network's multiply-accumulates is at
            most this, in [0, 1]. The first layer that does not fit ends it.
        threshold: All whose measure is above this.
        measure: The measure, a field of `LayerErrors`.

    Raises:
        SpecError: If a number is wrong for every network.
    """

    keep: int | None = None
    budget: float | None = None
    threshold: float | None = None
    measure: str = "rmse"

    def __post_init__(self) -> None:
        """Refuses numbers that are wrong for every network."""
        if self.keep is not None and self.keep < 1:
            raise SpecError(Fault("--keep", f"must be 1 or more, got {self.keep}"))
        if self.budget is not None and not 0 <= self.budget <= 1:
            raise SpecError(Fault("--budget", f"must be between 0 and 1, got {self.budget}"))
        if self.threshold is not None and math.isnan(self.threshold):
            raise SpecError(Fault("--threshold", "must be a number, got nan"))

    def chosen(
        self, errors: Mapping[str, LayerErrors], shares: Mapping[str, float]
    ) -> tuple[str, ...]:
        """The layers whose inputs stay real, in layer order: some, but not all.

        Args:
            errors: What each binary input loses, in layer order.
            shares: Each layer's share of the multiply-accumulates.

        Raises:
            SpecError: If the rule chooses no layer, or all of them.
        """
        worst = worst_first(errors, self.measure)
        if len(worst) < 2:
            what = f"{len(worst)} layers with binary inputs have a finite {self.measure}"
            raise SpecError(Fault("", what, "a hybrid network needs two or more"))
        if self.keep is not None:
            chosen = worst[: self._checked_count(len(worst))]
        elif self.budget is not None:
            chosen = self._within(self.budget, worst, shares)
        else:
            chosen = self._above(worst, errors)
        if len(chosen) == len(worst):
            flag = "--threshold" if self.budget is None else "--budget"
            what = "would keep every input real, which is the control"
            raise SpecError(Fault(flag, what, f"or say --keep N, N from 1 to {len(worst) - 1}"))
        return tuple(layer for layer in errors if layer in chosen)

    def _checked_count(self, num: int) -> int:
        assert self.keep is not None
        if self.keep < num:
            return self.keep
        why = f"the network has {num} layers with binary inputs"
        if self.keep == num:
            why = "keeps every input real, which is the control"
        what, hint = f"{self.keep}: {why}", f"use a number from 1 to {num - 1}"
        raise SpecError(Fault("--keep", what, hint))

    def _within(
        self, budget: float, worst: tuple[str, ...], shares: Mapping[str, float]
    ) -> tuple[str, ...]:
        spent, num = 0.0, 0
        for layer in worst:
            spent += shares[layer]
            # Sums of shares are rounded; 1 shall hold them all.
            if spent > budget + 1e-9:
                break
            num += 1
        if not num:
            least = math.ceil(1000 * shares[worst[0]]) / 1000
            what = f"proposes nothing: {worst[0]}, the worst layer by {self.measure}, has "
            what += f"{shares[worst[0]]:.1%} of the multiply-accumulates"
            raise SpecError(Fault("--budget", what, f"use {least:g} or more"))
        return worst[:num]

    def _above(self, worst: tuple[str, ...], errors: Mapping[str, LayerErrors]) -> tuple[str, ...]:
        assert self.threshold is not None
        value = {layer: getattr(errors[layer], self.measure) for layer in worst}
        above = tuple(layer for layer in worst if value[layer] > self.threshold)
        if not above:
            what = f"proposes nothing: no layer's {self.measure} is above {self.threshold:g}"
            hint = f"the largest is {value[worst[0]]:.4g}, of {worst[0]}"
            raise SpecError(Fault("--threshold", what, hint))
        return above


def worst_first(errors: Mapping[str, LayerErrors], measure: str) -> tuple[str, ...]:
    """The layers by falling measure; equal ones in layer order, those without a value left out.

    Args:
        errors: What each binary input loses, in layer order.
        measure: A field of `LayerErrors`.
    """
    values = {layer: getattr(error, measure) for layer, error in errors.items()}
    known = [layer for layer, value in values.items() if math.isfinite(value)]
    return tuple(sorted(known, key=lambda layer: -values[layer]))


def shares_of(model: Component, data: Component, places: Iterable[str]) -> dict[str, float]:
    """The share of a network's multiply-accumulates whose input is that of each place, in [0, 1].

    Args:
        model: The network.
        data: The data set, for the size of its images.
        places: Layers, or blocks: of a block what no other place within it names.
    """
    flops = layer_flops(model, data)
    total = sum(flops.values())
    shares = dict.fromkeys(places, 0.0)
    for layer, num in flops.items():
        around = [place for place in shares if f"{layer}.".startswith(f"{place}.")]
        if around:
            shares[max(around, key=len)] += num / total
    return shares
