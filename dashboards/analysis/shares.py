"""Tickets: error against the share of weights that is kept, beside random subnets and dense."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Literal

import pandas as pd

from dashboards.analysis.trials import Trial, ViewError, trials_of
from dashboards.chosen import Chosen
from dashboards.runs import StudyRuns
from dashboards.statistics import summarise
from orchestrator import vocabulary

Kind = Literal["ticket", "random", "dense"]
KINDS: tuple[Kind, ...] = ("dense", "ticket", "random")
Groups = dict[tuple[Kind, str], dict[float, list[Trial]]]
"""Series, by kind and what its trials have in common, to share to trials."""
NEEDS = "tickets that keep two shares of their weights or more"
KEPT = {"biprop": 0.5, "biprop_fixed": 0.5, "biprop_global": 0.5}
"""Binarizers that keep a share of the weights, and the share if a trial names none."""
UNTRAINED = ("biprop_fixed",)
"""Those of them whose choice of weights is never trained."""


def share_curves(runs: StudyRuns, shown: Chosen) -> pd.DataFrame:
    """The metric of tickets, random subnets and dense networks by the share that is kept.

    Trials of one series differ in nothing but the share and the seed.

    Args:
        runs: The recorded study.
        shown: The cells, and the metric.

    Returns:
        One line for each series and share: `series`, `kind` (dense, ticket, random), `keep` (in
        (0, 1]; 1 for dense networks), `mean`, `std`, `n`, `best`; shares from large to small.

    Raises:
        ViewError: If there are no tickets of two shares.
    """
    groups: Groups = {}
    for trial in trials_of(runs, shown):
        told = _kind(trial)
        if told is None:
            continue
        kind, keep = told
        same = json.dumps(_rest(trial), sort_keys=True)
        groups.setdefault((kind, same), {}).setdefault(keep, []).append(trial)
    if not any(len(shares) > 1 for (kind, _), shares in groups.items() if kind == "ticket"):
        raise ViewError(f"{runs.title} lacks {NEEDS} with finished cells")
    names = _names(groups, runs.tags.get(vocabulary.OVER_AXIS, ""))
    lines = []
    for (kind, same), shares in groups.items():
        series = names[kind, same]
        for keep, trials in shares.items():
            found = summarise([trial.value for trial in trials], better=shown.better)
            lines.append([series, kind, keep, found.mean, found.std, found.n, found.best, same])
    columns = ["series", "kind", "keep", "mean", "std", "n", "best", "same"]
    frame = pd.DataFrame(lines, columns=columns)
    place = frame["kind"].map({kind: number for number, kind in enumerate(KINDS)})
    frame = frame.assign(place=place).sort_values(
        ["place", "series", "same", "keep"], ascending=[True, True, True, False]
    )
    frame = frame.drop(columns=["place", "same"]).reset_index(drop=True)
    frame.attrs = {"title": runs.title, "metric": shown.metric, "better": shown.better}
    return frame


def _kind(trial: Trial) -> tuple[Kind, float] | None:
    """What a trial trains, and the share that it keeps; None: something else."""
    if not trial.order:
        return "dense", 1.0
    name = str(trial.weights.get("name"))
    if name not in KEPT:
        return None
    keep = trial.weights.get("keep", KEPT[name])
    is_random = trial.weights.get("train_scores") is False or name in UNTRAINED
    return ("random" if is_random else "ticket"), float(keep) if _is_number(keep) else math.nan


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _rest(trial: Trial) -> dict[str, object]:
    """What trials of one series have in common."""
    if not trial.order:
        return dict(trial.rest)
    options = {key: at for key, at in trial.weights.items() if key not in ("keep", "train_scores")}
    return {**trial.rest, "weights": options, "pace": trial.epochs_per_layer}


def _names(groups: Groups, over: str) -> dict[tuple[Kind, str], str]:
    """The kind of each series, and the labels by which it differs from others of its kind."""
    shares: dict[tuple[str, str], set[float]] = {}
    for group in groups.values():
        for keep, trials in group.items():
            for trial in trials:
                for place in trial.labels.items():
                    shares.setdefault(place, set()).add(keep)
    # An axis whose labels stand for one share each says nothing more than the share.
    of_shares = {axis for axis, _ in shares} - {
        axis for (axis, _), kept in shares.items() if len(kept) > 1
    }
    for left_out in ({over} | of_shares, {over}):
        names = {key: _name(key[0], groups[key], groups, left_out) for key in groups}
        if len(set(names.values())) == len(names):
            break
    return names


def _name(
    kind: Kind, shares: Mapping[float, Sequence[Trial]], groups: Groups, left_out: set[str]
) -> str:
    if sum(other == kind for other, _ in groups) == 1:
        return kind
    trials = [trial for group in shares.values() for trial in group]
    labels = trials[0].labels
    told = [
        labels[axis]
        for axis in labels
        if axis not in left_out and all(trial.labels.get(axis) == labels[axis] for trial in trials)
    ]
    return " · ".join([kind, *told])
