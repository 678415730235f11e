"""What a picture file becomes: bytes of one form, or the reason why it cannot be used.

docs/image-folders.md has the same as a table.
"""

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from trainers.data.news import reason_of
from trainers.data.refused import Kind, UnusableError

if TYPE_CHECKING:
    from PIL.Image import Image, Transpose
    from PIL.ImageFile import ImageFile

READING = 2
"""Version of what pictures become; raised when a picture that was read becomes other bytes."""
FORMATS = ("JPEG", "PNG", "BMP", "PPM", "TIFF", "WEBP")
"""Pillow's formats that are read, whatever suffix a file has."""
MODES = {1: "L", 3: "RGB"}
"""Pillow's image mode, by number of channels."""
READ_MODES = frozenset({"1", "CMYK", "I;16", "I;16B", "L", "LA", "P", "RGB", "RGBA", "YCbCr"})
MODE_NAMES = {"F": "floating-point numbers", "I": "32-bit numbers", "LAB": "L*a*b* colours"}
GREY_16 = frozenset({"I", "I;16", "I;16B"})
Alpha = Literal["refuse", "drop", "white", "black"]
Resize = bool | Literal["uncut", "whole"]
MOST_SCALED = 1 << 28
"""Most pixels of a picture that is scaled before its centre is cut out."""

ORIENTATION, SAMPLES, BITS, SAMPLE_FORMAT, PHOTOMETRIC = 274, 277, 258, 339, 262
"""Tags of TIFF; EXIF has the first one too."""
EXIF_KEYS = frozenset({"exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif"})
USUAL_GAMMA = 0.45455

UPPER_BYTE = "with 16 bits for each value, of which the upper 8 are read"
STORED = "with an EXIF orientation, which is not applied (`upright: true` applies it)"
TURNED = "in TIFF with an orientation, which Pillow applies"
FIRST = "with more than one picture in a JPEG (MPO), of which the first is read"
INKS = "with CMYK colours, converted to RGB without a colour profile"
PROFILE = "with a colour profile or a gamma, which is not applied"


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """The required form of the images.

    Args:
        size: Height and width; of uncut images the shorter of the two.
        channels: 1: grey; 3: colour.
        resize: Resize images of other sizes instead of refusing them, and cut out the centre; or
            keep them uncut; or keep them whole, with the size that they have.
        alpha: Images with transparent pixels are refused, lose their alpha channel, or are laid on
            white or black.
        upright: Turn images as their EXIF orientation says.
    """

    size: int
    channels: int
    resize: Resize
    alpha: Alpha = "refuse"
    upright: bool = False

    def shape(self, num: int) -> tuple[int, ...]:
        """Shape of so many images; without height and width if these differ."""
        if self.resize == "uncut":
            return num, self.channels
        return num, self.channels, self.size, self.size


class Picture(NamedTuple):
    """A picture in the required form, and what was decided about it."""

    image: "Image"
    notes: tuple[str, ...]


