"""Signs in a decoded picture that its bytes were damaged on the way: what no camera makes, and no decoder complains about."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from vision.detections import Floats
from vision.frames import Pixels

_BLOCK: Final = 8
"""Rows of one block of JPEG: data that are damaged shift what follows from the begin of a block on."""
_PARTS: Final = 4
_COLUMNS: Final = 160
"""So many of them tell of a step."""
_CLOTH: Final = 16
_PIECES: Final = 8
_LATER: Final = (1, _BLOCK, 2 * _BLOCK)
"""So many rows further down a cut goes on at the left that begins within a row: of pixels, of blocks, of blocks with halved colours."""
_AROUND: Final = (-8, -3, -2, -1, 1, 2, 3, 8)
_NOISE: Final = 16.0
_EVEN: Final = 60.0
"""Rows that vary less than that have nothing to go on with."""
_MOST: Final = 4.0
"""One piece of a row tells at most so much: an edge of a thing must not stand for the whole row."""


def torn(pixels: Pixels) -> float:
    """Return how clear the clearest step is that lies exactly between two rows of blocks and is the same across half of the width.

    A JPEG whose data are damaged is decoded without complaint, and all that follows is brighter or of another colour. Edges of things are
    not as straight, not as even, and seldom just there: of 1,001 real photos none came above 2.1.
    """
    rows = np.arange(_BLOCK, pixels.shape[0] - 1, _BLOCK)
    if not len(rows) or pixels.shape[1] < _PARTS:
        return 0.0
    some = slice(None, None, max(1, pixels.shape[1] // _COLUMNS))
    above2, above, below, below2 = (pixels[rows + by, some].astype(np.float32) for by in (-2, -1, 0, 1))
    steps = (below - above) - ((above - above2) + (below2 - below)) / 2
    across = steps.shape[1] // _PARTS * _PARTS
    parts = steps[:, :across].reshape(len(rows), _PARTS, -1, 3)
    middle = np.median(parts, axis=2)
    clear = middle / (1 + np.median(np.abs(parts - middle[:, :, None]), axis=2))
    left, right = clear[:, :-1], clear[:, 1:]
    both = np.minimum(np.abs(left), np.abs(right)) * (np.sign(left) == np.sign(right))
    return float(both.max())


def cut_and_joined(pixels: Pixels) -> tuple[float, float]:
    """Return two signs that two pictures are joined in one file, of which the second begins in any row and anywhere in it.

    ``cut``: how much more two neighbouring rows differ than the rows around them do, across the whole width: 1 is as usual. Of 1,001 real
    photos none came above 1.85, nor when they were saved anew in poor quality; of pictures joined at random 19 in 20 do.

    ``joined``: that, times how little the two rows have in common: rows of one picture go on, also where all of it is rough. Of these
    photos none came above .63, in half their size .8; of pictures joined at random 88 in 100 come above .7.
    """
    some = np.ascontiguousarray(pixels[:, :: max(1, pixels.shape[1] // _COLUMNS)])
    if some.shape[0] < 4 * _BLOCK or some.shape[1] < _PIECES:
        return 0.0, 0.0
    steps = cv2.absdiff(some[1:], some[:-1])
    each = steps[:, : steps.shape[1] // _PIECES * _PIECES].reshape(len(steps) * _PIECES, -1).astype(np.float32)
    energy = np.einsum("ij,ij->i", each, each).reshape(-1, _PIECES) / each.shape[1]
    far = max(_AROUND)
    wide = np.pad(energy, ((far, far), (0, 0)), mode="edge")
    around = np.maximum.reduce([wide[far + by : far + by + len(energy)] for by in _AROUND])
    clear = np.asarray(np.minimum(np.sqrt(energy / (around + _NOISE)), _MOST), np.float32)
    cut = max(_clearest(clear, later, at) for later in _LATER for at in range(_PIECES))
    return cut, float((_unlike(some) * (clear.sum(axis=1) - clear.min(axis=1))).max()) / (_PIECES - 1)


def _unlike(some: Pixels) -> Floats:
    """Return (rows - 1): how far each row is from the one above it, in times of what both vary: about 1 where nothing is common."""
    rows = some.astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    flat = rows.reshape(len(rows), -1)
    power, shared = np.einsum("ij,ij->i", flat, flat), np.einsum("ij,ij->i", flat[1:], flat[:-1])
    both = power[1:] + power[:-1]
    return np.asarray((both - 2 * shared) / (both + _EVEN * some.shape[1] * some.shape[2]), np.float32)


def _clearest(clear: Floats, later: int, at: int) -> float:
    """Return the mean of a row's pieces but its lowest, where that is largest; those left of ``at`` are taken ``later`` rows down."""
    rows = np.concatenate([clear[later:, :at], clear[:-later, at:]], axis=1)
    return float((rows.sum(axis=1) - rows.min(axis=1)).max()) / (_PIECES - 1)


def woven_percent(pixels: Pixels) -> float:
    """Return in how much of a picture neighbours differ clearly more than next but one neighbours do, in blocks of 16 pixels.

    Of 1,001 real photos none came above .06 %, and noise is not woven: next neighbours differ as much as others there.
    """
    grey = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
    shares = [0.0]
    for values in (grey, cv2.transpose(grey)):
        down, across = values.shape[0] // _CLOTH, (values.shape[1] - 2) // _CLOTH
        if down and across:
            part = np.asarray(values[: down * _CLOTH, : across * _CLOTH + 2])
            near, far = (
                np.asarray(cv2.resize(cv2.absdiff(part[:, 2:], one).astype(np.float32), (across, down), interpolation=cv2.INTER_AREA))
                for one in (part[:, 1:-1], part[:, :-2])
            )
            shares.append(float(np.mean(near > 1.25 * far + 1)))
    return 100 * max(shares)
