"""Writes a network with binary weights to a file with one bit per weight, and defines its layout.

The layout `bnn-packed` is a safetensors file. The texts in its header:

format, version   bnn-packed, and 1; or 2 if there are `activations`
model             JSON: arguments of `trainers.build_model`, {"name": ..., ...}
activations       JSON, only with binary inputs: arguments of `trainers.binarize_activations`,
                  [{"name": ..., "layers": [...], ...}, ...]
dtype             of everything that is not packed, such as float32
levels            JSON: for each packed layer, in forward order, the two values of its weights:
                  a number a for -a and a; [low, high]; or null: one pair per filter, see below
metadata          JSON from the caller: trial, study, metrics, ...
sha256            over all of this and all tensors: `trainers.export.container.checksum`

Its tensors, with the names of the network's state dict:

LAYER.weight.bits, .mask, .signs, .trits    a packed weight: see `trainers.export.codes`
LAYER.weight.levels     (out, 2): the values of each filter, where `levels` is null
num_batches_tracked     the counters of all normalisations, in order
everything else         unchanged
"""

import json
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from trainers.binarize.attach import (
    baked,
    binarizers,
    binary_inputs,
    has_other_hooks,
    weight_layers,
)
from trainers.binding import Component, bind
from trainers.errors import Fault, SpecError
from trainers.export.checks import binarizer_faults, finite_faults
from trainers.export.codes import encoded
from trainers.export.container import write_container
from trainers.export.packbits import published_tensors
from trainers.models import MODELS
from trainers.models.recipe import recipe_of
from trainers.paths import expanded
from trainers.spec.probe import model_on_meta

FORMAT, VERSION = "bnn-packed", 2
WITHOUT_ACTIVATIONS = 1
"""Version written without binary inputs, so that older readers can read the file."""
COUNTERS = "num_batches_tracked"
_NOTE = "weight_was_packed"

PackedFormat = Literal["packed", "packbits"]


def export_packed(
    model: nn.Module,
    path: Path | str,
    metadata: Mapping[str, object] | None = None,
    *,
    format: PackedFormat = "packed",
) -> None:
    """Writes a network in its present state to one file, each binary weight as one bit.

    `trainers.load_packed` rebuilds it from this file alone, with bit-identical logits. A pruned
    weight is stored as a zero without a sign. Weights that a binarizer leaves real are stored in
    full.

    Args:
        model: A network from `trainers.build_model`, with its binarizers of weights and inputs, or
            with none; or from `trainers.load_packed`, of which what was packed stays packed.
        path: The file; an existing one is replaced.
        metadata: Extra information that JSON can hold. For a network not from `build_model`, its
            key `model` must hold name and options.
        format: packed; or packbits, the published layout of 1-bit Wide ResNets: see
            `trainers.export.packbits`.

    Raises:
        SpecError: If the network cannot be rebuilt from a file, a weight that should be binary is
            not, a value is not finite, or the metadata is not JSON.
        OSError: If the file cannot be written.
    """
    metadata = dict(metadata or {})
    recipe = _recipe(model, metadata)
    active = {name: step for name, step in binarizers(model) if step.enabled}
    _check(model, recipe, set(active))
    plain = {name: tensor.cpu().contiguous() for name, tensor in baked(model).state_dict().items()}
    if faults := finite_faults(plain, model=model):
        raise SpecError(*faults)
    loaded = _were_packed(model)
    binary = {
        name
        for name, step in active.items()
        if step.always_binary or encoded(plain[f"{name}.weight"]) is not None
    } | loaded
    notes = {"model": _json(recipe.to_mapping()), "metadata": _json(metadata)}
    inputs = binary_inputs(model)
    if format == "packbits":
        if inputs:
            raise SpecError(Fault("format", "packbits holds no binary inputs", "packed does"))
        published, header = published_tensors(plain, binary, recipe)
        write_container(expanded(path), published, {**header, **notes})
        return
    if format != "packed":
        raise SpecError(Fault("format", f"unknown value '{format}'", "known: packbits, packed"))
    layers = [name for name in weight_layers(model) if name in binary]
    tensors, levels = _packed(plain, layers, loaded)
    dtype = next(tensor.dtype for tensor in plain.values() if tensor.is_floating_point())
    header = {"format": FORMAT, "version": str(WITHOUT_ACTIVATIONS), "levels": _json(levels)}
    if inputs:
        header |= {"version": str(VERSION), "activations": _json(inputs)}
    header["dtype"] = str(dtype).removeprefix("torch.")
    write_container(expanded(path), tensors, {**header, **notes})


