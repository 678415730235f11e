"""From an exported file alone back to the network, and what can be told of it without."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from trainers.binarize.attach import activated_modules, binarize_activations, weight_layers
from trainers.binding import Component, bind
from trainers.errors import Fault, SpecError
from trainers.export import packbits
from trainers.export.codes import CODES, decoded
from trainers.export.container import CHECKSUM, Container, checksum, read_container
from trainers.export.pack import COUNTERS, FORMAT, VERSION
from trainers.models import MODELS
from trainers.models.recipe import remember
from trainers.spec.parts import ALL, ActivationSpec, read_activations
from trainers.spec.probe import model_on_meta

KNOWN = {FORMAT: VERSION, packbits.FORMAT: packbits.VERSION}
_PARTS = ("bits", "mask", "signs", "trits", "levels")


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerSize:
    """A layer's weight in a file.

    Args:
        name: The layer.
        shape: Of its weight.
        code: How it is stored: bits, mask, trits, packbits; or the dtype, if it is not packed.
        num_bytes: What that takes.
    """

    name: str
    shape: tuple[int, ...]
    code: str
    num_bytes: int

    @property
    def num_weights(self) -> int:
        """How many weights it has."""
        return torch.Size(self.shape).numel()

    @property
    def bits_a_weight(self) -> float:
        """Bits that a weight takes."""
        return 8 * self.num_bytes / self.num_weights


@dataclass(frozen=True, kw_only=True, slots=True)
class PackedFile:
    """An exported network, read and checked.

    Args:
        format: bnn-packed or bnn-packbits.
        version: Of that layout; 0: the published file's, which has none.
        recipe: What the network is made of.
        activations: Its binary inputs; none, or an entry for each kind.
        metadata: What its writer put in.
        state: The network's state dict, in full.
        layers: Its layers in forward order.
        num_bytes: Size of the file.
        payload: Bytes of its tensors alone.
        checksum: SHA-256 over all it holds; empty for the published file.
    """

    format: str
    version: int
    recipe: Component
    activations: tuple[ActivationSpec, ...]
    metadata: Mapping[str, Any]
    state: Mapping[str, Tensor]
    layers: tuple[LayerSize, ...]
    num_bytes: int
    payload: int
    checksum: str

    @property
    def float_bytes(self) -> int:
        """What the tensors of the network take in full, each weight in its floating point."""
        return sum(tensor.nbytes for tensor in self.state.values())

    def network(self) -> nn.Module:
        """The network, in evaluation mode, with plain weights; its binary inputs are signs."""
        model = model_on_meta(self.recipe)
        _hang(model, self.activations)
        model.load_state_dict(dict(self.state), assign=True)
        remember(model, self.recipe.name, self.recipe.options)
        return model.eval()


def load_packed(path: Path | str) -> nn.Module:
    """The network in a file that `trainers.export_packed` wrote, in evaluation mode.

    Its weights are plain: binary values, no binarizers. Where inputs of layers were binary, they
    are again. Nothing in the file is run.

    Args:
        path: The file.

    Raises:
        SpecError: If it is not there, was cut short or altered, is of another kind, or of a
            version that came later.
    """
    return read_packed(path).network()


def read_packed(path: Path | str) -> PackedFile:
    """What is in such a file.

    Raises:
        SpecError: As `load_packed`.
    """
    container = read_container(Path(path))
    try:
        return _read(container)
    except SpecError as error:
        raise SpecError(*error.under(str(path))) from error


def _read(container: Container) -> PackedFile:
    notes = container.notes
    recipe = None if "format" in notes else packbits.recipe_in(container.tensors)
    if recipe is not None:
        return _file(container, recipe, packbits.FORMAT, 0)
    kind, version = notes.get("format", ""), notes.get("version", "")
    if kind not in KNOWN:
        what = "is a safetensors file, but no network that was exported here"
        raise SpecError(Fault("", what, f"known formats: {', '.join(sorted(KNOWN))}"))
    if not version.isdecimal() or int(version) > KNOWN[kind]:
        what = f"has version {version or 'none'} of its layout; this package reads {KNOWN[kind]}"
        raise SpecError(Fault("", what, "a newer bnn-orchestrate wrote it: update this one"))
    if container.checksum != checksum(container.tensors, notes):
        what = f"was altered: its {CHECKSUM} does not fit what it holds"
        raise SpecError(Fault("", what, "export it again"))
    recipe = bind("model", MODELS, _json(notes, "model"))
    return _file(container, recipe, kind, int(version))


def _file(container: Container, recipe: Component, kind: str, version: int) -> PackedFile:
    network = model_on_meta(recipe)
    activations = _activations(container)
    _hang(network, activations)
    wanted = network.state_dict()
    layers = weight_layers(network)
    if kind == packbits.FORMAT:
        state = packbits.state_of(container.tensors)
        codes = _packbits_sizes(container)
    else:
        state = _state(container, wanted, layers)
        codes = _sizes(container, layers)
    for name, tensor in wanted.items():
        if name not in state or state[name].shape != tensor.shape:
            what = "is not there" if name not in state else f"is {tuple(state[name].shape)}"
            hint = f"the network has {tuple(tensor.shape)}"
            raise SpecError(Fault(name, what, hint))
    surplus = sorted(state.keys() - wanted.keys())
    if surplus:
        raise SpecError(Fault(surplus[0], f"is nothing that the network '{recipe.name}' has"))
    metadata = _json(container.notes, "metadata") if "metadata" in container.notes else {}
    sizes = [
        LayerSize(
            name=name,
            shape=tuple(wanted[f"{name}.weight"].shape),
            code=codes.get(name, (str(state[f"{name}.weight"].dtype).split(".")[1], 0))[0],
            num_bytes=codes.get(name, ("", state[f"{name}.weight"].nbytes))[1],
        )
        for name in layers
    ]
    return PackedFile(
        format=kind,
        version=version,
        recipe=recipe,
        activations=activations,
        metadata=metadata,
        state=state,
        layers=tuple(sizes),
        num_bytes=container.num_bytes,
        payload=container.payload,
        checksum=container.checksum,
    )


def _state(
    container: Container, wanted: Mapping[str, Tensor], layers: tuple[str, ...]
) -> dict[str, Tensor]:
    """The state dict, packed weights unpacked and counters put back in their places."""
    parts = _parts(container)
    state = {
        name: tensor
        for name, tensor in container.tensors.items()
        if name != COUNTERS and name.rpartition(".")[2] not in _PARTS
    }
    pairs = _json(container.notes, "levels")
    dtype = getattr(torch, container.notes.get("dtype", ""), None)
    packed = [layer for layer in layers if layer in parts]
    if not isinstance(pairs, list) or len(pairs) != len(packed) or len(parts) != len(packed):
        raise SpecError(Fault("levels", f"does not fit {len(parts)} packed layers"))
    if not isinstance(dtype, torch.dtype):
        raise SpecError(Fault("dtype", f"unknown value '{container.notes.get('dtype')}'"))
    for layer, pair in zip(packed, pairs, strict=True):
        own = dict(parts[layer])
        levels = own.pop("levels", None)
        if levels is None:
            low, high = pair if isinstance(pair, list) else (-pair, pair)
            levels = torch.tensor([low, high], dtype=dtype)
        name = f"{layer}.weight"
        try:
            state[name] = decoded(own, levels, tuple(wanted[name].shape))
        except (ValueError, RuntimeError) as error:
            raise SpecError(Fault(name, str(error))) from error
    counters = [name for name in wanted if name.endswith(f".{COUNTERS}")]
    stored = container.tensors.get(COUNTERS, torch.empty(0))
    if len(stored) != len(counters):
        what = f"has {len(stored)} counters, and the network {len(counters)}"
        raise SpecError(Fault(COUNTERS, what))
    return state | dict(zip(counters, stored.unbind(), strict=True))


def _activations(container: Container) -> tuple[ActivationSpec, ...]:
    """The binary inputs that a file says its network has."""
    if "activations" not in container.notes:
        return ()
    entries = _json(container.notes, "activations")
    if not isinstance(entries, list):
        raise SpecError(Fault("activations", "should be a list"))
    try:
        read = [read_activations(entry) for entry in entries]
    except SpecError as error:
        raise SpecError(*error.under("activations")) from error
    return tuple(spec for spec in read if spec is not None)


def _hang(model: nn.Module, activations: tuple[ActivationSpec, ...]) -> None:
    """Makes the inputs binary that shall be.

    Raises:
        SpecError: If the network has no such layer, or its input is binary already.
    """
    for spec in activations:
        names = activated_modules(model) if spec.layers == ALL else spec.layers
        try:
            binarize_activations(model, names, spec.binarizer.name, **spec.binarizer.options)
        except SpecError as error:
            raise SpecError(*error.under("activations")) from error


def _parts(container: Container) -> dict[str, dict[str, Tensor]]:
    """What is stored of each packed weight, by layer and part."""
    found: dict[str, dict[str, Tensor]] = {}
    for name, tensor in container.tensors.items():
        weight, _, part = name.rpartition(".")
        if part in _PARTS:
            found.setdefault(weight.removesuffix(".weight"), {})[part] = tensor
    return found


def _sizes(container: Container, layers: tuple[str, ...]) -> dict[str, tuple[str, int]]:
    """Code and bytes of each packed layer."""
    return {
        layer: (
            next(code for code in CODES if code in parts),
            sum(tensor.nbytes for tensor in parts.values()),
        )
        for layer, parts in _parts(container).items()
        if layer in layers
    }


def _packbits_sizes(container: Container) -> dict[str, tuple[str, int]]:
    return {
        name.removeprefix(packbits.PREFIX): ("packbits", tensor.nbytes)
        for name, tensor in container.tensors.items()
        if tensor.dtype == torch.uint8
    }


def _json(notes: Mapping[str, str], key: str) -> Any:
    try:
        return json.loads(notes[key])
    except (KeyError, ValueError) as error:
        raise SpecError(Fault(key, "is not there, or no JSON")) from error
