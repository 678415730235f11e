"""The network for 32 × 32 images that was published with distribution-aware weights."""

from typing import Literal

from trainers.models.chain import Chain, Step, inner_layers
from trainers.models.forms import Form, changed, check_counts

STEPS = (
    Step(channels=128, kernel=3, padding=1),
    Step(channels=128, kernel=3, padding=1),
    Step(channels=256, kernel=3, padding=1, pool=2),
    Step(channels=256, kernel=3, padding=1),
    Step(channels=512, kernel=3, padding=1, pool=2, drops=True),
    Step(channels=512, kernel=3, padding=1),
    Step(channels=1024, kernel=4, pool=2, drops=True),
)
INNER = inner_layers(len(STEPS) + 1)
FORM = Form(norm_before=INNER, dropout=0.4)


class BinCifar(Chain):
    """Eight convolutions, all but the first normalised in front, and three poolings.

    Convolutions of 128, 128, 256, 256, 512, 512 (3 × 3), 1024 (4 × 4) and the classes (1 × 1); 2 ×
    2 max pooling before conv3, conv5 and conv7. Whole channels are dropped before conv5 and conv7.
    All layers have biases. They are named conv1 to conv8, the normalisations bn1 to bn8. Every
    inner layer is normalised in front whether its input turns binary or not, so hybrids need no
    form of their own. Returns logits; the published code applies log-softmax to them.

    Args:
        form: float: conv8 is normalised too, and ReLU follows it, so no logit is negative, as
            published for binary weights; fbin: neither, as published for binary inputs.
        dropout: Share of channels dropped; None: 0.4, as published.
        num_classes: Outputs; 1 or more.
        in_channels: Channels of the images, 32 × 32 pixels; 1 or more.

    Raises:
        SpecError: If one of them is not allowed.

    Source: code of Prabhu et al. 2018, WACV: `bincifar`, `bincifarfbin`.
    """

    def __init__(
        self,
        *,
        form: Literal["float", "fbin"] = "float",
        dropout: float | None = None,
        num_classes: int = 10,
        in_channels: int = 3,
    ) -> None:
        check_counts({"num_classes": num_classes, "in_channels": in_channels})
        super().__init__(
            steps=STEPS,
            size=32,
            form=changed(FORM, INNER, dropout=dropout),
            num_classes=num_classes,
            in_channels=in_channels,
            norm_before=() if form == "fbin" else ("conv8",),
            relu_at_end=form != "fbin",
        )
