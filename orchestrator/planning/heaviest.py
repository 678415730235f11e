"""Which trials need the most memory, judged by the work of one step; pure."""

import json
from collections.abc import Iterable

from orchestrator.planning.flops import forward_flops
from trainers.spec.train_spec import TrainSpec


def heaviest(trials: Iterable[TrainSpec], *, most: int) -> list[TrainSpec]:
    """One trial for each network, data set with its batches, and precision; most work first.

    Args:
        trials: The trials.
        most: Most trials to return.
    """
    kinds: dict[str, TrainSpec] = {}
    for train in trials:
        mapping = train.to_mapping()
        kind = [mapping.get(key) for key in ("model", "data", "precision")]
        kinds.setdefault(json.dumps(kind, sort_keys=True, default=str), train)
    return sorted(kinds.values(), key=_step_work, reverse=True)[:most]


def _step_work(train: TrainSpec) -> float:
    """Floating point operations of the forward pass of one batch."""
    return forward_flops(train.model, train.data.source) * train.data.batch_size
