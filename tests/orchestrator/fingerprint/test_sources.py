"""Which sources count for a trial, and which do not."""

import dataclasses
import importlib
import importlib.util
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import trainers
from orchestrator.fingerprint.sources import BESIDE, ROOT, TABLES, Sources, installed
from trainers import TrainSpec
from trainers.binarize.activations import ACTIVATION_BINARIZERS
from trainers.binding import Component
from trainers.data import SOURCES
from trainers.data.augment import AUGMENTATIONS
from trainers.data.variation import Variation
from trainers.spec.added import Teacher
from trainers.spec.tables import COMPONENTS
from trainers.teachers import TEACHERS

Change = Callable[..., Sources]
PICTURES: Mapping[str, Any] = {
    "name": "image_folder", "folder": "pictures", "size": 8, "channels": 1, "batch_size": 64,
    "mean": [0.5], "std": [0.5],
}  # fmt: skip
TRIAL: Mapping[str, Any] = {
    "model": {"name": "mlp"},
    "data": {"name": "digits", "augment": {"flip": True}},
    "optimizer": {"name": "adam", "lr": 0.01},
    "lr_schedule": {"name": "constant"},
    "loss": {"name": "cross_entropy"},
    "weights": {"name": "sign"},
    "layers": {"order": ["fc1"]},
}


def _whole(**changes: Any) -> TrainSpec:
    """A trial that names an entry of every table."""
    return TrainSpec.from_mapping(
        {
            "model": {"name": "mlp", "widths": [64, 8, 10]},
            "data": {**PICTURES, "augment": {"gaussian": {}}},
            "optimizer": {"name": "adam", "lr": 0.01},
            "layers": {"order": ["fc1", "fc2"]},
            "init": {"name": "ones"},
            "activations": {"name": "sign"},
            "teacher": {"file": "teacher.safetensors", "sha256": 64 * "0"},
            "distillation": {"name": "kl"},
            "epochs": 1,
            **changes,
        }
    )


def _named(part: object) -> set[str]:
    """The entries of tables that a spec holds, wherever it does."""
    if isinstance(part, Component):
        return {part.name}.union(*map(_named, part.options.values()))
    if not dataclasses.is_dataclass(part):
        return set()
    own = {part.kind} if isinstance(part, Variation) else set()
    own |= {part.name} if isinstance(part, Teacher) else set()
    return own.union(*(_named(getattr(part, item.name)) for item in dataclasses.fields(part)))


def _looked_up(spec: TrainSpec) -> dict[str, str]:
    """The entries that are taken as used, by the table."""
    used = (name.rpartition(":")[2] for name in installed().used_by(spec.to_mapping()))
    return dict(name.split(".", 1) for name in used if "." in name and name[0].isupper())


def test_every_entry_that_a_trial_names_is_looked_up() -> None:
    """Fails where a spec gets a part from a table that `TABLES` does not have."""
    found = _looked_up(_whole())
    assert set(found.values()) == _named(_whole())
    assert found.keys() == {table.rpartition(".")[2] for table in TABLES}


def test_an_entry_that_a_trial_takes_by_default_is_looked_up_too() -> None:
    nobody = {"teacher": None, "distillation": "none"}
    spec = _whole(
        init="default", activations="none", **nobody, data={"name": "digits", "batch_size": 64}
    )
    found = _looked_up(spec)
    assert found["WEIGHT_INITS"] == "default"
    assert found["DISTILLATIONS"] == "none"
    assert "TEACHERS" not in found
    assert set(found.values()) == _named(spec)


def test_the_entries_of_a_stage_before_are_looked_up_too() -> None:
    before = {"activations": "leaky_clip", "before": {"data": {"augment": {"mixup": {}}}}}
    alone, staged = (
        set(installed().used_by(_whole(**more).to_mapping())) for more in ({}, {"before": before})
    )
    more = {name.rpartition(":")[2] for name in staged - alone}
    assert "ACTIVATION_BINARIZERS.leaky_clip" in more
    # What the stage before does without is still used by the trial.
    without = {"activations": None, "teacher": None, "distillation": "none"}
    found = set(installed().used_by(_whole(before=without).to_mapping()))
    assert {name.rpartition(":")[2] for name in found - alone} == {"DISTILLATIONS.none"}


def test_a_trial_that_is_never_binary_uses_no_binarizer() -> None:
    spec = _whole(weights={"name": "mcdonnell"}, layers={"order": []})
    assert "WEIGHT_BINARIZERS" not in _looked_up(spec)
    assert _named(spec) - set(_looked_up(spec).values()) == {"mcdonnell"}


def test_every_table_is_found_with_all_of_its_entries() -> None:
    units = installed().units()
    tables = [table for _, table in COMPONENTS.values()]
    tables += [SOURCES, ACTIVATION_BINARIZERS, AUGMENTATIONS, TEACHERS]
    for name in TABLES:
        module, _, short = name.rpartition(".")
        table = getattr(importlib.import_module(module), short)
        assert any(table is known for known in tables)
        for entry in table:
            assert any(unit.endswith(f":{short}.{entry}") for unit in units), entry
    assert len(TABLES) == len(tables)


