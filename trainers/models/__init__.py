"""The networks by name: plain full precision, layers registered in forward order."""

from collections.abc import Callable, Mapping

from torch import nn

from trainers.models.mlp import Mlp

MODELS: Mapping[str, Callable[..., nn.Module]] = {"mlp": Mlp}

__all__ = ["MODELS", "Mlp"]
