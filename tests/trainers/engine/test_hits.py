"""Right answers among the highest score and the five highest."""

import pytest
import torch

from trainers.engine.hits import AT_ONCE, Hits


@pytest.mark.parametrize("size", [1, 7, 100])
def test_shares_are_those_of_a_count_by_hand_however_batches_are_cut(size: int) -> None:
    source = torch.Generator().manual_seed(1)
    logits = torch.randn(4 * AT_ONCE + 3, 8, generator=source)
    labels = torch.randint(0, 8, (len(logits),), generator=source)
    hits = Hits()
    for part, true in zip(logits.split(size), labels.split(size), strict=True):
        hits.add(part, true)
    scores = hits.scores(loss=0.5)
    places = [int((row > row[label]).sum()) for row, label in zip(logits, labels, strict=True)]
    assert scores.loss == 0.5
    assert scores.accuracy == sum(place < 1 for place in places) / len(places)
    assert scores.top5_accuracy == sum(place < 5 for place in places) / len(places)
    assert 0 < scores.accuracy < scores.top5_accuracy < 1


def test_five_classes_have_no_five_highest() -> None:
    hits = Hits()
    hits.add(torch.eye(5), torch.arange(5))
    scores = hits.scores(loss=0.0)
    assert (scores.accuracy, scores.top5_accuracy) == (1.0, None)
