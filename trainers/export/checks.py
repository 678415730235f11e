"""Networks that no file could stand for, whatever its format."""

from collections.abc import Mapping

from torch import Tensor, nn

from trainers.binarize.attach import binarizers
from trainers.binarize.weights.biprop import BipropSampledBinarizer
from trainers.errors import Fault


def drawn_faults(model: nn.Module) -> list[Fault]:
    """Weights that are others in every forward pass."""
    what = "is drawn anew in every forward pass, and a file would hold one draw of many"
    hint = "train with biprop or biprop_global, whose scores say which weights are kept"
    return [
        Fault(f"{name}.weight", what, hint)
        for name, step in binarizers(model)
        if step.enabled and isinstance(step, BipropSampledBinarizer)
    ]


def finite_faults(plain: Mapping[str, Tensor]) -> list[Fault]:
    """What is no number in a network that has diverged, or lost all weights of a layer.

    Args:
        plain: The network's state dict, binary weights in it.
    """
    faults: list[Fault] = []
    for name, tensor in plain.items():
        wrong = int((~tensor.isfinite()).sum())
        if wrong:
            what = f"{wrong:,} of its {tensor.numel():,} values are no finite numbers"
            hint = "the network gives no classes; train again, at a lower rate"
            faults.append(Fault(name, what, hint))
    return faults
