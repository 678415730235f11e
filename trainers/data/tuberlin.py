"""TU-Berlin: 20,000 sketches of 250 kinds of things; Eitz et al. 2012."""

from trainers.data.sketches import Sketches, sketch_source

TUBERLIN_SOURCE = sketch_source(
    Sketches(
        folder="tuberlin",
        classes=250,
        # Of the 80 sketches of each class 64; nobody published which.
        train_images=16_000,
        validation=1_250,
        mean=0.06,
        std=0.93,
    )
)
"""A folder of TU-Berlin's sketches, as the code of arXiv:1804.02941 reads them."""
