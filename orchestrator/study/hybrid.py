"""Writes the study that trains a hybrid network next to both of its controls; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.study.cells import content_hash
from orchestrator.study.expansion import expand
from orchestrator.study.points import Value
from orchestrator.study.reading import LONGEST_NAME
from orchestrator.study.spec import StudySpec
from orchestrator.study.yaml import read_yaml, write_yaml
from trainers.errors import Fault, SpecError, choose
from trainers.models import MODELS
from trainers.spec.hybrids import binary_places, norm_before, published_hybrids, real_form
from trainers.spec.train_spec import TrainSpec

LONGEST_LABEL = 40
"""Most characters of a label that lists layers."""
AXIS, BINARY, REAL = "inputs", "binary", "real"


@dataclass(frozen=True, kw_only=True, slots=True)
class Hybrid:
    """A hybrid of a fully binary network.

    Args:
        label: Its row in the matrix.
        real: The layers whose inputs stay real, in layer order.
        sets: What it changes in the binary network's trial: key paths and values.
    """

    label: str
    real: tuple[str, ...]
    sets: Value


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """What a hybrid's study takes from the study of the binary network.

    Args:
        study: Its name.
        run_id: MLflow's run of the binary network.
        seeds: Its seeds.
        metric: Its metric, and which values are better, as in a study's key `metric`.
        epoch_scale: The factor on its epochs; empty: none.
    """

    study: str
    run_id: str
    seeds: tuple[int, ...]
    metric: Mapping[str, str]
    epoch_scale: str = ""


def own_hybrid(spec: TrainSpec, real: Sequence[str]) -> Hybrid:
    """A hybrid of a trial's network in which the inputs of these layers stay real.

    Args:
        spec: The trial of the fully binary network.
        real: The layers.
    """
    kept = tuple(place for place in binary_places(spec) if place in real)
    rest = [place for place in binary_places(spec) if place not in real]
    sets: dict[str, Any] = {"activations": {**_sign(spec), "layers": rest}}
    if before := norm_before(spec.model):
        sets["model.norm_before"] = [layer for layer in before if layer not in real]
    label = f"hybrid-{'-'.join(kept)}"
    if len(label) > LONGEST_LABEL:
        label = f"hybrid-{len(kept)}-{content_hash(list(kept))[:6]}"
    return Hybrid(label=label, real=kept, sets=sets)


def published_hybrid(spec: TrainSpec, name: str) -> Hybrid:
    """A published hybrid of a trial's network.

    Args:
        spec: The trial of the fully binary network.
        name: A form of the network in which some inputs are binary, such as `hybrid` or `v2`.

    Raises:
        SpecError: If the network has no such form.
    """
    network = spec.model.name
    known = published_hybrids(network)
    if not known:
        having = {model: ", ".join(published_hybrids(model)) for model in MODELS}
        listed = "; ".join(f"{model}: {names}" for model, names in having.items() if names)
        raise SpecError(Fault("", f"network '{network}' has no published hybrid", listed))
    binary = choose(f"hybrid of {network}", known, name)
    sets: dict[str, Any] = {"model.form": name, "activations": _sign(spec)}
    real = tuple(place for place in binary_places(spec) if place not in binary)
    return Hybrid(label=name, real=real, sets=sets | _without_own_norms(spec))


def hybrid_study(name: str, spec: TrainSpec, hybrid: Hybrid, origin: Origin) -> str:
    """The text of the study's file: all inputs binary, some real, all real, over the seeds.

    Args:
        name: The name of the study.
        spec: The trial of the fully binary network.
        hybrid: The hybrid.
        origin: The study of that trial.

    Raises:
        SpecError: If one of its trials is not valid.
    """
    base = {
        key: part for key, part in spec.to_mapping().items() if key not in ("seed", "activations")
    }
    assert spec.activations is not None
    binary = {"activations": spec.activations.to_mapping()}
    mapping = {
        "study": name,
        "question": f"What does the network of {origin.study} gain if the inputs of "
        f"{_listed(hybrid.real)} stay real?",
        "base": base,
        "axes": [
            {
                "name": AXIS,
                "values": {BINARY: binary, hybrid.label: hybrid.sets, REAL: _all_real(spec)},
            },
            {"name": "seed", "seeds": list(origin.seeds)},
        ],
        "metric": dict(origin.metric),
        "matrix": {"rows": AXIS, "over": "seed", "control": BINARY},
        "checkpoint": {"policy": "best"},
    }
    scaled = f", whose epochs were scaled by {origin.epoch_scale}" if origin.epoch_scale else ""
    text = f"# The base is the trial of run {origin.run_id} of {origin.study}{scaled}.\n"
    text += write_yaml(mapping)
    expand(StudySpec.from_mapping(read_yaml(text)))
    return text


def name_for(study: str, label: str) -> str:
    """A name for the study of a hybrid: that of the binary network's study with more behind.

    Args:
        study: The name of that study.
        label: The label of the hybrid.
    """
    more = label if label.startswith("hybrid") else f"hybrid-{label}"
    fine = "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in more)
    return f"{study[: max(1, LONGEST_NAME - 1 - len(fine))]}-{fine}"[:LONGEST_NAME]


def _sign(spec: TrainSpec) -> dict[str, object]:
    """The binarizer of a trial's inputs, without the layers."""
    assert spec.activations is not None
    return spec.activations.binarizer.to_mapping()


def _all_real(spec: TrainSpec) -> Value:
    """What makes all inputs real: no sign, and the network's form for real inputs."""
    sets: dict[str, Any] = {"activations": "none"}
    if form := real_form(spec.model):
        sets["model.form"] = form
    return sets | _without_own_norms(spec)


def _without_own_norms(spec: TrainSpec) -> dict[str, Any]:
    """What leaves normalisations to the form, where the trial says them itself."""
    return {"model.norm_before": None} if "norm_before" in spec.model.options else {}


def _listed(layers: Sequence[str]) -> str:
    if len(layers) <= 6:
        return ", ".join(layers)
    return f"{', '.join(layers[:5])} and {len(layers) - 5} more"
