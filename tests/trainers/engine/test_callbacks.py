"""What follows a training run hears of each epoch, in order, and only between epochs."""

from typing import Any

import trainers


class _Heard:
    """Follows a run; has nothing but the one method."""

    def __init__(self) -> None:
        self.epochs: list[int] = []

    def on_epoch_end(self, metrics: trainers.EpochMetrics) -> None:
        self.epochs.append(metrics.epoch)


def test_each_callback_hears_of_each_epoch_in_order(make_spec: Any) -> None:
    heard = [_Heard(), _Heard()]
    trainers.run(make_spec(epochs=3), heard)
    assert [one.epochs for one in heard] == [[0, 1, 2], [0, 1, 2]]
