"""Batches: every image once an epoch, in an order that the generator alone decides."""

import dataclasses
from collections.abc import Callable

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainers.data.augment import Augment
from trainers.data.batches import gathered, ordered_batches, shuffled_batches
from trainers.data.gaussian import Gaussian
from trainers.data.mixup import Mixup
from trainers.data.random_resized_crop import RandomResizedCrop
from trainers.data.splits import Normalisation, Split
from trainers.data.uncut import scaled

Own = Callable[[int], slice] | None


def _numbered(size: int) -> Split:
    """Image i is filled with i, and so is its label."""
    labels = torch.arange(size)
    return Split(images=labels.float().reshape(-1, 1, 1, 1).expand(-1, 1, 2, 2), labels=labels)


def _order(size: int, batch: int, seed: int) -> list[list[int]]:
    source = torch.Generator().manual_seed(seed)
    batches = shuffled_batches(_numbered(size), size=batch, generator=source)
    return [part.labels.tolist() for part in batches]


def _flat(batches: list[list[int]]) -> list[int]:
    return [index for batch in batches for index in batch]


@settings(deadline=None, max_examples=60)
@given(size=st.integers(1, 60), batch=st.integers(1, 70), seed=st.integers(0, 10**6))
def test_every_image_comes_once_an_epoch_in_the_same_order_for_the_same_generator(
    size: int, batch: int, seed: int
) -> None:
    batches = _order(size, batch, seed)
    assert sorted(_flat(batches)) == list(range(size))
    assert all(len(part) == batch for part in batches[:-1])
    assert 1 <= len(batches[-1]) <= batch
    assert batches == _order(size, batch, seed)


def test_the_order_does_not_depend_on_the_batch_size() -> None:
    assert _flat(_order(40, 7, 3)) == _flat(_order(40, 40, 3))


def test_another_generator_gives_another_order_and_the_first_is_shuffled() -> None:
    first, second = _flat(_order(40, 8, 1)), _flat(_order(40, 8, 2))
    assert first != second
    assert first != sorted(first)


def test_the_next_epoch_of_a_generator_has_another_order() -> None:
    source, split = torch.Generator().manual_seed(1), _numbered(40)
    epochs = [
        [part.labels.tolist() for part in shuffled_batches(split, size=40, generator=source)]
        for _ in range(2)
    ]
    assert epochs[0] != epochs[1]


@settings(deadline=None, max_examples=20)
@given(size=st.integers(1, 30), batch=st.integers(1, 35))
def test_images_stay_with_their_labels(size: int, batch: int) -> None:
    source = torch.Generator().manual_seed(0)
    shuffled = shuffled_batches(_numbered(size), size=batch, generator=source)
    for part in [*shuffled, *ordered_batches(_numbered(size), size=batch)]:
        assert torch.equal(part.images[:, 0, 1, 1], part.labels.float())


@settings(deadline=None, max_examples=20)
@given(size=st.integers(1, 30), batch=st.integers(1, 35))
def test_ordered_batches_are_the_split_itself_cut_up(size: int, batch: int) -> None:
    split = _numbered(size)
    parts = list(ordered_batches(split, size=batch))
    assert _flat([part.labels.tolist() for part in parts]) == list(range(size))
    assert [len(part) for part in parts[:-1]] == [batch] * (len(parts) - 1)
    # No copy: an evaluation of a large split must not double its memory.
    storage = split.labels.untyped_storage().data_ptr()
    assert all(part.labels.untyped_storage().data_ptr() == storage for part in parts)