def note_packed(layer: nn.Module) -> None:
    """Notes on a layer that its weight comes from bits, so that it goes into bits again."""
    # Bypasses torch's `__setattr__`, as `remember` does. Copies keep the note.
    vars(layer)[_NOTE] = True


def _were_packed(model: nn.Module) -> set[str]:
    """Returns the layers that were packed, without those that have a binarizer now."""
    attached = dict(binarizers(model))
    return {
        name
        for name in weight_layers(model)
        if vars(model.get_submodule(name)).get(_NOTE) and name not in attached
    }


def _packed(
    plain: Mapping[str, Tensor], layers: list[str], loaded: Set[str]
) -> tuple[dict[str, Tensor], list[object]]:
    """Returns the tensors of the file, and for each packed layer its two values.

    Args:
        plain: The network's state dict, with binary weights.
        layers: The layers to pack, in forward order.
        loaded: Those of them that were packed in the file that the network comes from.
    """
    tensors: dict[str, Tensor] = {}
    levels: list[object] = []
    packed = {f"{layer}.weight" for layer in layers}
    for layer in layers:
        name = f"{layer}.weight"
        code = encoded(plain[name])
        if code is None:
            what = "is not binary: a filter has more than two values besides zero"
            hint = "to store it in full, load its weights into a new trainers.build_model"
            raise SpecError(Fault(name, what, hint if layer in loaded else ""))
        parts, values = code
        tensors |= {f"{name}.{part}": tensor for part, tensor in parts.items()}
        if values.dim() == 1:
            low, high = values.tolist()
            levels.append(high if low == -high else [low, high])
        else:
            levels.append(None)
            tensors[f"{name}.levels"] = values.contiguous()
    counters = [tensor for name, tensor in plain.items() if name.endswith(f".{COUNTERS}")]
    if counters:
        tensors[COUNTERS] = torch.stack(counters)
    tensors |= {
        name: tensor
        for name, tensor in plain.items()
        if name not in packed and not name.endswith(f".{COUNTERS}")
    }
    return tensors, levels


def _recipe(model: nn.Module, metadata: Mapping[str, object]) -> Component:
    noted = recipe_of(model) or metadata.get("model")
    if noted is None:
        what = "cannot be rebuilt from a file: its name and options are unknown"
        hint = "use trainers.build_model, or pass metadata={'model': {'name': ...}}"
        raise SpecError(Fault("model", what, hint))
    try:
        return bind("model", MODELS, noted)
    except SpecError as error:
        raise SpecError(*error.under("model")) from error


def _check(model: nn.Module, recipe: Component, binary: set[str]) -> None:
    """Raises SpecError if the file could not represent this network."""
    faults = binarizer_faults(model)
    attached = dict(binarizers(model))
    if attached and not binary:
        what = "has binarizers, but all are switched off"
        faults.append(Fault("model", what, "switch them on first: trainers.set_binary"))
    for name, module in model.named_modules():
        if has_other_hooks(module):
            what = "has a hook, but this layout holds only weights and binary inputs"
            faults.append(Fault(name or "model", what))
    for name in sorted(binary):
        weight = model.get_submodule(name).weight
        assert isinstance(weight, Tensor)
        zeros = int((weight == 0).sum()) if attached[name].zero == 0 else 0
        if zeros:
            what = f"{zeros:,} weights are exactly 0, but one bit cannot store a zero"
            faults.append(Fault(f"{name}.weight", what, "train without `weights.zero: 0`"))
    again = model_on_meta(recipe).state_dict()
    shapes = {
        name.replace(".parametrizations.weight.original", ".weight"): tensor.shape
        for name, tensor in model.state_dict().items()
    }
    different = [name for name in again if shapes.get(name) != again[name].shape]
    if different:
        what = f"is not the network '{recipe.name}' with these options: {different[0]} differs"
        faults.append(Fault("model", what))
    if faults:
        raise SpecError(*faults)


def _json(value: object) -> str:
    try:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise SpecError(Fault("metadata", f"cannot be written as JSON ({error})")) from error
