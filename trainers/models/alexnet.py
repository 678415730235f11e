"""AlexNet with convolutions for linear layers, as published with distribution-aware weights."""

from collections.abc import Mapping, Sequence
from typing import Literal

from trainers.models.chain import Chain, Step, inner_layers
from trainers.models.forms import Form, changed, check_counts

STEPS = (
    Step(channels=96, kernel=11, stride=4, padding=2),
    Step(channels=256, kernel=5, padding=2, pool=3),
    Step(channels=384, kernel=3, padding=1, pool=3),
    Step(channels=384, kernel=3, padding=1),
    Step(channels=256, kernel=3, padding=1),
    Step(channels=4096, kernel=6, pool=3, drops=True),
    Step(channels=4096, kernel=1, drops=True),
)
INNER = inner_layers(len(STEPS) + 1)

AlexNetForm = Literal["float", "wbin", "fbin", "hybrid", "v2"]
FORMS: Mapping[str, Form] = {
    "float": Form(dropout=0.5),
    "wbin": Form(unbiased=INNER, dropout=0.5),
    "fbin": Form(unbiased=INNER, norm_before=INNER),
    "hybrid": Form(unbiased=INNER, norm_before=INNER[:4], dropout=0.1),
    "v2": Form(unbiased=INNER, norm_before=INNER[:5]),
}


class AlexNet(Chain):
    """Eight convolutions, normalised, with three poolings; the last three act as linear layers.

    Convolutions of 96 (11 × 11, stride 4), 256 (5 × 5), 384, 384, 256 (3 × 3), 4096 (6 × 6), 4096
    and the classes (1 × 1); 3 × 3 max pooling with stride 2 before conv2, conv3 and conv6. Whole
    channels are dropped before conv6 and conv7. Layers are named conv1 to conv8, their
    normalisations bn1 to bn7. Returns logits; the published code applies log-softmax to them.

    Args:
        form: float; or as published: wbin for binary weights; fbin for binary inputs too; hybrid
            and v2: inputs of conv6 and conv7, or of conv7 alone, stay real.
        norm_before: Layers normalised in front instead of behind, for binary inputs; None: those
            of the form. `activations` of all layers then binarizes these.
        unbiased: Layers without a bias; None: those of the form.
        dropout: Share of channels dropped; None: as much as the form.
        num_classes: Outputs; 1 or more.
        in_channels: Channels of the images, 224 × 224 pixels; 1 or more.

    Raises:
        SpecError: If one of them is not allowed.

    Source: Krizhevsky et al. 2012; code of Prabhu et al. 2018, WACV: `alexnet`, `alexnetwbin`,
        `alexnetfbin`, `alexnethybrid`, `alexnethybridv2`.
    """

    def __init__(
        self,
        *,
        form: AlexNetForm = "float",
        norm_before: Sequence[str] | None = None,
        unbiased: Sequence[str] | None = None,
        dropout: float | None = None,
        num_classes: int = 1000,
        in_channels: int = 3,
    ) -> None:
        check_counts({"num_classes": num_classes, "in_channels": in_channels})
        super().__init__(
            steps=STEPS,
            size=224,
            form=changed(
                FORMS[form], INNER, norm_before=norm_before, unbiased=unbiased, dropout=dropout
            ),
            num_classes=num_classes,
            in_channels=in_channels,
        )