def picture(content: bytes, form: Form) -> Picture:
    """Decodes a file to the required form.

    Raises:
        UnusableError: If the file is damaged, or no picture of a kind that is read.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as opened:
            return _converted(opened, form)
    except UnusableError:
        raise
    except UnidentifiedImageError as error:
        what = f"cannot be decoded (no picture in {', '.join(FORMATS)})"
        raise UnusableError(Kind.FILE, what) from error
    # Pillow's decoders raise errors of any type for damaged files.
    except Exception as error:
        raise UnusableError(Kind.FILE, f"cannot be decoded ({reason_of(error)})") from error


def _converted(opened: "ImageFile", form: Form) -> Picture:
    notes: list[str] = []
    _refuse_unread(opened)
    if opened.format == "TIFF":
        _refuse_odd_tiff(opened)
        if opened.tag_v2.get(ORIENTATION, 1) != 1:  # type: ignore[attr-defined]
            notes.append(TURNED)
    elif opened.format == "MPO":
        notes.append(FIRST)
    if not form.resize and opened.size != (form.size, form.size):
        width, height = opened.size
        what = f"has {width}x{height} pixels, not {form.size}x{form.size}"
        raise UnusableError(Kind.SIZE, what)
    raw = _raw_mode(opened)
    if ";16" in raw or opened.mode in GREY_16 or _is_deep_ppm(opened):
        notes.append(UPPER_BYTE)
    elif opened.mode == "CMYK":
        notes.append(INKS)
    opened.load()
    # PNG may have its metadata behind the pixels.
    if "icc_profile" in opened.info or opened.info.get("gamma", USUAL_GAMMA) != USUAL_GAMMA:
        notes.append(PROFILE)
    turn = _turn(opened)
    if turn is not None and not form.upright:
        notes.append(STORED)
    image = _without_alpha(opened, form, raw) if opened.has_transparency_data else opened
    if image.mode in GREY_16:
        image = _upper_byte(image)
    mode = MODES[form.channels]
    if image.mode != mode:
        image = image.convert(mode)
    if turn is not None and form.upright:
        image = image.transpose(turn)
    if form.resize != "whole" and image.size != (form.size, form.size):
        image = _scaled(image, form.size)
        if form.resize != "uncut":
            image = _centre(image, form.size)
    return Picture(image, tuple(notes))


def _refuse_unread(opened: "ImageFile") -> None:
    """Raises UnusableError for modes and animations that are not read."""
    is_grey_16 = opened.mode == "I" and opened.format == "PPM"
    if opened.mode not in READ_MODES and not is_grey_16:
        name = MODE_NAMES.get(opened.mode, "")
        what = f"has Pillow's mode {opened.mode}{f' ({name})' if name else ''}, which is not read"
        raise UnusableError(Kind.MODE, what)
    # Of several pictures in a JPEG, the others are previews or depths of the first.
    if getattr(opened, "is_animated", False) and opened.format != "MPO":
        what = f"is an animation or has several pages ({getattr(opened, 'n_frames', 2)})"
        raise UnusableError(Kind.MODE, what)


def _refuse_odd_tiff(opened: "ImageFile") -> None:
    """Raises UnusableError for values that Pillow would take for others in silence."""
    tags = opened.tag_v2  # type: ignore[attr-defined]
    samples = tags.get(SAMPLES, 1)
    what = ""
    if samples > len(opened.getbands()):
        what = f"has {samples} channels, of which Pillow reads {len(opened.getbands())}"
    elif max(tags.get(SAMPLE_FORMAT, (1,))) > 1:
        what = "has signed or floating-point numbers, which are not read"
    elif opened.mode in GREY_16 and max(tags.get(BITS, (16,))) != 16:
        what = f"has {max(tags.get(BITS, (16,)))} bits for each value, which are not read"
    elif opened.mode in GREY_16 and tags.get(PHOTOMETRIC, 1) == 0:
        what = "has 16 bits with white as 0, which are not read"
    if what:
        raise UnusableError(Kind.MODE, what)


def _raw_mode(opened: "ImageFile") -> str:
    """Pillow's name for the pixels in the file, such as `RGB;16B`; empty if it has none."""
    if not opened.tile:
        return ""
    arguments = opened.tile[0][3]
    return arguments if isinstance(arguments, str) else str(arguments[0] if arguments else "")


def _is_deep_ppm(opened: "ImageFile") -> bool:
    """Whether colours in PPM have more than 8 bits; Pillow scales them by their maximum."""
    if opened.format != "PPM":
        return False
    arguments = opened.tile[0][3]
    return isinstance(arguments, tuple) and isinstance(arguments[-1], int) and arguments[-1] > 255


def _without_alpha(opened: "ImageFile", form: Form, raw: str) -> "Image":
    """Returns the picture with no transparent pixels, as the form says.

    Raises:
        UnusableError: If it has some, and the form refuses them.
    """
    from PIL import Image

    if form.alpha != "drop":
        # Pillow compares a transparent colour of 2, 4 or 16 bits with pixels of 8.
        if opened.mode not in ("LA", "P", "RGBA") and raw != opened.mode:
            what = f"has a transparent colour beside pixels of form {raw}; only `drop` reads it"
            raise UnusableError(Kind.ALPHA, what)
        layered = opened.convert("RGBA")
        lowest, _ = layered.getchannel("A").getextrema()
        if lowest != 255:
            if form.alpha == "refuse":
                raise UnusableError(Kind.ALPHA, "has transparent pixels")
            return Image.alpha_composite(Image.new("RGBA", opened.size, form.alpha), layered)
    # Pillow warns when it converts a palette that has it.
    opened.info.pop("transparency", None)
    return opened


def _upper_byte(image: "Image") -> "Image":
    """Returns 16-bit grey as 8 bits: the upper byte, which Pillow reads of 16-bit colours too."""
    import numpy as np
    from PIL import Image

    return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))


def _turn(opened: "ImageFile") -> "Transpose | None":
    """How the EXIF orientation says to turn the picture; None: not at all."""
    if EXIF_KEYS.isdisjoint(opened.info) or opened.format == "TIFF":
        return None
    from PIL.Image import Transpose

    try:
        orientation = opened.getexif().get(ORIENTATION, 1)
    # Damaged EXIF raises errors of any type, and says nothing about the pixels.
    except Exception:
        return None
    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    return turns.get(orientation)


def _scaled(image: "Image", size: int) -> "Image":
    """Does what torchvision's Resize(size) does on a Pillow image."""
    from PIL.Image import Resampling

    width, height = image.size
    shorter = min(width, height)
    scaled = (int(size * width / shorter), int(size * height / shorter))
    if scaled[0] * scaled[1] > MOST_SCALED:
        what = f"has {width}x{height} pixels, too long and thin to scale to {size}"
        raise UnusableError(Kind.SIZE, what)
    return image.resize(scaled, Resampling.BILINEAR)


def _centre(image: "Image", size: int) -> "Image":
    """Does what torchvision's CenterCrop(size) does."""
    left, top = (round((side - size) / 2) for side in image.size)
    return image.crop((left, top, left + size, top + size))
