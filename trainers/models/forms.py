"""The forms in which a network was published, as data: norms, biases and dropout by layer.

Distribution-aware binarization was published with up to six copies of a network. They differ in
three things only. A layer made for binary inputs is normalised in front, so that the sign takes
what is normalised; other layers are normalised behind. Layers that turn binary have no bias. And
dropout is less where more is binary. So each network here is written once, and a `Form` says which
layers are which.

None of these networks is one of torchvision's: they differ in stems, normalisations, biases or
classifiers.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from torch import Generator, Tensor, nn

from trainers.errors import Fault, SpecError, UnknownNameError
from trainers.models.init import initialise_layer


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """What distinguishes one published form of a network from another.

    Args:
        norm_before: Layers that are normalised in front, because their inputs turn binary.
        unbiased: Layers without a bias.
        dropout: Share of values that are dropped where the network drops any.
    """

    norm_before: tuple[str, ...] = ()
    unbiased: tuple[str, ...] = ()
    dropout: float = 0.0


def changed(
    form: Form,
    layers: Collection[str],
    *,
    norm_before: Sequence[str] | None = None,
    unbiased: Sequence[str] | None = None,
    dropout: float | None = None,
) -> Form:
    """Returns a form with the user's values, in the order of `layers`; None keeps the form's.

    Args:
        form: A published form.
        layers: The layers that can be normalised in front or have no bias, in forward order.
        norm_before: See `Form`.
        unbiased: See `Form`.
        dropout: See `Form`; 0 or more, below 1.

    Raises:
        SpecError: Lists every unknown layer, and a dropout that is not allowed.
    """
    given = {"norm_before": norm_before, "unbiased": unbiased}
    faults = [
        fault
        for option, names in given.items()
        for index, name in enumerate(names or ())
        if name not in layers
        for fault in UnknownNameError("layer", name, layers).under(f"{option}.{index}")
    ]
    if dropout is not None and not 0 <= dropout < 1:
        faults.append(Fault("dropout", f"must be 0 or more and below 1, got {dropout}"))
    if faults:
        raise SpecError(*faults)
    before = form.norm_before if norm_before is None else norm_before
    without = form.unbiased if unbiased is None else unbiased
    return Form(
        norm_before=tuple(name for name in layers if name in before),
        unbiased=tuple(name for name in layers if name in without),
        dropout=form.dropout if dropout is None else dropout,
    )


def check_counts(counts: Mapping[str, int]) -> None:
    """Checks that classes, channels and the like are 1 or more.

    Raises:
        SpecError: Lists each that is not.
    """
    faults = [
        Fault(name, f"must be 1 or more, got {num}") for name, num in counts.items() if num < 1
    ]
    if faults:
        raise SpecError(*faults)


def images_of(takes: Sequence[int | None]) -> str:
    """The images that a network takes, in words.

    Args:
        takes: Channels, height and width; None for height and width: any.
    """
    channels, *sides = takes
    size = "any size" if None in sides else f"{'x'.join(map(str, sides))} pixels"
    return f"images of {channels} channel{'' if channels == 1 else 's'} and {size}"


class FormedNet(nn.Module):
    """A network with a form and the initial weights that all forms share.

    A subclass makes its layers, then calls `begin`.

    Args:
        form: The form.
        inner: The layers between the first and the classifier, in forward order.
    """

    takes: tuple[int | None, ...]
    """Channels, height and width of the images; None: any."""

    def __init__(self, form: Form, inner: Sequence[str]) -> None:
        super().__init__()
        self.form = form
        self.inner = tuple(inner)

    def check_images(self, images: Tensor) -> None:
        """Checks the shape of a batch: another image size would give more outputs than classes.

        Raises:
            SpecError: If the network does not take such images.
        """
        given = tuple(images.shape[1:])
        if len(given) != 3 or any(
            size not in (None, side) for size, side in zip(self.takes, given, strict=True)
        ):
            found = "x".join(str(side) for side in given)
            what = f"this network takes {images_of(self.takes)}, got {found}"
            raise SpecError(Fault("images", what))

    def activated(self) -> tuple[str, ...]:
        """Returns the layers made for binary inputs; if there are none, all inner layers."""
        return self.form.norm_before or self.inner

    def begin(self) -> None:
        """Draws the initial weights from torch's global generator."""
        for module in self.modules():
            # A weight on the meta device has no values; drawing them would make torch load its
            # compiler.
            if isinstance(module, nn.Conv2d | nn.Linear) and not module.weight.is_meta:
                self.initialise_layer(module, None)

    def initialise_layer(self, layer: nn.Linear | nn.Conv2d, generator: Generator | None) -> None:
        """Draws convolutions from a normal distribution of variance 2 / fan-out; biases are 0.

        A linear layer keeps torch's default weight.

        Source: He et al. 2015, arXiv:1502.01852, sec. 2.2; fan-out, as in the published code.
        """
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(
                layer.weight, mode="fan_out", nonlinearity="relu", generator=generator
            )
        else:
            initialise_layer(layer, generator)
        if isinstance(layer.bias, Tensor):
            nn.init.zeros_(layer.bias)
