"""How cells and rows are called, after the labels of their axes; pure."""

from collections.abc import Mapping, Sequence

JOINT = " · "
"""Between two labels of a name."""


def name_of(labels: Mapping[str, str]) -> str:
    """Labels as a person reads them: `reverse · seed 316`.

    Args:
        labels: Axis name to label, in the order of the study's axes.
    """
    parts = (f"{axis} {label}" if _is_bare(label) else label for axis, label in labels.items())
    return JOINT.join(parts)


def row_of(labels: Mapping[str, str], rows_axis: str, over_axis: str) -> tuple[str, ...]:
    """The labels of a cell's row in the matrix, with those of further axes.

    Args:
        labels: Axis name to label.
        rows_axis: The axis whose labels are the rows.
        over_axis: The axis over which a row has several cells; empty: none.
    """
    others = sorted(axis for axis in labels if axis not in (rows_axis, over_axis))
    return (labels.get(rows_axis, ""), *(f"{axis} {labels[axis]}" for axis in others))


def row_name(row: Sequence[str]) -> str:
    """A row's labels as one text."""
    return JOINT.join(row)


def _is_bare(label: str) -> bool:
    """Whether a label is a bare number, which needs its axis's name to be understood."""
    return label.replace(".", "", 1).replace("e-", "", 1).isdecimal()
