"""The data set of a trial, and its batches."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from trainers.binding import Component, bind, convert, show
from trainers.data import SOURCES, Augment
from trainers.errors import Fault, SpecError
from trainers.written import ALWAYS, IN_FULL, INLINE, written

MOST_IMAGES = 2**62
"""Most images in a batch, so that torch can count them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DataSpec:
    """A data set and its batches.

    Args:
        source: Name and options of the data set.
        batch_size: Images per training batch.
        eval_batch_size: Images per batch in evaluation.
        accumulate: Batches in a step of the optimizer: it sees the mean gradient of all their
            images, as if they were one batch, but each is normalised on its own.
        augment: Augmentation of the training images.
        one_batch: Every epoch trains only on the first batch, to see whether a network can learn
            anything at all.
    """

    source: Component = field(metadata=INLINE)
    batch_size: int = field(default=100, metadata=ALWAYS)
    eval_batch_size: int = field(default=1000, metadata=IN_FULL)
    augment: Augment = field(default_factory=Augment)
    one_batch: bool = False
    accumulate: int = 1

    def to_mapping(self) -> dict[str, object]:
        """Returns the mapping for a study file."""
        return written(self)


def read_data(value: object) -> DataSpec:
    """Reads a data set and its batches from plain values.

    Raises:
        SpecError: Lists every fault.
    """
    own = {"batch_size": int, "eval_batch_size": int, "augment": Augment, "one_batch": bool}
    own |= {"accumulate": int}
    given: dict[str, Any] = {}
    faults: list[Fault] = []
    if isinstance(value, Mapping):
        for key, wanted in own.items():
            if key in value:
                try:
                    given[key] = convert(value[key], wanted)
                except SpecError as error:
                    faults.extend(error.under(key))
        value = {key: item for key, item in value.items() if key not in own}
    loaders = {name: source.load for name, source in SOURCES.items()}
    try:
        source = bind("data set", loaders, value, extra=f", {', '.join(own)}")
    except SpecError as error:
        raise SpecError(*faults, *error.faults) from error
    if faults:
        raise SpecError(*faults)
    return DataSpec(source=source, **given)


def without_bytes(name: str) -> Fault:
    """The fault of an augmentation that varies bytes, of which a data set has none."""
    what = f"data set '{name}' has no image bytes to vary"
    hint = "use only crop and flip, or another data set such as image_folder"
    return Fault("augment", what, hint)


def data_faults(data: DataSpec, *, needs_two: Callable[[], bool] = lambda: True) -> list[Fault]:
    """Returns the faults of a readable data set: sizes that its facts rule out.

    Args:
        data: The data set and its batches.
        needs_two: Whether the model cannot train on a single image; asked only if it would have
            to.
    """
    faults: list[Fault] = []
    for name in ("batch_size", "eval_batch_size"):
        size = getattr(data, name)
        if size < 1:
            faults.append(Fault(name, f"must be 1 or more, got {size}"))
        elif size > MOST_IMAGES:
            what = f"must be {MOST_IMAGES:,} or less, got {show(size)}"
            faults.append(Fault(name, what, "all images are in one batch long before"))
    if data.accumulate < 1:
        faults.append(Fault("accumulate", f"must be 1 or more, got {data.accumulate}"))
    source = SOURCES[data.source.name]
    if data.augment.needs_bytes and not source.has_bytes:
        faults.append(without_bytes(data.source.name))
    try:
        facts = source.facts(data.source.options)
    except SpecError as error:
        return [*faults, *error.faults]
    validation, most = data.source.options.get("validation"), facts.num_train - 1
    if isinstance(validation, int) and not 1 <= validation <= most:
        faults.append(Fault("validation", f"must be between 1 and {most}, got {validation}"))
    faults += [fault.under("augment") for fault in data.augment.faults(facts.shape)]
    if data.augment.random_window and not facts.uncut:
        what = "there are no pictures of one scale that are larger than the images"
        hint = "set shorter_side of an image_folder above size, or packed of imagenet; "
        hint += "crop moves images of one size"
        faults.append(Fault("augment.random_window", what, hint))
    if not faults:
        num_train = data.batch_size if data.one_batch else facts.num_trained
        if (num_train % data.batch_size == 1 or data.batch_size == 1) and needs_two():
            what = f"{data.batch_size} leaves one of {num_train} images alone in a batch"
            hint = "a batch normalisation of the network needs two; set another size"
            faults.append(Fault("batch_size", what, hint))
    return faults
