"""The list of the shipped studies."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from orchestrator.planning import listing as module
from orchestrator.planning.listing import listing
from orchestrator.planning.planning import plan
from orchestrator.study import catalog
from orchestrator.study.catalog import load_study, study_files

FEW = ("digits-orders", "mnist300-lr-search")


@pytest.fixture(autouse=True)
def _few_and_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files: Mapping[str, Path] = {name: study_files()[name] for name in FEW}
    monkeypatch.setattr(catalog, "study_files", lambda: files)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_the_figures_are_those_of_the_plans() -> None:
    studies = listing()
    assert [study.name for study in studies] == list(FEW)
    for study in studies:
        loaded = load_study(study.name)
        todo = plan(loaded)
        assert (study.trials, study.epochs) == (todo.num_cells, todo.epochs)
        assert study.question == loaded.question
        assert study.core_seconds > 0
    assert [study.is_searched for study in studies] == [False, True]


def test_they_are_worked_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first = listing()
    monkeypatch.setattr(module, "_made", lambda: pytest.fail("worked out again"))
    assert listing() == first


def test_and_anew_for_other_configurations(monkeypatch: pytest.MonkeyPatch) -> None:
    first = listing()
    monkeypatch.setattr(module, "config_digest", lambda: "another")
    monkeypatch.setattr(module, "_made", lambda: first[:1])
    assert listing() == first[:1]
