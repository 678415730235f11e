"""The overview of a study: what is known of all its cells at one moment, a column a fact; pure.

It is the artifact `cells.json` of the study's run, so that 10,000 cells are read at once. A file
that is not one, or is damaged, is no overview: then the runs themselves are read.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from orchestrator.vocabulary import State

VERSION: Final = 1
WAITING: Final = "waiting"
"""The state of a cell that nobody has begun."""
STATES: Final = frozenset({WAITING, *(state.value for state in State)})
MOST_POINTS: Final = 40
"""Most points of a cell's curve."""
CURVE: Final = "validation/error"
"""What the curves show; its last point is among the metrics, also while a cell runs."""
_CURVE_DIGITS = 4

Switch = tuple[int, str]
Curve = tuple[float | None, ...]
Head = Mapping[str, object]
Fragments = tuple[str, ...]


@dataclass(kw_only=True, slots=True)
class CellNow:
    """One cell as it is now.

    Args:
        labels: Axis name to label.
        epochs: Epochs planned, those of earlier stages included; 0: unknown.
        run_id: MLflow's run; None: it has none yet.
        state: One of `STATES`.
        reason: Why it failed, in one line; None: it did not.
        started: When it started, Unix time in milliseconds; None: it did not.
        ended: When it ended, likewise.
        epoch: Epochs done.
        metrics: Summaries by name, and the last point of `CURVE`.
        switches: The epoch, counted from 0, since which a layer is binary, and its name.
        curve: `CURVE` over the planned epochs in `MOST_POINTS` equal parts or fewer, as far as it
            goes; None: it is unknown.
    """

    labels: Mapping[str, str]
    epochs: int = 0
    run_id: str | None = None
    state: str = WAITING
    reason: str | None = None
    started: int | None = None
    ended: int | None = None
    epoch: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)
    switches: tuple[Switch, ...] = ()
    curve: Curve | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Overview:
    """All cells of a study's variant: columns of equal length, in the study's order.

    Args:
        study: The study's name.
        variant: The title of the variant; empty: the study is as in its file.
        written: When it was written, Unix time in milliseconds.
        axes: Names of the axes.
        metric: The metric of the study's matrix.
        run_id: As for `CellNow`, and so are the other columns.
        labels: Axis name to its column.
        metrics: Name of a metric to its column; None: the cell has none.
    """

    study: str
    variant: str
    written: int
    axes: tuple[str, ...]
    metric: str
    run_id: Sequence[str | None]
    state: Sequence[str]
    reason: Sequence[str | None]
    labels: Mapping[str, Sequence[str]]
    started: Sequence[int | None]
    ended: Sequence[int | None]
    epochs: Sequence[int]
    epoch: Sequence[int]
    metrics: Mapping[str, Sequence[float | None]]
    switches: Sequence[tuple[Switch, ...]]
    curve: Sequence[Curve | None]

    def __len__(self) -> int:
        """How many cells there are."""
        return len(self.state)

    def cells(self) -> Iterator[CellNow]:
        """The cells one by one."""
        for place, state in enumerate(self.state):
            values = ((name, column[place]) for name, column in self.metrics.items())
            yield CellNow(
                labels={axis: column[place] for axis, column in self.labels.items()},
                epochs=self.epochs[place],
                run_id=self.run_id[place],
                state=state,
                reason=self.reason[place],
                started=self.started[place],
                ended=self.ended[place],
                epoch=self.epoch[place],
                metrics={name: value for name, value in values if value is not None},
                switches=self.switches[place],
                curve=self.curve[place],
            )

    @classmethod
    def from_text(cls, text: str) -> "Overview | None":
        """Reads the file; None: it is damaged, foreign, or of another version."""
        try:
            return _checked(json.loads(text, parse_constant=_refuse))
        # Too deep a nesting is a RecursionError.
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None


def head_of(study: str, variant: str, axes: Sequence[str], metric: str) -> Head:
    """What the file says of the study; as for `Overview`."""
    return {
        "version": VERSION,
        "study": study,
        "variant": variant,
        "axes": list(axes),
        "metric": metric,
    }


def fragments(cell: CellNow, axes: Sequence[str], metrics: Sequence[str]) -> Fragments:
    """A cell's values as JSON, in the order of the columns: what is kept of a cell at rest."""
    values = (_number(cell.metrics.get(name)) for name in metrics)
    return (
        json.dumps(cell.run_id),
        json.dumps(cell.state),
        json.dumps(cell.reason),
        json.dumps(cell.started),
        json.dumps(cell.ended),
        str(cell.epochs),
        str(cell.epoch),
        json.dumps(cell.switches, separators=(",", ":")),
        "null" if not cell.curve else f"[{','.join(map(_short, cell.curve))}]",
        *(json.dumps(cell.labels.get(axis, "")) for axis in axes),
        *values,
    )


