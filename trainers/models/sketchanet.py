"""Sketch-A-Net, as published with distribution-aware weights."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from trainers.models.chain import Chain, Step, inner_layers
from trainers.models.forms import Form, changed, check_counts

STEPS = (
    Step(channels=64, kernel=15, stride=3),
    Step(channels=128, kernel=5, pool=3),
    Step(channels=256, kernel=3, padding=1, pool=3),
    Step(channels=256, kernel=3, padding=1),
    Step(channels=256, kernel=3, padding=1),
    Step(channels=512, kernel=7, pool=3),
    Step(channels=512, kernel=1, drops=True),
)
INNER = inner_layers(len(STEPS) + 1)

SketchANetForm = Literal["float", "wbin", "fbin", "hybrid", "v2"]
FORMS: Mapping[str, Form] = {
    "float": Form(dropout=0.1),
    "wbin": Form(unbiased=INNER, dropout=0.1),
    "fbin": Form(unbiased=INNER, norm_before=INNER, dropout=0.2),
    "hybrid": Form(unbiased=INNER, norm_before=INNER[:4], dropout=0.2),
    "v2": Form(unbiased=INNER, norm_before=INNER[:5], dropout=0.2),
}


class SketchANet(Chain):
    """Eight convolutions, normalised, with three poolings, for grey sketches of 225 × 225 pixels.

    Convolutions of 64 (15 × 15, stride 3), 128 (5 × 5), 256, 256, 256 (3 × 3), 512 (7 × 7), 512
    and the classes (1 × 1); 3 × 3 max pooling with stride 2 before conv2, conv3 and conv6. Whole
    channels are dropped before conv7 and conv8. Layers are named conv1 to conv8, their
    normalisations bn1 to bn7. Returns logits; the published code applies log-softmax to them.

    Args:
        form: float; or as published: wbin for binary weights; fbin for binary inputs too; hybrid
            and v2: inputs of conv6 and conv7, or of conv7 alone, stay real.
        norm_before: Layers normalised in front instead of behind, for binary inputs; None: those
            of the form. `activations` of all layers then binarizes these.
        unbiased: Layers without a bias; None: those of the form.
        dropout: Share of channels dropped; None: as much as the form.
        num_classes: Outputs; 1 or more.
        in_channels: Channels of the images, 225 × 225 pixels; 1 or more.

    Raises:
        SpecError: If one of them is not allowed.

    Source: Yu et al. 2015, Sketch-a-Net that Beats Humans, arXiv:1501.07873; code of Prabhu et
        al. 2018, WACV: `sketchanet`, `sketchanetwbin`, `sketchanetfbin`, `sketchanethybrid`,
        `sketchanethybridv2`.
    """

    channels_last: ClassVar[bool] = True
    """Its convolutions were faster with the channels innermost on each CPU that was measured."""

    def __init__(
        self,
        *,
        form: SketchANetForm = "float",
        norm_before: Sequence[str] | None = None,
        unbiased: Sequence[str] | None = None,
        dropout: float | None = None,
        num_classes: int = 250,
        in_channels: int = 1,
    ) -> None:
        check_counts({"num_classes": num_classes, "in_channels": in_channels})
        super().__init__(
            steps=STEPS,
            size=225,
            form=changed(
                FORMS[form], INNER, norm_before=norm_before, unbiased=unbiased, dropout=dropout
            ),
            num_classes=num_classes,
            in_channels=in_channels,
            last_drops=True,
        )
