"""The source of all randomness: one seed in, named generators out."""

import hashlib

from torch import Generator


def generator(seed: int, purpose: str, epoch: int = 0) -> Generator:
    """Returns a CPU generator that depends only on the three arguments.

    No draw uses global state. So results depend neither on what the process ran before nor on
    where a trial was resumed.

    Args:
        seed: The trial's seed.
        purpose: Name of the draw: "weights", "order", ...
        epoch: Counted from 0, for draws that every epoch repeats.
    """
    digest = hashlib.sha256(f"{seed}/{purpose}/{epoch}".encode()).digest()
    # torch reads the 64 bits as a signed number, so the top bit stays 0.
    return Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
