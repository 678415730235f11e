"""What a study may say of checkpoints, and where they then lie."""

from pathlib import Path
from typing import Any

import pytest

from orchestrator.home import Home
from orchestrator.study.checkpointing import Checkpointing, StorageError, place_of
from trainers.errors import SpecError
from trainers.storage import place_at


@pytest.mark.parametrize(
    ("options", "path", "what"),
    [
        ({"every": 0}, "every", "must be 1 or more"),
        ({"storage": "s4://bucket"}, "storage", "nothing here knows 's4://'"),
        ({"storage": "s3://me:hunter2@bucket"}, "storage", "has a secret"),
        ({"upload": "last"}, "upload", "is last, but policy none keeps nothing"),
        ({"upload": "all"}, "upload", "is all, but policy none keeps nothing"),
        ({"policy": "last", "upload": "best"}, "upload", "does not keep the best checkpoint"),
    ],
)
def test_what_does_not_go_together_is_a_fault_at_its_key(
    options: dict[str, Any], path: str, what: str
) -> None:
    with pytest.raises(SpecError, match=what) as raised:
        Checkpointing(**options)
    assert [fault.path for fault in raised.value.faults] == [path]
    assert "hunter2" not in str(raised.value)


def test_all_faults_come_together() -> None:
    with pytest.raises(SpecError, match="every") as raised:
        Checkpointing(every=0, storage="s4://bucket", upload="last")
    assert [fault.path for fault in raised.value.faults] == ["every", "storage", "upload"]


@pytest.mark.parametrize(
    ("policy", "upload"), [("last", "last"), ("best", "best"), ("best", "last"), ("every", "all")]
)
def test_what_is_kept_can_be_uploaded(policy: Any, upload: Any) -> None:
    assert Checkpointing(policy=policy, upload=upload).upload == upload


def test_checkpoints_lie_where_the_user_says_else_the_study_else_in_the_home(
    tmp_path: Path,
) -> None:
    home = Home.at(tmp_path / "home")
    here = Checkpointing(storage=str(tmp_path / "study"))
    assert place_of(Checkpointing(), home, asked=None) == home.checkpoints
    assert place_of(here, home, asked=None) == tmp_path / "study"
    asked = "memory://tests/asked"
    assert place_of(here, home, asked=asked) == place_at(asked)
    assert not home.root.exists()


def test_a_storage_that_takes_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a-file").touch()
    asked = str(tmp_path / "a-file" / "below")
    with pytest.raises(StorageError, match="cannot write to"):
        place_of(Checkpointing(), Home.at(tmp_path), asked=asked)
