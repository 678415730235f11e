"""Random crops and flips, against one image after the other."""

from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor
from torchvision import transforms

from trainers.binding import convert
from trainers.data.augment import AUGMENTATIONS, Augment, Changes
from trainers.data.batches import shuffled_batches
from trainers.data.gaussian import Gaussian
from trainers.data.lighting import Lighting
from trainers.data.rotation import Rotation
from trainers.data.splits import Normalisation, Split
from trainers.data.variation import Several, Variation
from trainers.errors import SpecError
from trainers.seeding import generator
from trainers.spec.data_spec import read_data


def _one(image: Tensor, top: int, left: int, flip: bool, *, crop: int, blank: float) -> Tensor:
    """RandomCrop(size, padding=crop) and RandomHorizontalFlip by hand, for given draws."""
    height, width = image.shape[1:]
    result = torch.full_like(image, blank)
    for row in range(height):
        for column in range(width):
            at_row, at_column = top + row - crop, left + column - crop
            if 0 <= at_row < height and 0 <= at_column < width:
                place = width - 1 - column if flip else column
                result[:, row, place] = image[:, at_row, at_column]
    return result


@settings(deadline=None, max_examples=40)
@given(
    num=st.integers(1, 6),
    channels=st.integers(1, 3),
    sides=st.tuples(st.integers(2, 6), st.integers(2, 6)),
    crop=st.integers(0, 3),
    flip=st.booleans(),
    seed=st.integers(0, 10**6),
    is_byte=st.booleans(),
)
def test_a_batch_is_changed_as_its_images_would_be_one_by_one(
    num: int,
    channels: int,
    sides: tuple[int, int],
    crop: int,
    flip: bool,
    seed: int,
    is_byte: bool,
) -> None:
    source = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (num, channels, *sides), generator=source, dtype=torch.uint8)
    blank = 0.0
    if not is_byte:
        images, blank = images / 100 - 1, -1.0
    changes = Augment(crop=crop, flip=flip).drawn(num, source)
    if changes is None:
        assert crop == 0
        assert not flip
        return
    found = changes.applied(images, blank=blank)
    assert found.dtype == images.dtype
    for index in range(num):
        draws = (int(changes.top[index]), int(changes.left[index]))
        expected = _one(
            images[index], *draws, bool(changes.is_flipped[index]), crop=crop, blank=blank
        )
        assert torch.equal(found[index], expected)


@pytest.mark.parametrize("is_byte", [True, False])
def test_reflected_padding_is_that_of_torchvision(is_byte: bool) -> None:
    source = torch.Generator().manual_seed(5)
    images = torch.randint(0, 256, (40, 3, 6, 5), generator=source, dtype=torch.uint8)
    if not is_byte:
        images = images / 100 - 1
    changes = Augment(crop=4, flip=True, padding="reflect").drawn(40, source)
    assert changes is not None
    found = changes.applied(images, blank=9.0)
    padded = transforms.Pad(4, padding_mode="reflect")(images.float())
    for index in range(40):
        top, left = int(changes.top[index]), int(changes.left[index])
        window = padded[index, :, top : top + 6, left : left + 5]
        expected = window.flip(2) if changes.is_flipped[index] else window
        assert torch.equal(found[index].float(), expected)
    assert found.dtype == images.dtype


def test_the_draws_do_not_depend_on_what_the_padding_holds() -> None:
    black = Augment(crop=2, flip=True).drawn(30, generator(1, "augment"))
    mirrored = Augment(crop=2, flip=True, padding="reflect").drawn(30, generator(1, "augment"))
    assert black is not None
    assert mirrored is not None
    for name in ("top", "left", "is_flipped"):
        assert torch.equal(getattr(black, name), getattr(mirrored, name))
    [first, second] = list(mirrored.to(torch.device("cpu")).split(20))
    assert first.reflects
    assert second.reflects


def test_draws_cover_all_places_and_half_of_the_images_are_flipped() -> None:
    changes = Augment(crop=4, flip=True).drawn(20_000, generator(1, "augment"))
    assert changes is not None
    for places in (changes.top, changes.left):
        counts = torch.bincount(places)
        assert len(counts) == 9
        assert (counts - 20_000 / 9).abs().max() < 250
    assert abs(int(changes.is_flipped.sum()) - 10_000) < 350


