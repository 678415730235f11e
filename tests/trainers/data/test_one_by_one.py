"""Transforms of torchvision on each image by itself."""

import torch

from trainers.data.one_by_one import one_by_one


def test_each_image_has_draws_of_its_own_that_do_not_depend_on_the_others() -> None:
    pixels = torch.zeros(4, 1, 2, 2, dtype=torch.uint8)

    def drawn(image: torch.Tensor) -> torch.Tensor:
        return image + torch.randint(0, 250, (1,), dtype=torch.uint8)

    before = torch.get_rng_state()
    found = one_by_one(drawn, pixels, torch.Generator().manual_seed(1))
    assert torch.equal(torch.get_rng_state(), before)
    assert (found.shape, found.dtype) == (pixels.shape, torch.float32)
    assert len(found.unique()) == 4

    def twice(image: torch.Tensor) -> torch.Tensor:
        result = drawn(image)
        torch.rand(1)
        return result

    assert torch.equal(one_by_one(twice, pixels, torch.Generator().manual_seed(1)), found)
