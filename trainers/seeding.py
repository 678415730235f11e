"""The source of all randomness: one seed in, named generators out."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Generator


def generator(seed: int, purpose: str, epoch: int = 0) -> Generator:
    """Returns a CPU generator that depends only on the three arguments.

    No draw uses global state that was not seeded for it: see `global_draws`. So results depend
    neither on what the process ran before nor on where a trial was resumed.

    Args:
        seed: The trial's seed.
        purpose: Name of the draw: "weights", "order", ...
        epoch: Counted from 0, for draws that every epoch repeats.
    """
    digest = hashlib.sha256(f"{seed}/{purpose}/{epoch}".encode()).digest()
    # torch reads the 64 bits as a signed number, so the top bit stays 0.
    return Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


@contextmanager
def global_draws(
    seed: int, purpose: str, epoch: int = 0, *, device: torch.device
) -> Iterator[None]:
    """Seeds torch's global generators of the CPU and of a CUDA device; puts them back afterwards.

    Dropout draws from them and takes no other.

    Args:
        seed: The trial's seed.
        purpose: Name of the draw.
        epoch: Counted from 0.
        device: Where the draws are made: the CPU, or a CUDA device.
    """
    number, is_cuda = generator(seed, purpose, epoch).initial_seed(), device.type == "cuda"
    with torch.random.fork_rng([device] if is_cuda else [], device_type="cuda"):
        # Not `torch.manual_seed`: it also seeds devices whose state nobody puts back.
        torch.default_generator.manual_seed(number)
        if is_cuda:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(number)
        yield
