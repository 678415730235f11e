"""Sketchy: 75,471 sketches of 125 kinds of things; Sangkloy et al. 2016."""

from trainers.data.sketches import Sketches, sketch_source

SKETCHY_SOURCE = sketch_source(
    Sketches(
        folder="sketchy_recognition",
        classes=125,
        # Four fifths; nobody published which.
        train_images=60_377,
        validation=5_000,
        mean=0.0465,
        std=0.9,
    )
)
"""A folder of Sketchy's sketches, as the code of arXiv:1804.02941 reads them."""
