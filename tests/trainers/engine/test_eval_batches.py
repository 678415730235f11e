"""How many images evaluation takes at a time. A GPU's memory is played by numbers."""

from collections.abc import Callable
from contextlib import nullcontext

import pytest
import torch
from torch import Tensor, nn

from trainers.data.splits import Split
from trainers.engine.eval_batches import ROOM, EvalBatches, eval_batches
from trainers.engine.evaluate import evaluate
from trainers.engine.result import Scores
from trainers.losses import cross_entropy

MIB = 1 << 20
SCORES = Scores(loss=0.5, accuracy=0.5)


class Card:
    """A GPU on which an image of a batch takes one MiB, beside what training took."""

    def __init__(self, *, trained: int, total: int = 1 << 60) -> None:
        self.peak, self.total, self.tried = trained * MIB, total, list[int]()

    def measure(self, size: int) -> Scores:
        self.tried.append(size)
        if size * MIB > self.total:
            raise torch.OutOfMemoryError("CUDA out of memory")
        self.peak = max(self.peak, size * MIB)
        return SCORES


def _passes(batches: EvalBatches, card: Card, number: int, *, images: int) -> list[int]:
    for _ in range(number):
        assert batches.measured(card.measure, images=images) is SCORES
    return card.tried


def test_batches_grow_until_one_has_all_images() -> None:
    card = Card(trained=10_000)
    sizes = _passes(EvalBatches(1000, lambda: card.peak), card, 6, images=5000)
    assert sizes == [1000, 2000, 4000, 8000, 8000, 8000]


def test_batches_grow_up_to_what_training_took_and_a_little() -> None:
    card = Card(trained=200)
    room = ROOM // MIB
    sizes = _passes(EvalBatches(100, lambda: card.peak), card, 5, images=5000)
    assert sizes == [100, 200, 400, 200, 200]
    assert 200 <= 200 + room < 400


def test_a_batch_is_never_smaller_than_asked_for_if_it_fits() -> None:
    card = Card(trained=1)
    assert _passes(EvalBatches(1000, lambda: card.peak), card, 3, images=5000) == [1000] * 3


def test_a_batch_that_does_not_fit_is_halved_for_good() -> None:
    card = Card(trained=200, total=70 * MIB)
    sizes = _passes(EvalBatches(200, lambda: card.peak), card, 2, images=5000)
    assert sizes == [200, 100, 50, 50]


def test_without_a_meter_the_size_stays() -> None:
    card = Card(trained=10_000)
    assert _passes(EvalBatches(100), card, 3, images=5000) == [100] * 3


def test_one_image_that_does_not_fit_is_an_error() -> None:
    card = Card(trained=1, total=0)
    with pytest.raises(torch.OutOfMemoryError):
        EvalBatches(5).measured(card.measure, images=9)
    assert card.tried == [5, 2, 1]


def test_other_errors_are_not_tried_again() -> None:
    tried = list[int]()

    def broken(size: int) -> Scores:
        tried.append(size)
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        EvalBatches(8).measured(broken, images=9)
    assert tried == [8]


def test_a_pass_that_was_begun_again_counts_each_image_once(
    make_split: Callable[..., Split],
) -> None:
    class Narrow(nn.Module):
        """Has room for three images."""

        def forward(self, images: Tensor) -> Tensor:
            if len(images) > 3:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return images.flatten(1)[:, :3]

    split = make_split(10)

    def measure(size: int) -> Scores:
        return evaluate(
            Narrow(), split, loss=cross_entropy(), batch_size=size, autocast=nullcontext()
        )

    assert EvalBatches(8).measured(measure, images=10) == measure(2)


@pytest.mark.parametrize("deterministic", [True, False])
def test_only_a_gpu_that_may_round_otherwise_has_growing_batches(
    deterministic: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "are_deterministic_algorithms_enabled", lambda: deterministic)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 1 << 40)
    for device, grows in ((torch.device("cpu"), False), (torch.device("cuda", 0), True)):
        card, batches = Card(trained=0), eval_batches(10, device)
        sizes = _passes(batches, card, 2, images=15)
        assert sizes == [10, 20 if grows and not deterministic else 10]