def test_without_flips_none_is_flipped_and_without_a_crop_none_is_moved() -> None:
    crops = Augment(crop=2).drawn(50, generator(1, "augment"))
    flips = Augment(flip=True).drawn(50, generator(1, "augment"))
    assert crops is not None
    assert flips is not None
    assert not crops.is_flipped.any()
    assert not flips.top.any()
    assert not flips.left.any()


def test_the_draws_of_an_epoch_do_not_depend_on_the_batch_size() -> None:
    changes = Augment(crop=2, flip=True).drawn(10, generator(3, "augment", 4))
    assert changes is not None

    def joined(size: int) -> list[list[int]]:
        parts: list[Changes] = list(changes.split(size))
        return [torch.cat([getattr(part, name) for part in parts]).tolist()
                for name in ("top", "left", "is_flipped")]  # fmt: skip

    assert joined(3) == joined(10)


def test_training_batches_are_padded_with_black_before_they_are_normalised() -> None:
    pixels = torch.full((40, 3, 4, 4), 255, dtype=torch.uint8)
    normalisation = Normalisation.of((0.5, 0.25, 0.75), (0.5, 0.5, 0.5))
    split = Split(images=pixels, labels=torch.arange(40), normalisation=normalisation)
    changes = Augment(crop=3).drawn(40, generator(1, "augment"))
    batches = shuffled_batches(split, size=16, generator=generator(1, "order"), changes=changes)
    images = torch.cat([batch.images for batch in batches])
    for channel, (black, white) in enumerate([(-1.0, 1.0), (-0.5, 1.5), (-1.5, 0.5)]):
        assert sorted(images[:, channel].unique().tolist()) == [black, white]


def test_augment_of_nothing_draws_nothing() -> None:
    assert Augment().drawn(5, generator(1, "augment")) is None


def test_a_negative_crop_is_refused() -> None:
    with pytest.raises(SpecError, match="crop: must be 0 or more, got -1"):
        Augment(crop=-1)


def test_unknown_padding_and_padding_without_a_crop_are_refused() -> None:
    with pytest.raises(SpecError, match="padding: unknown value 'mirror'; known: black, reflect"):
        Augment(crop=4, padding="mirror")  # type: ignore[arg-type]
    with pytest.raises(SpecError, match="padding: without a crop there is no padding"):
        Augment(flip=True, padding="reflect")


def test_a_crop_stays_below_the_side_of_an_image() -> None:
    assert Augment(crop=31).faults((3, 32, 32)) == []
    [fault] = Augment(crop=28).faults((1, 28, 30))
    assert "must be below 28" in str(fault)


@pytest.mark.parametrize(
    "mapping",
    [
        {},
        {"crop": 4, "flip": True, "padding": "reflect"},
        {"gaussian": {}},
        {"crop": 2, "gaussian": {"std": 0.25, "clean": 0.5}},
        {"flip": True, "augmix": {"width": 2, "depth": 1, "all": True}},
        {"crop": 4, "rotation": {"degrees": 10.0}, "autoaugment": {}},
        {"color_jitter": {"hue": 0.2}, "lighting": {}},
        {"rotation": {}, "mixup": {"alpha": 0.2}},
    ],
)
def test_an_augmentation_survives_being_written_down(mapping: dict[str, Any]) -> None:
    augment = Augment.from_mapping(mapping)
    assert augment.to_mapping() == mapping
    assert convert(mapping, Augment) == augment


