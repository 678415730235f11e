"""Reading a study: every fault comes at once."""

from collections.abc import Callable

import pytest

from orchestrator.study.reading import read_study
from orchestrator.study.spec import StudySpec
from trainers.errors import SpecError

MakeStudy = Callable[..., StudySpec]


@pytest.mark.parametrize("mapping", [None, [], "study: mine"])
def test_a_study_is_a_mapping(mapping: object) -> None:
    with pytest.raises(SpecError, match="expected a study as a mapping"):
        read_study(mapping)


def test_unknown_names_in_axes_are_told_with_all_other_faults(make_study: MakeStudy) -> None:
    axes = [
        {"name": "lr", "sets": "optimizer.rl", "values": [0.1]},
        {"name": "seed", "seeds": [1]},
    ]
    with pytest.raises(SpecError) as raised:
        make_study(axes=axes, matrix={"rows": "lr", "over": "seed", "control": "0.2"})
    paths = [fault.path for fault in raised.value.faults]
    assert paths == ["matrix.control", "axes.lr (lr=0.1).optimizer.rl"]
