"""Texts that are longer than one MLflow tag: several tags that are read as one.

MLflow cuts a tag after 8,000 characters, other stores after 5,000, and says so in a log at most.
"""

import hashlib
import re
from collections.abc import Mapping

LONGEST = 4900
"""Most characters of a text in one tag; its head comes on top."""
_PART = ".part{number}"
_HEAD = re.compile(r"\[(\d+)/(\d+) ([0-9a-f]{8})\] ")


def split(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags as MLflow can hold them; a long text becomes several tags.

    The first part keeps the key. Each part says its number, how many there are, and the checksum
    of the whole text, so that parts of an older text are told apart.

    Args:
        tags: Key to text of any length.
    """
    held: dict[str, str] = {}
    for key, text in tags.items():
        text = storable(text)
        # A short text that looks like a part is written as one, so that it is read back as it is.
        if len(text) <= LONGEST and not _HEAD.match(text):
            held[key] = text
            continue
        parts = [text[start : start + LONGEST] for start in range(0, len(text), LONGEST)]
        mark = _checksum(text)
        for number, part in enumerate(parts, start=1):
            held[_key(key, number)] = f"[{number}/{len(parts)} {mark}] {part}"
    return held


def joined(held: Mapping[str, str]) -> dict[str, str]:
    """The tags as they were before `split`; what is no such part stays as it is.

    A text of which a part is missing or belongs to another text is left out, as if it had never
    been recorded.

    Args:
        held: The tags of a run.
    """
    tags: dict[str, str] = {}
    for key, text in held.items():
        head = _HEAD.match(text)
        if head is None:
            tags[key] = text
        elif head[1] == "1":
            num_parts = min(int(head[2]), len(held))
            texts = [held.get(_key(key, n), "") for n in range(1, num_parts + 1)]
            whole = "".join(_HEAD.sub("", part, count=1) for part in texts)
            if _checksum(whole) == head[3]:
                tags[key] = whole
    return tags


def storable(text: str) -> str:
    """The text with ? for what no database takes: NUL, and halves of characters."""
    return text.encode("utf-8", "replace").decode().replace("\0", "?")


def shortened(text: str) -> str:
    """A text for a param, which MLflow cuts after 6,000 characters; only to be looked at.

    Its end is replaced by a checksum, so that two long texts stay two.
    """
    text = storable(text)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}... {_checksum(text)}"


def _key(key: str, number: int) -> str:
    return key if number == 1 else key + _PART.format(number=number)


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