_PLAIN = ("run_id", "state", "reason", "started", "ended", "epochs", "epoch", "switches", "curve")


def text_of(head: Head, written: int, cells: Iterable[Fragments], metrics: Sequence[str]) -> str:
    """The file's text.

    Args:
        head: From `head_of`.
        written: As for `Overview`.
        cells: From `fragments`, with these metrics.
        metrics: Names of metrics; those that no cell has are left out.
    """
    columns = list(zip(*cells, strict=True))
    axes: Any = head["axes"]
    wanted = len(_PLAIN) + len(axes) + len(metrics)
    columns = columns or [()] * wanted
    joined = [f"[{','.join(column)}]" for column in columns]
    plain, rest = joined[: len(_PLAIN)], joined[len(_PLAIN) :]
    known = [
        (name, text)
        for name, text, column in zip(
            metrics, rest[len(axes) :], columns[len(_PLAIN) + len(axes) :], strict=True
        )
        if any(value != "null" for value in column)
    ]
    parts = [
        *zip(_PLAIN, plain, strict=True),
        ("labels", _object(zip(axes, rest[: len(axes)], strict=True))),
        ("metrics", _object(known)),
    ]
    start = json.dumps({**head, "written": written})
    return f'{start[:-1]}, "cells": {_object(parts)}}}\n'


def in_parts(points: Mapping[int, float], epochs: int) -> Curve:
    """A curve over the planned epochs as means of equal parts, up to the last one with a point.

    Args:
        points: Epoch, counted from 0, to value.
        epochs: Epochs planned.
    """
    num = min(MOST_POINTS, max(1, epochs))
    sums: dict[int, list[float]] = {}
    for epoch, value in points.items():
        if math.isfinite(value):
            part = min(num - 1, epoch * num // max(1, epochs))
            held = sums.setdefault(part, [0.0, 0.0])
            held[0] += value
            held[1] += 1
    last = max(sums, default=-1)
    return tuple(
        sums[part][0] / sums[part][1] if part in sums else None for part in range(last + 1)
    )


def _refuse(constant: str) -> None:
    """JSON has no NaN and no infinity, though Python reads them."""
    raise ValueError(constant)


def _number(value: float | None) -> str:
    """A number with all digits: verdicts depend on which differences are equal."""
    return "null" if value is None or not math.isfinite(value) else repr(float(value))


def _short(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return "null"
    return f"{value:.{_CURVE_DIGITS}g}"


def _object(parts: Iterable[tuple[str, str]]) -> str:
    return f"{{{', '.join(f'{json.dumps(name)}: {text}' for name, text in parts)}}}"


def _checked(whole: Any) -> Overview | None:
    """The overview that plain values are; None: they are none."""
    if type(whole["version"]) is not int or whole["version"] != VERSION:
        return None
    axes, cells = whole["axes"], whole["cells"]
    labels, metrics, size = cells["labels"], cells["metrics"], len(cells["state"])
    texts = {key: whole[key] for key in ("study", "variant", "metric")}
    columns = [*(cells[name] for name in _PLAIN), *labels.values(), *metrics.values()]
    good = (
        all(type(text) is str for text in (*texts.values(), *axes))
        and type(whole["written"]) is int
        and type(axes) is list
        and sorted(labels) == sorted(axes)
        and all(type(column) is list and len(column) == size for column in columns)
        and _are(cells["run_id"], str, None)
        and set(cells["state"]) <= STATES
        and _are(cells["reason"], str, None)
        and all(_are(cells[name], int, None) for name in ("started", "ended"))
        and all(_are(cells[name], int) for name in ("epochs", "epoch"))
        and all(_are(column, str) for column in labels.values())
        and all(_are(column, int, float, None) for column in metrics.values())
        and all(curve is None or _are(curve, int, float, None) for curve in cells["curve"])
        and all(
            type(epoch) is int and type(layer) is str
            for switches in cells["switches"]
            for epoch, layer in switches
        )
    )
    if not good:
        return None
    return Overview(
        **texts,
        written=whole["written"],
        axes=tuple(axes),
        labels=labels,
        metrics=metrics,
        switches=[tuple((epoch, layer) for epoch, layer in one) for one in cells["switches"]],
        curve=[None if one is None else tuple(one) for one in cells["curve"]],
        **{name: cells[name] for name in _PLAIN if name not in ("switches", "curve")},
    )


def _are(column: Sequence[object], *types: type | None) -> bool:
    """Whether all values are of these types; a truth is no number."""
    return set(map(type, column)) <= {type(None) if one is None else one for one in types}
