"""Several processes that train one trial together, through `torch.distributed`."""

import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from time import sleep
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.distributed_c10d import (
    PrefixStore,
    Store,
    _abort_process_group,
)

from trainers.engine.ranks import Ranks
from trainers.engine.whole_batch import Batch, over_the_whole_batch

T = TypeVar("T")

ASK_EVERY_S = 0.05


class Processes(Ranks):
    """One of several processes that train a trial; see `Ranks`.

    Args:
        rank: Number of this process, counted from 0.
        world: Number of processes, 2 or more.
        store: Where the processes find each other; one that all of them can reach.
        device: Where this process trains; of CUDA devices, each process has its own.
        timeout_s: Longest wait for another process, in seconds. It must be longer than what one
            process does alone between two batches, such as writing a checkpoint.

    Raises:
        RuntimeError: From every method: if another process does not answer in time.
    """

    def __init__(
        self, *, rank: int, world: int, store: Store, device: torch.device, timeout_s: float
    ) -> None:
        self.rank, self.world, self.device = rank, world, device
        self.timeout = timedelta(seconds=timeout_s)
        self._store = store
        self._num_waits = 0
        self._is_abandoned = False
        self._batch = Batch(num=0, own=slice(0, 0), num_views=1)

    def join(self) -> None:
        """Waits for the others, however long they take to start, and connects to them."""
        self.ready()
        dist.init_process_group(
            "nccl" if self.device.type == "cuda" else "gloo",
            store=PrefixStore("group", self._store),
            rank=self.rank,
            world_size=self.world,
            timeout=self.timeout,
        )

    def close(self) -> None:
        """Leaves the others."""
        if dist.is_initialized():
            dist.destroy_process_group()

    def abandon(self) -> None:
        """Ends every wait for the others, with an error; called from another thread."""
        self._is_abandoned = True
        if self.device.type == "cuda" and dist.is_initialized():
            # NCCL itself would wait for the whole of `timeout_s`.
            _abort_process_group()

    def own(self, num: int) -> slice | None:
        """Returns this process's part of `num` images: neighbours; it may be empty."""
        return _part(num, self.rank, self.world)

    def ready(self) -> None:
        """Waits, however long it takes, until all processes have come this far.

        One of them may have to decode a data set first, which takes longer than `timeout_s`.
        """
        self._num_waits += 1
        key = f"ready/{self._num_waits}"
        self._store.add(key, 1)
        while self._store.add(key, 0) < self.world:
            if self._is_abandoned:
                raise RuntimeError("another process of the trial has failed")
            sleep(ASK_EVERY_S)

    def align(self, model: nn.Module) -> None:
        """Takes over weights and statistics of the first process.

        All processes do the same arithmetic, but devices of two kinds may round it otherwise.
        """
        with torch.no_grad():
            for tensors in _of_each_kind(model.state_dict().values()):
                flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
                dist.broadcast(flat, 0)
                _spread(flat, tensors)

    @contextmanager
    def training(self, model: nn.Module) -> Iterator[None]:
        """Lets batch normalisations and dropout see the whole batch, while it lasts."""
        with over_the_whole_batch(model, world=self.world, rank=self.rank, batch=self._latest):
            yield

    def begin_batch(self, num: int, *, num_views: int) -> None:
        """Hears of the next batch."""
        own = _part(num, self.rank, self.world)
        self._batch = Batch(num=num, own=own, num_views=num_views)

    def gathered(self, values: Tensor) -> Tensor:
        """Returns what the processes made of their parts of a batch, in the batch's order."""
        result: Tensor = _Gathered.apply(values, self._batch, self.world)
        return result

    def reduce(self, parameters: Iterable[nn.Parameter]) -> None:
        """Adds up the gradients of all processes, in place."""
        gradients = [item.grad for item in parameters if item.grad is not None]
        for tensors in _of_each_kind(gradients):
            flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
            dist.all_reduce(flat)
            _spread(flat, tensors)

    def total(self, amount: Tensor) -> Tensor:
        """Returns the sum over all processes, the same bits in each."""
        amounts = [torch.empty_like(amount) for _ in range(self.world)]
        dist.all_gather(amounts, amount)
        # In the order of the ranks, so that all round alike.
        return torch.stack(amounts).sum(0)

    def told(self, value: T) -> T:
        """Returns what the first process has: plain values and tensors, on the CPU."""
        buffer = io.BytesIO()
        if self.rank == 0:
            torch.save(value, buffer)
        content = torch.frombuffer(bytearray(buffer.getvalue() or b"0"), dtype=torch.uint8)
        size = torch.tensor([len(content)], device=self.device)
        dist.broadcast(size, 0)
        sent = content if self.rank == 0 else torch.empty(int(size), dtype=torch.uint8)
        sent = sent.to(self.device)
        dist.broadcast(sent, 0)
        if self.rank == 0:
            return value
        got = io.BytesIO(sent.cpu().numpy().tobytes())
        # It may be of no other type than what the first process has.
        found: T = torch.load(got, map_location="cpu", weights_only=True)
        return found

    def _latest(self) -> Batch:
        return self._batch


class _Gathered(torch.autograd.Function):
    """The parts of a batch put together; each process has the gradient of its own part."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, batch: Batch, world: int) -> Tensor:
        ctx.batch = batch
        views, rest = batch.num_views, values.shape[1:]
        sizes = [_size(_part(batch.num, rank, world)) for rank in range(world)]
        mine = values.reshape(views, _size(batch.own), *rest)
        # All parts must have the same shape on their way.
        padded = values.new_zeros(views, max(sizes), *rest)
        padded[:, : mine.shape[1]] = mine
        parts = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(parts, padded)
        parts = [part[:, :size] for part, size in zip(parts, sizes, strict=True)]
        return torch.cat(parts, 1).flatten(0, 1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return ctx.batch.cut(gradients[0]), None, None


def _part(num: int, rank: int, world: int) -> slice:
    return slice(num * rank // world, num * (rank + 1) // world)


def _size(part: slice) -> int:
    return int(part.stop - part.start)


def _of_each_kind(tensors: Iterable[Tensor]) -> Sequence[Sequence[Tensor]]:
    """Sorts tensors by their dtype, so that each kind travels at once."""
    found: dict[torch.dtype, list[Tensor]] = {}
    for tensor in tensors:
        found.setdefault(tensor.dtype, []).append(tensor)
    return list(found.values())


def _spread(flat: Tensor, tensors: Sequence[Tensor]) -> None:
    parts = torch.split(flat, [tensor.numel() for tensor in tensors])
    for tensor, part in zip(tensors, parts, strict=True):
        tensor.copy_(part.view(tensor.shape))
