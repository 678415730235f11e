"""What the measurements are made of."""

import pytest
from fast import LINES, WAYS, covered

from trainers.spec.train_spec import TrainSpec


def test_time_that_two_spans_share_counts_once() -> None:
    assert covered([]) == 0
    assert covered([(0, 2), (1, 3), (1, 2), (5, 6)]) == 4


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.title)
def test_every_line_is_a_trial_in_every_precision(line: object) -> None:
    for way in WAYS:
        spec = line.spec(quick=False, precision=way.precision)
        assert isinstance(spec, TrainSpec)
        assert str(spec.data.batch_size) == line.title.rpartition(" ")[2]
