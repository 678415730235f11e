"""What a sweep refuses and looks at before it starts Ray; its training is in journeys."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest

from orchestrator.execution.leases import Leases
from orchestrator.execution.options import SweepOptions
from orchestrator.execution.sweep import SweepWatcher, sweep
from orchestrator.home import Home
from orchestrator.launch import ResourceError, Resources
from orchestrator.record.delivery_lock import InUseError
from orchestrator.study.spec import StudySpec
from trainers.errors import MissingDataError


class Nobody:
    """A watcher that must not be told anything."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"told of {name}")


NOBODY = cast(SweepWatcher, Nobody())


def test_missing_data_is_said_before_anything_is_written(
    study: StudySpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*arguments: object) -> str:
        raise MissingDataError("it is not there")

    monkeypatch.setattr("orchestrator.execution.sweep.data_checksum", missing)
    home = Home.at(tmp_path / "home")
    with pytest.raises(MissingDataError, match="it is not there"):
        sweep(study, home, SweepOptions(data_dir=tmp_path), NOBODY)
    assert not home.root.exists()


def test_more_than_the_machine_has_is_said_before_anything_is_written(
    study: StudySpec, tmp_path: Path
) -> None:
    home = Home.at(tmp_path / "home")
    options = SweepOptions(data_dir=tmp_path, resources=Resources(cpus=10_000))
    with pytest.raises(ResourceError, match="lower --cpus-per-trial"):
        sweep(study, home, options, NOBODY)
    assert not home.root.exists()


def test_a_search_for_which_another_sweep_draws_is_left_alone(
    make_search: Callable[..., StudySpec], home: Home
) -> None:
    search = make_search()
    with closing(Leases(home.journal)) as leases:
        assert leases.claim(f"search {search.key}")
        with pytest.raises(InUseError, match=r"is drawing for the search 'tiny-search'; wait"):
            sweep(search, home, SweepOptions(data_dir=home.data_folder()), NOBODY)
