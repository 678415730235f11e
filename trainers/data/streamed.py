"""Pictures that stay in their files: each batch decodes its own, ahead of the network."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from trainers.data.by_row import Box
from trainers.data.listing import Listing
from trainers.data.photograph import decoded
from trainers.data.refused import Kind, Refused, UnusableError
from trainers.data.uncut import ALL, empty_windows, scaled

AT_ONCE = 1024
"""Names joined for a checksum."""
Boxes = Callable[[Tensor], Sequence[Box]]
"""Takes rows of pictures, (n,); returns their boxes. Threads call it in any order: it draws from
rows alone."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Streamed:
    """Where the file of each picture is.

    Nothing but names is in memory, so a data set may be larger than every memory.

    Args:
        folder: The folder of all of them.
        names: Name of each file below it.
        num_bytes: Length of each file, (n,), int64.
        size: Height and width of the windows.
        shorter_side: To which the shorter side of a picture is scaled, if its centre is seen.
    """

    num_views: ClassVar[int] = 1
    ahead: ClassVar[bool] = True

    folder: Path
    names: tuple[str, ...]
    num_bytes: Tensor
    size: int
    shorter_side: int

    @classmethod
    def of(cls, listing: Listing, *, size: int, shorter_side: int) -> "Streamed":
        """Makes one for the files of a listing."""
        return cls(
            folder=listing.folder,
            names=tuple(file.name for file in listing.files),
            num_bytes=torch.tensor([file.num_bytes for file in listing.files]),
            size=size,
            shorter_side=shorter_side,
        )

    def seen(
        self,
        pixels: Tensor,
        rows: Tensor,
        boxes: Boxes | None = None,
        part: slice = ALL,
        *,
        interleaved: bool = False,
    ) -> Tensor:
        """Decodes pictures and cuts a window out of each, (batch, 3, size, size), uint8.

        Args:
            pixels: Not used: a streamed data set has no bytes in memory.
            rows: Which pictures, (batch,), int64.
            boxes: Which box of each becomes its window; None: its centre.
            part: Which of the rows are decoded.
            interleaved: As for `trainers.data.uncut.empty_windows`.

        Raises:
            PicturesError: If a file cannot be read or decoded.
        """
        rows = rows[part]
        found = empty_windows(len(rows), 3, self.size, interleaved=interleaved)
        drawn: Iterable[Box | None] = repeat(None) if boxes is None else boxes(rows)
        # One at a time: whole photographs need much memory, and this one is still in the cache.
        for window, row, box in zip(found, rows.tolist(), drawn, strict=False):
            picture = self.picture(row)
            if box is None:
                window.copy_(self._centre(picture))
            else:
                where = box(picture.shape[1], picture.shape[2])
                window.copy_(scaled(picture, where, (self.size, self.size)))
        return found

    def picture(self, row: int) -> Tensor:
        """Decodes a picture as it lies in its file, (3, height, width), uint8.

        Raises:
            PicturesError: If its file cannot be read or decoded.
        """
        try:
            try:
                # As text, for a `Path` takes a fifth longer to make and open.
                with open(f"{self.folder}/{self.names[row]}", "rb", buffering=0) as file:
                    content = file.readall()
            except OSError as error:
                what = f"cannot be read ({error.strerror or error})"
                raise UnusableError(Kind.FILE, what) from error
            return decoded(content)
        except UnusableError as error:
            refused = Refused()
            refused.add(self.folder / self.names[row], error)
            refused.check()
            raise

    def parts(self, pixels: Tensor, rows: Tensor | None) -> Iterator[Tensor]:
        """Yields names and lengths of files as bytes, for a checksum that reads no file."""
        places = range(len(self.names)) if rows is None else rows.tolist()
        for first in range(0, len(places), AT_ONCE):
            named = "".join(
                f"{self.names[row]}\0{self.num_bytes[row]}\0"
                for row in places[first : first + AT_ONCE]
            )
            yield torch.frombuffer(
                bytearray(named.encode("utf-8", "surrogateescape")), dtype=torch.uint8
            )

    def _centre(self, picture: Tensor) -> Tensor:
        """Does what torchvision's Resize(shorter_side) and CenterCrop(size) do."""
        height, width = picture.shape[1:]
        shorter = min(height, width)
        scaled_to = tuple(int(self.shorter_side * side / shorter) for side in (height, width))
        whole = scaled(picture, [0, 0, height, width], (scaled_to[0], scaled_to[1]))
        top, left = (round((side - self.size) / 2) for side in scaled_to)
        return whole[:, top : top + self.size, left : left + self.size]
