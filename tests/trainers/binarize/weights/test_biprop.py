"""A layer's ticket: what is kept, and what scales it."""

import torch

from trainers.binarize.weights import BipropBinarizer, make_weight_binarizer


def _with_scores(scores: list[float], latent: list[float], **options: object) -> object:
    weight = torch.tensor([latent])
    binarizer = make_weight_binarizer("biprop", weight, **options)
    binarizer.scores.data.copy_(torch.tensor([scores]))
    return binarizer(weight).detach().flatten().tolist()


def test_the_largest_scores_are_kept_with_the_mean_of_their_weights() -> None:
    kept = _with_scores([0.1, -0.9, 0.5, 0.2], [1.0, -2.0, 4.0, 8.0], keep=0.5)
    assert kept == [0.0, -3.0, 3.0, 0.0]


def test_the_published_scale_divides_by_what_the_share_truncates_to() -> None:
    latent = [1.0, 2.0, 3.0, 4.0, 5.0]
    scores = [0.5, 0.4, 0.3, 0.2, 0.1]
    # int(0.5 * 5) is 2, and 3 are kept.
    assert _with_scores(scores, latent, keep=0.5) == [2.0, 2.0, 2.0, 0.0, 0.0]
    published = _with_scores(scores, latent, keep=0.5, published_alpha=True)
    assert published == [3.0, 3.0, 3.0, 0.0, 0.0]


def test_all_is_kept_at_a_share_of_one() -> None:
    assert _with_scores([0.0, 0.0], [1.0, -3.0], keep=1.0) == [2.0, -2.0]


def test_a_tiny_share_keeps_the_best_weight() -> None:
    assert _with_scores([0.1, 0.2], [1.0, -3.0], keep=1e-9) == [0.0, -3.0]


def test_a_published_scale_that_divides_by_0_says_so() -> None:
    latent = torch.ones(2, 2)
    collapsed = BipropBinarizer(latent, keep=0.2, published_alpha=True)
    assert not collapsed(latent).isfinite().all()
    assert "4 weights times keep are less than 1" in str(collapsed.collapse)
    enough, ours = (
        BipropBinarizer(latent, keep=0.25, published_alpha=True),
        BipropBinarizer(latent, keep=0.2),
    )
    for fine in (enough, ours):
        assert fine.collapse is None
        assert fine(latent).isfinite().all()
