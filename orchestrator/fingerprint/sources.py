"""The sources of `trainers` in units, and which of them a trial uses.

A unit is a module, or one entry of a table (`MODELS`, `SOURCES`, ...): an entry more, or a change
in another one, says nothing of a trial. Imports count where what they import is used. A dictionary
that is not in `TABLES` is code like any other, with all of its entries.

Sources are read, never imported, so nothing here waits for torch.
"""

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from orchestrator.fingerprint.module import Module, Part
from orchestrator.trial_stages import stages_of

PACKAGE = "trainers"
ROOT = "trainers.training"
"""Where the training of every trial begins."""
TABLES: Mapping[str, str] = {
    "trainers.models.MODELS": "model",
    "trainers.data.SOURCES": "data",
    "trainers.data.augment.AUGMENTATIONS": "data.augment",
    "trainers.optim.optimizers.OPTIMIZERS": "optimizer",
    "trainers.optim.optimizers.LR_SCHEDULES": "lr_schedule",
    "trainers.losses.LOSSES": "loss",
    "trainers.losses.DISTILLATIONS": "distillation",
    "trainers.teachers.TEACHERS": "teacher",
    "trainers.binarize.weights.WEIGHT_BINARIZERS": "weights",
    "trainers.binarize.activations.ACTIVATION_BINARIZERS": "activations",
    "trainers.models.weight_inits.WEIGHT_INITS": "init",
}
"""The tables that a trial names entries of, and where: by `name`, or each by a key of its own."""
DEFAULTS: Mapping[str, str] = {"distillation": "none", "init": "default"}
"""The entry of a trial that says nothing there; of any other table it uses none then."""
BESIDE = frozenset({"trainers", "trainers.errors", "trainers.spec.faults"})
"""They give public names, word errors, refuse trials: what they let pass trains the same."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A module, or an entry of one of its tables.

    Args:
        module: The module.
        entry: The entry, as `MODELS.mlp`; empty: all that belongs to no entry.
    """

    module: str
    entry: str = ""


class Sources:
    """The sources in a folder, each read when it is needed.

    Args:
        folder: That of the package `trainers`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files: dict[str, str] = {}
        for path in folder.rglob("*.py"):
            file = path.relative_to(folder)
            name = ".".join([PACKAGE, *file.with_suffix("").parts])
            self._files[name.removesuffix(".__init__")] = file.as_posix()
        self._modules: dict[str, Module] = {}
        self._used: dict[tuple[Unit, ...], Mapping[str, str]] = {}

    def units(self, entries: Container[str] | None = None) -> Mapping[str, str]:
        """The digests of all units that trials use: `build.py`, `data/__init__.py:SOURCES.mnist`.

        Args:
            entries: The names of the entries that any trial names; None: all there are.
        """
        owners = {table.rpartition(".")[0] for table in TABLES}
        found = [unit for owner in owners for unit in self._entries(owner)]
        if entries is not None:
            found = [unit for unit in found if self._name(unit) in entries]
        return self._named(self._reached([Unit(ROOT), *found]))

    def used_by(self, trial: Mapping[str, Any]) -> Mapping[str, str]:
        """The same of the units that one trial uses.

        Args:
            trial: Its plain values, as `TrainSpec.to_mapping` gives them.
        """
        entries = tuple(self._entries_of(trial))
        if entries not in self._used:
            self._used[entries] = self._named(self._reached([Unit(ROOT), *entries]))
        return self._used[entries]

    def _entries_of(self, trial: Mapping[str, Any]) -> Iterator[Unit]:
        for stage in stages_of(trial):
            yield from self._entries_of_stage(stage)

    def _entries_of_stage(self, trial: Mapping[str, Any]) -> Iterator[Unit]:
        for table, path in TABLES.items():
            if path == "weights" and not trial.get("layers", {}).get("order"):
                # Nothing is binary, and the binarizer is never made.
                continue
            module, _, short = table.rpartition(".")
            known = self._module(module).tables.get(short, {})
            for name in _names_at(path, trial):
                if name in known:
                    yield Unit(module, f"{short}.{name}")

    def _named(self, units: Iterable[Unit]) -> Mapping[str, str]:
        found = {self._name(unit): self._part(unit).digest for unit in units}
        return dict(sorted(found.items()))

    def _name(self, unit: Unit) -> str:
        file = self._files[unit.module]
        return f"{file}:{unit.entry}" if unit.entry else file

    def _reached(self, first: list[Unit]) -> set[Unit]:
        reached: set[Unit] = set()
        wanted = list(first)
        while wanted:
            unit = wanted.pop()
            if unit not in reached:
                reached.add(unit)
                wanted += self._needs(unit)
        return reached

    def _needs(self, unit: Unit) -> set[Unit]:
        """The units that a unit uses; and the packages around it, which its import runs."""
        packages = unit.module.split(".")[: None if unit.entry else -1]
        around = {Unit(".".join(packages[:end])) for end in range(2, len(packages) + 1)}
        return around.union(*map(self._behind, self._part(unit).origins))

    def _behind(self, origin: str) -> set[Unit]:
        """The units behind what was imported, such as `trainers.data.splits.Split`."""
        if origin in BESIDE:
            return set()
        if origin in self._files:
            # Whoever holds a module may use all of it.
            return {Unit(origin), *self._entries(origin)}
        owner, _, name = origin.rpartition(".")
        if owner not in self._files or owner in BESIDE:
            return set()
        module = self._module(owner)
        passed_on = self._behind(module.imports[name]) if name in module.imports else set()
        entries = (
            Unit(owner, key) for key, part in module.entries.items() if name in part.private
        )
        return {Unit(owner), *entries, *passed_on}

    def _entries(self, module: str) -> list[Unit]:
        return [Unit(module, key) for key in self._module(module).entries]

    def _part(self, unit: Unit) -> Part:
        module = self._module(unit.module)
        return module.entries[unit.entry] if unit.entry else module.own

    def _module(self, name: str) -> Module:
        if name not in self._modules:
            heads = [table.rpartition(".") for table in TABLES]
            tables = frozenset(short for owner, _, short in heads if owner == name)
            self._modules[name] = Module(self.folder / self._files[name], tables)
        return self._modules[name]


def _names_at(path: str, trial: Mapping[str, Any]) -> Iterable[str]:
    """The names that a trial has there: one of an entry, or keys."""
    part: Any = trial
    for key in path.split("."):
        # A stage before may say that it has no such part.
        part = part.get(key) or {}
    if "name" in part:
        return [part["name"]]
    return part or ([DEFAULTS[path]] if path in DEFAULTS else [])


@cache
def installed() -> Sources:
    """The sources that are installed here."""
    spec = find_spec(PACKAGE)
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Sources(Path(spec.submodule_search_locations[0]))
