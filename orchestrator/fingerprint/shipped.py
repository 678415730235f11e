"""The sources that come with this version, each with the number of the results it gives.

`shipped.txt` has a line for each unit: that number, the unit's digest, its name. As long as a
trial's units are those of the list, its results are known by the highest of their numbers and not
by any digest; so code that is rewritten and trains the same bits keeps its number. Whoever changes
what a file makes of a trial gives the file a new one:

    python -m orchestrator.fingerprint.shipped                  # the same results: only rewritten
    python -m orchestrator.fingerprint.shipped engine/fit.py    # its results are others now
    python -m orchestrator.fingerprint.shipped old.py=new.py    # what had a number lies elsewhere
"""

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from orchestrator.fingerprint.sources import installed

PATH = Path(__file__).with_name("shipped.txt")
FIRST = 1


@dataclass(frozen=True, slots=True)
class Shipped:
    """A unit as it was shipped.

    Args:
        results: The number of the results it gives.
        digest: Of its source.
    """

    results: int
    digest: str


@cache
def shipped() -> Mapping[str, Shipped]:
    """The list that comes with this version, by the name of the unit."""
    return read(PATH.read_text(encoding="utf-8"))


def read(text: str) -> dict[str, Shipped]:
    """A list as `written` writes it; of one with conflicts of a merge, the higher numbers."""
    found: dict[str, Shipped] = {}
    for results, digest, name in re.findall(r"(?m)^(\d+) ([0-9a-f]+) (.+)$", text):
        unit = Shipped(int(results), digest)
        if name not in found or found[name].results < unit.results:
            found[name] = unit
    return found


def written(units: Mapping[str, Shipped]) -> str:
    """The list as text."""
    lines = (f"{unit.results} {unit.digest} {name}\n" for name, unit in sorted(units.items()))
    return "".join(lines)


def renewed(
    before: Mapping[str, Shipped],
    now: Mapping[str, str],
    *,
    changed: Sequence[str] = (),
    moved: Mapping[str, str] | None = None,
) -> dict[str, Shipped]:
    """The list for sources as they are now.

    Args:
        before: The list so far.
        now: The digest of every unit.
        changed: Files, or units, that give other results than before.
        moved: Where the code of a unit that is gone lies now.

    Raises:
        ValueError: If a name is unknown, or a unit is gone whose results have a number of their
            own, and nobody says where its code lies now.
    """
    moved = moved or {}
    files = {name.partition(":")[0] for name in now}
    for name in (*changed, *moved.values()):
        if name not in now and name not in files:
            raise ValueError(f"there is no '{name}' among the sources")
    for name in moved.keys() - before.keys():
        raise ValueError(f"{name} was not in the list, so nothing of it can be elsewhere")
    for name, unit in before.items():
        if name not in now and unit.results > FIRST and name not in moved:
            what = f"{name} is gone, and its results had number {unit.results}"
            raise ValueError(f"{what}: say where its code lies now, {name}=FILE")
    numbers = {name: before[name].results if name in before else FIRST for name in now}
    for old, new in moved.items():
        for name in _meant(new, now):
            numbers[name] = max(numbers[name], before[old].results)
    highest = max((unit.results for unit in before.values()), default=FIRST)
    numbers |= {name: highest + 1 for given in changed for name in _meant(given, now)}
    return {name: Shipped(numbers[name], digest) for name, digest in now.items()}


def _meant(given: str, units: Mapping[str, str]) -> list[str]:
    """A unit; or all of a file."""
    return [name for name in units if given in (name, name.partition(":")[0])]


def main(arguments: Sequence[str]) -> int:
    """Writes the list anew; arguments as above."""
    moved = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    changed = [argument for argument in arguments if "=" not in argument]
    before = read(PATH.read_text(encoding="utf-8")) if PATH.exists() else {}
    try:
        units = renewed(before, installed().units(), changed=changed, moved=moved)
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    PATH.write_text(written(units), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
