"""ReLU, where no sign takes its place."""

from torch import Tensor, nn


def relu_before(module: nn.Module, x: Tensor) -> Tensor:
    """ReLU of what `module` is to take; x itself where the input of `module` is binarized.

    Models put ReLU in front of the module that takes it, so that a sign that hangs on the module
    (`trainers.binarize_activations`) replaces it: the sign of what ReLU gives would be +1
    throughout.

    Args:
        module: The module that takes x next.
        x: Any shape.
    """
    return x if getattr(module, "input_is_binary", False) else x.relu()
