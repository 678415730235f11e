"""Where randomness begins: one seed in, named generators out."""

import hashlib

from torch import Generator


def generator(seed: int, purpose: str, epoch: int = 0) -> Generator:
    """A CPU generator that depends on its three arguments alone.

    Nothing is drawn from global state, so a result depends neither on what ran before in the
    process nor on where a trial was resumed.

    Args:
        seed: The trial's seed.
        purpose: What is drawn: "weights", "order", ...
        epoch: Epoch from 0, for what is drawn in each.
    """
    digest = hashlib.sha256(f"{seed}/{purpose}/{epoch}".encode()).digest()
    # torch takes 64 bits; the top one is left clear because it reads them as signed.
    return Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
