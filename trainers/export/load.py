"""Reads an exported file: rebuilds its network, or only describes it."""

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
from trainers.export.pack import COUNTERS, FORMAT, VERSION, note_packed
from trainers.models import MODELS
from trainers.models.recipe import remember
from trainers.paths import expanded
from trainers.spec.parts import ALL, ActivationSpec, read_activations
from trainers.spec.probe import model_on_meta

KNOWN = {FORMAT: VERSION, packbits.FORMAT: packbits.VERSION}
PACKBITS = "packbits"
_LEVELS = "levels"
_PARTS = ("bits", "mask", "signs", "trits", _LEVELS)
_Size = tuple[str, int, int]
"""Code, bytes and level bytes of a layer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerSize:
    """The size of a layer's weight in a file.

    Args:
        name: The layer.
        shape: Shape of its weight.
        code: How the weight is stored: bits, mask, trits, packbits; or its dtype if not packed.
        num_bytes: Bytes that the stored weight takes.
        level_bytes: How many of them hold the two values of each filter; 0: one pair a layer.
    """

    name: str
    shape: tuple[int, ...]
    code: str
    num_bytes: int
    level_bytes: int = 0

    @property
    def is_packed(self) -> bool:
        """Whether the file holds bits instead of numbers."""
        return self.code in (*CODES, PACKBITS)

    @property
    def num_weights(self) -> int:
        """Number of weights."""
        return torch.Size(self.shape).numel()

    @property
    def bits_a_weight(self) -> float:
        """Bits per weight, without the two values of each filter."""
        return 8 * (self.num_bytes - self.level_bytes) / self.num_weights


@dataclass(frozen=True, kw_only=True, slots=True)
class PackedFile:
    """An exported network, read and checked.

    Args:
        format: bnn-packed or bnn-packbits.
        version: Version of that layout; 0 for the published file, which has none.
        recipe: Name and options of the network.
        activations: Its binary inputs, one entry for each kind; may be empty.
        metadata: The metadata that the writer gave.
        state: The network's complete state dict, unpacked.
        layers: Its layers in forward order.
        num_bytes: Size of the file.
        payload: Bytes of its tensors alone.
        checksum: SHA-256 over the content; empty for the published file.
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
        """Bytes of the network's tensors unpacked, with floating-point weights."""
        return sum(tensor.nbytes for tensor in self.state.values())

    def network(self) -> nn.Module:
        """Builds the network, in evaluation mode, with plain weights and binary inputs."""
        model = model_on_meta(self.recipe)
        _hang(model, self.activations)
        model.load_state_dict(dict(self.state), assign=True)
        remember(model, self.recipe.to_mapping())
        for layer in self.layers:
            if layer.is_packed:
                note_packed(model.get_submodule(layer.name))
        return model.eval()


def load_packed(path: Path | str) -> nn.Module:
    """Loads a network that `trainers.export_packed` wrote, in evaluation mode.

    Its weights are plain tensors with binary values, without binarizers. Binary inputs of layers
    are restored. If the network is exported again, the same layers are packed. Loading runs no
    code from the file.

    Args:
        path: The file.

    Raises:
        SpecError: If the file does not exist, was cut short or altered, is of another kind, or has
            a newer version.
    """
    return read_packed(path).network()


def read_packed(path: Path | str) -> PackedFile:
    """Reads and checks such a file, without building the network.

    Raises:
        SpecError: As in `load_packed`.
    """
    container = read_container(expanded(path))
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
        what = "is a safetensors file, but not an exported network"
        raise SpecError(Fault("", what, f"known formats: {', '.join(sorted(KNOWN))}"))
    if not version.isdecimal() or int(version) > KNOWN[kind]:
        what = f"has version {version or 'none'} of its layout; this package reads {KNOWN[kind]}"
        raise SpecError(Fault("", what, "a newer bnn-orchestrate wrote it: update this one"))
    if container.checksum != checksum(container.tensors, notes):
        what = f"was altered: its {CHECKSUM} does not fit its content"
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
            what = "is missing" if name not in state else f"is {tuple(state[name].shape)}"
            hint = f"the network has {tuple(tensor.shape)}"
            raise SpecError(Fault(name, what, hint))
    surplus = sorted(state.keys() - wanted.keys())
    if surplus:
        raise SpecError(Fault(surplus[0], f"is not part of the network '{recipe.name}'"))
    metadata = _json(container.notes, "metadata") if "metadata" in container.notes else {}
    sizes = []
    for name in layers:
        weight = state[f"{name}.weight"]
        in_full = (str(weight.dtype).split(".")[1], weight.nbytes, 0)
        code, num_bytes, level_bytes = codes.get(name, in_full)
        sizes.append(
            LayerSize(
                name=name,
                shape=tuple(weight.shape),
                code=code,
                num_bytes=num_bytes,
                level_bytes=level_bytes,
            )
        )
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
    """Returns the state dict: unpacks the weights and puts the counters back in place."""
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
        levels = own.pop(_LEVELS, None)
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
        what = f"has {len(stored)} counters, but the network has {len(counters)}"
        raise SpecError(Fault(COUNTERS, what))
    return state | dict(zip(counters, stored.unbind(), strict=True))


def _activations(container: Container) -> tuple[ActivationSpec, ...]:
    """Reads the binary inputs of the network from the header."""
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
    """Binarizes the inputs that the file lists.

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
    """Returns the stored parts of each packed weight, by layer and part."""
    found: dict[str, dict[str, Tensor]] = {}
    for name, tensor in container.tensors.items():
        weight, _, part = name.rpartition(".")
        if part in _PARTS:
            found.setdefault(weight.removesuffix(".weight"), {})[part] = tensor
    return found


def _sizes(container: Container, layers: tuple[str, ...]) -> dict[str, _Size]:
    """Returns code and bytes of each packed layer."""
    return {
        layer: (
            next(code for code in CODES if code in parts),
            sum(tensor.nbytes for tensor in parts.values()),
            parts[_LEVELS].nbytes if _LEVELS in parts else 0,
        )
        for layer, parts in _parts(container).items()
        if layer in layers
    }


def _packbits_sizes(container: Container) -> dict[str, _Size]:
    return {
        name.removeprefix(packbits.PREFIX): (PACKBITS, tensor.nbytes, 0)
        for name, tensor in container.tensors.items()
        if tensor.dtype == torch.uint8
    }


def _json(notes: Mapping[str, str], key: str) -> Any:
    try:
        return json.loads(notes[key])
    except (KeyError, ValueError) as error:
        raise SpecError(Fault(key, "is missing or not JSON")) from error
