"""The number of images behind errors."""

import math

import numpy as np
import pytest

from dashboards.images import num_images


@pytest.mark.parametrize("images", [360, 10_000, 50_000])
def test_the_errors_of_a_matrix_tell_how_many_images_there_were(images: int) -> None:
    wrong = np.random.default_rng(1).integers(1, images // 10, 40)
    assert num_images([*(wrong / images), math.nan]) == images
    assert num_images(1 - wrong / images) == images


def test_what_is_no_share_of_images_tells_nothing() -> None:
    assert num_images(np.random.default_rng(2).normal(0.1, 0.01, 5)) is None
    assert num_images([0.0, 1.0]) is None
    assert num_images([]) is None