def test_rows_of_bytes_come_normalised_with_their_labels() -> None:
    pixels = (torch.arange(20) * 10).to(torch.uint8).reshape(-1, 1, 1, 1).expand(-1, 1, 2, 2)
    rows = torch.tensor([7, 3, 11, 19, 0])
    split = Split(
        images=pixels, labels=rows, rows=rows, normalisation=Normalisation.of((0.5,), (0.25,))
    )
    source = torch.Generator().manual_seed(0)
    shuffled = list(shuffled_batches(split, size=2, generator=source))
    ordered = list(ordered_batches(split, size=2))
    whole = dataclasses.replace(split, images=split.own_images(), rows=None)
    for part in [*shuffled, *ordered, *ordered_batches(whole, size=3)]:
        expected = (part.labels * 10 / 255 - 0.5) / 0.25
        torch.testing.assert_close(part.images[:, 0, 1, 1], expected)
    assert torch.cat([part.labels for part in ordered]).tolist() == rows.tolist()
    assert sorted(torch.cat([part.labels for part in shuffled]).tolist()) == sorted(rows.tolist())


def test_gathered_takes_images_and_labels_at_the_same_places(
    make_split: Callable[..., Split],
) -> None:
    split = make_split(6)
    part = gathered(split, torch.tensor([4, 0, 4]))
    assert part.labels.tolist() == [1, 0, 1]
    assert torch.equal(part.images[0], split.images[4])
    assert torch.equal(part.images[1], split.images[0])


def test_a_part_of_each_image_is_scaled_to_its_size_before_crop_and_flip() -> None:
    pixels = torch.arange(3 * 4 * 6, dtype=torch.uint8).reshape(3, 1, 4, 6)
    split = Split(images=pixels, labels=torch.arange(3))
    asked: list[torch.Tensor] = []

    def lower_left(sizes: torch.Tensor) -> torch.Tensor:
        asked.append(sizes)
        return torch.tensor([[2, 0, 2, 3]] * len(sizes))

    batch = gathered(split, torch.tensor([2, 0]), windows=lower_left)
    assert asked[0].tolist() == [[4, 6], [4, 6]]
    assert torch.equal(batch.images[0], scaled(pixels[2], [2, 0, 2, 3], (4, 6)))
    changes = Augment(flip=True).drawn(3, torch.Generator().manual_seed(0))
    assert changes is not None
    source = torch.Generator().manual_seed(1)
    [mirrored] = shuffled_batches(
        split, size=3, generator=source, windows=lower_left, changes=changes
    )
    plain = gathered(split, mirrored.labels, windows=lower_left).images
    assert torch.equal(mirrored.images, changes.applied(plain, blank=0))


def test_processes_make_their_own_images_of_the_same_batches() -> None:
    """Crop, flip, windows and mixtures are those of the whole batch; labels are all there."""
    source = torch.Generator().manual_seed(3)
    pixels = torch.randint(256, (11, 1, 8, 8), generator=source, dtype=torch.uint8)
    split = Split(
        images=pixels,
        labels=torch.arange(11),
        normalisation=Normalisation.of([0.5], [0.25]),
    )
    for augment in (
        Augment(crop=2, flip=True, random_resized_crop=RandomResizedCrop()),
        Augment(flip=True, mixup=Mixup()),
        # Three views of each image.
        Augment(flip=True, variation=Gaussian()),
    ):

        def epoch(own: Own, augment: Augment = augment) -> list[Split]:
            draws = [torch.Generator().manual_seed(number) for number in range(5)]
            batches = shuffled_batches(
                split,
                size=5,
                generator=draws[0],
                windows=augment.windows(draws[1], size=split.side),
                changes=augment.drawn(11, draws[2]),
                vary=augment.vary(draws[3], num_views=3),
                mix=augment.mix(draws[4]),
                own=own,
            )
            return list(batches)

        whole, first = epoch(None), epoch(lambda num: slice(0, num // 2))
        rest = epoch(lambda num: slice(num // 2, num))
        for batch, *parts in zip(whole, first, rest, strict=True):
            num = len(batch.labels)
            views = len(batch.images) // num
            images = [part.images.reshape(views, -1, 1, 8, 8) for part in parts]
            assert torch.equal(torch.cat(images, 1).flatten(0, 1), batch.images)
            assert all(torch.equal(part.labels, batch.labels) for part in parts)
