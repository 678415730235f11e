"""Names in messages: the nearest to one that is not known, and the first of many.

`trainers.errors` has the like for specs; what reads MLflow alone does not know `trainers`.
"""

import difflib
from collections.abc import Sequence

MOST_NAMES = 20
"""Most names that are listed."""
NEAR = 0.5
"""How much of two names must be the same for one to be meant by the other."""


def nearest(name: str, known: Sequence[str]) -> str | None:
    """The known name that is most like this one; None if none is near."""
    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=NEAR)), None)


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """A clause with the nearest name; empty if none is near."""
    near = nearest(name, known)
    return f", did you mean '{near}'?" if near is not None else ""


def some_of(names: Sequence[str]) -> str:
    """Names in one line; of many the first, and how many more there are."""
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more:,} more" if more > 0 else "")
