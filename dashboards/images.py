"""How many images a matrix' errors were measured on, read off the errors themselves."""

import math
from collections.abc import Iterable
from fractions import Fraction

MOST = 100_000
"""Most images that are looked for; ImageNet validates on 50,000."""
CLOSE = 1e-12


def num_images(errors: Iterable[float]) -> int | None:
    """Fewest images of which every error is a whole number; None if there is no such number.

    Of a few errors it may be a divisor of the true number; of a whole matrix it hardly ever is.

    Args:
        errors: Shares of images, in [0, 1]; NaN is left out.
    """
    found = 1
    for error in set(errors):
        if math.isnan(error):
            continue
        share = Fraction(error).limit_denominator(MOST)
        found = math.lcm(found, share.denominator)
        if abs(float(share) - error) > CLOSE or found > MOST:
            return None
    return found if found > 1 else None
