"""Whether a picture is good enough to be judged: bright enough, not too bright, sharp, with something on it, and of one piece."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import cv2
import numpy as np

from plant.inspections import Reason
from plant.settings_vision import FrameCheckSettings, ViewSettings
from vision import picture_damage
from vision.frames import Frame, FrameStatistics, Pixels

_WIDTH: Final = 320
"""Measured at one width, so that limits mean the same for every camera."""
_WHITE: Final = 250
_PLAIN: Final = 1.5
"""Standard deviation of grey values below which a row or column shows nothing."""
_MOST_WOVEN: Final = 0.5
_MOST_SHARP: Final = 6000.0
"""Of 1,001 real photos none came above 3,100, also in smaller sizes; a JPEG whose tables are those of a poorer quality does."""
_MOST_CUT: Final = 1.95
_MOST_JOINED: Final = 1.05
"""Of ``cut`` times ``joined``: of 1,001 real photos none came above .89."""
_MOST_BOTH: Final = 3.1
"""Of ``torn`` times ``cut``: of 1,001 real photos none came above 2.99."""


def measure(pixels: Pixels) -> FrameStatistics:
    """Return the statistics of a picture."""
    height, width = pixels.shape[:2]
    grey = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
    if width > _WIDTH:
        grey = cv2.resize(grey, (_WIDTH, max(8, round(height * _WIDTH / width))), interpolation=cv2.INTER_AREA)
    values = np.asarray(grey, np.float32)
    away = values - values.mean()
    squares = away * away
    flat = max(float(np.mean(squares.mean(axis=side) - away.mean(axis=side) ** 2 < _PLAIN**2)) for side in (0, 1))
    return FrameStatistics(
        float(values.mean()),
        float(cv2.Laplacian(grey, cv2.CV_32F).var(dtype=np.float64)),
        100 * float(np.mean(values >= _WHITE)),
        100 * flat,
        picture_damage.torn(pixels),
        *picture_damage.cut_and_joined(pixels),
        picture_damage.woven_percent(pixels),
    )


def statistics_of(frame: Frame) -> FrameStatistics:
    """Return the statistics of a frame: those it was handed on with, measured where there are none."""
    return measure(frame.pixels) if frame.statistics is None else frame.statistics


def poor(found: FrameStatistics, limits: FrameCheckSettings) -> list[Reason]:
    """Return why a picture is too poor to be judged; nothing where it is good enough."""
    least = (("dark", found.brightness, limits.dark_below, 1), ("blurred", found.sharpness, limits.sharp_above, 2))
    most = (
        ("overexposed", found.white_percent, limits.white_percent, 1),
        ("harsh", found.sharpness, _MOST_SHARP, 0),
        ("flat", found.flat_percent, limits.flat_percent, 1),
        ("torn", found.torn, limits.torn_above, 1),
        ("torn", found.cut, _MOST_CUT, 2),
        ("torn", found.torn * found.cut, _MOST_BOTH, 2),
        ("torn", found.cut * found.joined, _MOST_JOINED, 2),
        ("torn", found.woven_percent, _MOST_WOVEN, 1),
    )
    beyond = [each for each in least if each[1] < each[2]] + [each for each in most if each[1] > each[2]]
    return [Reason(code, {"value": round(value, digits), "limit": limit}) for code, value, limit, digits in beyond]


def expired(view: ViewSettings, taken_us: int) -> list[Reason]:
    """Return why the calibration of a view did not hold when a picture was taken; nothing where it did, or where there is none."""
    if view.calibration is None:
        return []
    day = datetime.fromtimestamp(taken_us / 1e6, UTC).date()
    if view.calibration.date <= day <= view.calibration.expires:
        return []
    words = {"calibration": view.calibration.id, "expires": view.calibration.expires.isoformat(), "date": view.calibration.date.isoformat()}
    return [Reason("calibration_expired" if day > view.calibration.expires else "calibration_later", words)]
