"""Records operations on a CPU as a CUDA graph records kernels, and repeats them without Python.

What a graph gets wrong, this gets wrong too: numbers from Python stay those of the recording, and
tensors are found where they were. What a graph refuses, waiting for the device, this refuses.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

T = TypeVar("T")
WAITS = ("_local_scalar_dense", "nonzero", "is_nonzero", "equal", "unique")
"""Operations that wait for a GPU, by the beginning of their names."""


class Tape:
    """Stands in for `trainers.engine.captured.CudaGraphs` where there is no GPU.

    A graph does nothing while it is recorded. Here all is done once, and put back afterwards.

    Args:
        kept: All tensors that recorded work may change in place.
    """

    def __init__(self, kept: Callable[[], list[Tensor]]) -> None:
        self.kept = kept
        self.num_recorded = 0
        self.num_replayed = 0

    @contextmanager
    def during(self) -> Iterator[None]:
        """There are no streams here."""
        yield

    def recorded(self, work: Callable[[], T]) -> tuple[Callable[[], None], T]:
        """As a `Recorder` does it."""
        before = [(tensor, tensor.detach().clone()) for tensor in self.kept()]
        drawn = torch.get_rng_state()
        operations: list[_Operation] = []
        try:
            with _Recording(operations):
                result = work()
        finally:
            torch.set_rng_state(drawn)
            for tensor, value in before:
                tensor.detach().copy_(value)
        self.num_recorded += 1

        def replay() -> None:
            self.num_replayed += 1
            with torch.no_grad():
                for operation in operations:
                    operation.repeat()

        return replay, result


class _Operation:
    """An operation with exactly its tensors and its numbers."""

    def __init__(self, func: Any, args: Any, kwargs: Any, result: Any) -> None:
        self.func, self.args, self.kwargs = func, args, kwargs
        returns = func._schema.returns
        found = result if isinstance(result, tuple | list) and len(returns) > 1 else (result,)
        # What lies in the memory of an argument is there again by itself.
        self.results = [
            part for part, kind in zip(found, returns, strict=False) if kind.alias_info is None
        ]
        self.is_new = [kind.alias_info is None for kind in returns]

    def repeat(self) -> None:
        result = self.func(*self.args, **self.kwargs)
        found = result if isinstance(result, tuple | list) and len(self.is_new) > 1 else (result,)
        new = [part for part, is_new in zip(found, self.is_new, strict=False) if is_new]
        for old, part in zip(tree_leaves(self.results), tree_leaves(new), strict=True):
            if isinstance(old, Tensor):
                old.copy_(part)


class _Recording(TorchDispatchMode):
    def __init__(self, operations: list[_Operation]) -> None:
        super().__init__()
        self.operations = operations

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name.partition("::")[2]
        if name.startswith(WAITS):
            raise RuntimeError(f"{name} waits for the device")
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        # Detached, or this list would hold the backward pass.
        plain = tree_map_only(Tensor, lambda tensor: tensor, (args, kwargs))
        self.operations.append(_Operation(func, *plain, result))
        return result
