"""Two recorded cells beside each other: what differs in what they trained, and their curves."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from dashboards.recorded_run import RecordedRun
from orchestrator import vocabulary

NOT_SET = "(default)"
NOT_RECORDED = "(not recorded)"
CURVES = ("validation/error", "test/error", "train/loss")
FLIPS = vocabulary.LAYER_CURVES["signs_flipped"].format(layer="")


def spec_differences(one: RecordedRun, other: RecordedRun) -> pd.DataFrame:
    """Key paths of the trials whose values differ.

    Args:
        one: A cell.
        other: Another cell.

    Returns:
        Key path by `one` and `other`, as text; an option at its default is not recorded.
    """
    sides = [_flat(run.cell.trained) for run in (one, other)]
    return _differing(*sides, missing=NOT_SET)


def origin_differences(one: RecordedRun, other: RecordedRun) -> pd.DataFrame:
    """Commit, code, data, packages and machine where they differ.

    Packages and machine are those of the last sweep of each one's study.

    Returns:
        Name by `one` and `other`, as text.
    """
    sides = [origin(run) for run in (one, other)]
    return _differing(*sides, missing=NOT_RECORDED)


def curve_values(run: RecordedRun, name: str) -> list[float]:
    """A curve from epoch 0 on, NaN where no point is recorded.

    Args:
        run: The cell.
        name: The curve's name.
    """
    points = dict(run.curves.get(name, ()))
    return [points.get(epoch, math.nan) for epoch in range(max(points, default=-1) + 1)]


def told_apart(one: RecordedRun, other: RecordedRun, name: str) -> str:
    """Where two curves part, in words; epochs are counted from 1.

    Args:
        one: A cell.
        other: Another cell.
        name: The curve's name.
    """
    values = zip(curve_values(one, name), curve_values(other, name), strict=False)
    common = [(epoch, a, b) for epoch, (a, b) in enumerate(values, 1) if a == a and b == b]
    if not common:
        return "no epoch in common"
    apart = next((epoch for epoch, a, b in common if a != b), None)
    return f"equal in {len(common)} epochs" if apart is None else f"apart from epoch {apart} on"


def flips_by_layer(one: RecordedRun, other: RecordedRun) -> pd.DataFrame:
    """The mean share of latent signs that flip in an epoch, by layer.

    Returns:
        Layer by `one` and `other`, fractions; NaN: not recorded. No rows if neither recorded it.
    """
    sides = [
        {
            name.removeprefix(FLIPS): sum(value for _, value in points) / len(points)
            for name, points in run.curves.items()
            if name.startswith(FLIPS) and points
        }
        for run in (one, other)
    ]
    layers = list(dict.fromkeys([*sides[0], *sides[1]]))
    rows = [[side.get(layer, math.nan) for side in sides] for layer in layers]
    return pd.DataFrame(rows, index=pd.Index(layers, name="layer"), columns=["one", "other"])


def _differing(one: Mapping[str, str], other: Mapping[str, str], *, missing: str) -> pd.DataFrame:
    names = [name for name in dict.fromkeys([*one, *other]) if one.get(name) != other.get(name)]
    rows = [[side.get(name, missing) for side in (one, other)] for name in names]
    return pd.DataFrame(rows, index=pd.Index(names, name="key"), columns=["one", "other"])


def _flat(value: Any, path: str = "") -> dict[str, str]:
    if isinstance(value, Mapping) and value:
        parts = [_flat(item, f"{path}.{key}" if path else str(key)) for key, item in value.items()]
        return {name: text for part in parts for name, text in part.items()}
    if isinstance(value, list):
        return {path: f"[{', '.join(str(item) for item in value)}]"}
    return {path: str(value)} if path else {}


def origin(run: RecordedRun) -> dict[str, str]:
    """What a cell was trained with, as far as it is recorded; name to text.

    Args:
        run: The cell.
    """
    cell = run.cell
    told = {"commit": cell.commit, "code": cell.code, "data": cell.data}
    return {name: text for name, text in told.items() if text} | made_with(run.environment)


def made_with(environment: Mapping[str, Any]) -> dict[str, str]:
    """Packages and machine of an environment, flat; its commit is left out.

    Args:
        environment: What `orchestrator.environment.environment` returns, as it was recorded.
    """
    parts = dict(environment)
    # The commit of a cell is its own; that of the study's last sweep may be later.
    parts.pop("git_commit", None)
    packages = parts.pop("packages", {})
    named = packages.items() if isinstance(packages, Mapping) else ()
    return {**{str(name): str(version) for name, version in named}, **_flat(parts)}