def test_defaults_that_are_written_down_make_no_other_augmentation() -> None:
    written = {"crop": 0, "flip": False, "padding": "black", "gaussian": None, "augmix": None}
    assert Augment.from_mapping(written) == Augment()
    assert Augment.from_mapping({"gaussian": {"std": 0.1}}) == Augment(variation=Gaussian())


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        (
            {"gausian": {}},
            "^gausian: unknown option of augment, did you mean 'gaussian'.; "
            "known: augmix, autoaugment, color_jitter, crop, flip, gaussian, lighting, mixup, "
            "padding, random_resized_crop, random_window, rotation$",
        ),
        ({"variation": {}}, "^variation: unknown option of augment"),
        (
            {"augmix": {"widht": 2}},
            "^augmix.widht: unknown option of augmix, did you",
        ),
        ({"gaussian": 0.1}, "^gaussian: expected a mapping with clean, std"),
        (
            {"gaussian": {}, "augmix": {}},
            "^gaussian: cannot be combined with augmix; keep one of the two$",
        ),
        (
            {"autoaugment": {}, "rotation": {}, "augmix": {}},
            "^autoaugment: cannot be combined with augmix; keep one of the two$",
        ),
        (
            ["crop"],
            "^expected a mapping with augmix, autoaugment, color_jitter, crop, flip, gauss",
        ),
        ({"crop": 1.5, "flip": 1}, r"^crop: expected a whole number.*\nflip: expected true or"),
    ],
)
def test_what_is_no_augmentation_is_refused(mapping: object, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        Augment.from_mapping(mapping)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_every_way_to_change_pixels_has_its_key_and_draws_from_the_generator(name: str) -> None:
    kind = AUGMENTATIONS[name]
    assert kind.kind == name
    pixels = torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8)
    before = torch.get_rng_state()
    first, again, other = (
        kind().varied(pixels, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert (first.shape, first.dtype) == (pixels.shape, torch.float32)
    assert 0 <= first.min() <= first.max() <= 255
    assert torch.equal(torch.get_rng_state(), before)


def test_a_new_way_to_change_pixels_takes_a_class_and_a_line_in_the_table(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @dataclass(frozen=True, kw_only=True, slots=True)
    class Inverted(Variation):
        """The negative of an image."""

        kind: ClassVar[str] = "inverted"

        top: int = 255

        def varied(self, pixels: Tensor, generator: Generator) -> Tensor:
            return self.top - pixels.float()

    monkeypatch.setitem(AUGMENTATIONS, "inverted", Inverted)
    mapping = {"name": "digits", "augment": {"flip": True, "inverted": {"top": 200}}}
    data = read_data(mapping)
    assert data.augment == Augment(flip=True, variation=Inverted(top=200))
    assert data.to_mapping()["augment"] == mapping["augment"]
    vary = data.augment.vary(Generator(), num_views=2)
    assert vary is not None
    assert vary(torch.full((1, 1, 1, 1), 50, dtype=torch.uint8)).flatten().tolist() == [50, 150]


def test_several_follow_each_other_in_the_order_of_the_table() -> None:
    augment = Augment.from_mapping({"lighting": {}, "gaussian": {}, "rotation": {}})
    assert augment.variation == Several(parts=(Rotation(), Gaussian(), Lighting()))
    assert augment == Augment.from_mapping({"rotation": {}, "gaussian": {}, "lighting": {}})
    pixels = torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8)
    vary = augment.vary(torch.Generator().manual_seed(3))
    source = torch.Generator().manual_seed(3)
    assert vary is not None
    turned = Rotation().varied(pixels, source).byte()
    noisy = Gaussian().varied(turned, source)
    assert torch.equal(vary(pixels), Lighting().varied(noisy, source))


def test_faults_of_a_variation_for_these_images_name_its_key() -> None:
    for mapping in ({"lighting": {}}, {"rotation": {}, "lighting": {}}):
        augment = Augment.from_mapping(mapping)
        assert augment.faults((3, 8, 8)) == []
        [fault] = augment.faults((1, 8, 8))
        assert str(fault) == "lighting: is for three colours, but images have 1 channels"


def test_without_a_variation_pixels_stay() -> None:
    assert Augment(crop=4).vary(Generator(), num_views=3) is None


@pytest.mark.parametrize("side", [8, 128])
def test_of_no_images_none_is_mirrored(side: int) -> None:
    changes = Augment(flip=True).drawn(0, generator(1, "augment"))
    assert changes is not None
    images = torch.zeros(0, 3, side, side, dtype=torch.uint8)
    assert changes.applied(images, blank=0.0).shape == images.shape