def test_training_begins_where_it_is_said_to() -> None:
    assert trainers.run.__module__ == ROOT


def test_what_stands_beside_is_there() -> None:
    for name in BESIDE:
        assert importlib.util.find_spec(name) is not None


def test_sources_are_read_without_torch() -> None:
    code = (
        "import sys; from orchestrator.fingerprint.code import this_code;"
        f"this_code().of({dict(TRIAL)!r}); sys.exit('torch' in sys.modules)"
    )
    folder = Path(__file__).parents[3]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=folder)


def test_nothing_is_imported_from_the_public_names() -> None:
    """They pass names on in a way that is not followed."""
    for path in installed().folder.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "\nfrom trainers import" not in text, path
        assert "\nimport trainers\n" not in text, path


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("engine/fit.py", '"""', '"""Quite: '),
        ("engine/fit.py", "\nimport torch\n", "\n# The heart of it.\nimport torch\n"),
        ("engine/fit.py", "\n\n\n", "\n\n\n\n\n"),
        ("models/__init__.py", '    "conv": Conv,\n', ""),
        ("models/__init__.py", '    "conv": Conv,\n', '    "conv": Conv,\n    "more": Conv,\n'),
        ("optim/optimizers.py", "momentum: float = 0.0", "momentum: float = 0.5"),
        ("models/weight_inits.py", "weight.fill_(1)", "weight.fill_(2)"),
        ("binarize/activations.py", "sign_quadratic(x, zero=self.zero)", "sign_quadratic(x)"),
        ("__init__.py", "__all__ = [", "__all__ = ['more',"),
    ],
)
def test_what_cannot_change_the_result_of_a_trial_does_not_count(
    file: str, before: str, after: str, change: Change
) -> None:
    assert change(file, before, after).used_by(TRIAL) == installed().used_by(TRIAL)


@pytest.mark.parametrize(
    "file",
    [
        "models/conv.py",
        "models/residual.py",
        "binarize/weights/mcdonnell.py",
        "data/mnist.py",
        "data/augmix.py",
        "export/pack.py",
        "errors.py",
        "spec/faults.py",
    ],
)
def test_files_that_a_trial_does_not_use_do_not_count(file: str, change: Change) -> None:
    assert change(file).used_by(TRIAL) == installed().used_by(TRIAL)


@pytest.mark.parametrize(
    "file",
    [
        "training.py",
        "build.py",
        "engine/fit.py",
        "binarize/attach.py",
        "binarize/weights/sign.py",
        "binarize/ste.py",
        "models/mlp.py",
        "data/digits.py",
        "data/augment.py",
        "losses/entropy.py",
        "optim/adam.py",
        "optim/lr_policies.py",
        "spec/train_spec.py",
    ],
)
def test_files_that_it_uses_do(file: str, change: Change) -> None:
    assert _differing(change(file)) == {file}


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("losses/__init__.py:LOSSES.cross_entropy", "cross_entropy}", "divergence}"),
        (
            "optim/optimizers.py:LR_SCHEDULES.constant",
            "lambda epoch: lr)",
            "lambda epoch: 2 * lr)",
        ),
        ("optim/optimizers.py:OPTIMIZERS.adam", "eps: float = 1e-8", "eps: float = 1e-7"),
        ("models/weight_inits.py:WEIGHT_INITS.default", "def default(keep", "def default(_keep"),
    ],
)
def test_the_entries_that_it_names_count(
    name: str, before: str, after: str, change: Change
) -> None:
    assert _differing(change(name.partition(":")[0], before, after)) == {name}


def _differing(now: Sources) -> set[str]:
    """The units of a trial that differ from those of the sources here."""
    then, units = installed().used_by(TRIAL), now.used_by(TRIAL)
    return {name for name in units.keys() | then.keys() if units.get(name) != then.get(name)}


def test_a_module_that_is_used_no_more_is_gone_and_a_new_one_is_there(
    folder: Path, change: Change
) -> None:
    (folder / "models" / "mine.py").write_text("class Mine:\n    pass\n")
    imported = "from trainers.models.mlp import Mlp\n"
    change("models/__init__.py", imported, imported + "from trainers.models.mine import Mine\n")
    now = change("models/__init__.py", '"mlp": Mlp', '"mlp": Mine').used_by(TRIAL)
    then = installed().used_by(TRIAL)
    assert now.keys() - then.keys() == {"models/mine.py"}
    assert "models/mlp.py" in then.keys() - now.keys()


def test_a_dictionary_that_is_no_table_counts_whole(folder: Path, change: Change) -> None:
    """A table that nobody registered is not missed: all of its entries count for every trial."""
    (folder / "samplers.py").write_text(
        "from trainers.models.wrn import Wrn\n\nSAMPLERS = {'wide': Wrn}\n"
    )
    now = change(
        "training.py",
        "import logging\n",
        "import logging\nfrom trainers.samplers import SAMPLERS\n",
    )
    assert "samplers.py" not in now.used_by(TRIAL)
    now = change("training.py", "log = logging", "KNOWN = SAMPLERS\nlog = logging")
    assert {"samplers.py", "models/wrn.py"} <= now.used_by(TRIAL).keys()
