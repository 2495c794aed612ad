from __future__ import annotations

import cv2
import numpy as np
import pytest

from plant.settings_vision import FrameCheckSettings
from simulators.seam_scenes import render_seam
from tests.vision.pictures import jpeg, scene
from vision import jpeg_tables
from vision.frame_checks import measure, poor
from vision.frames import Pixels
from vision.image_headers import RefusedImage
from vision.images import ImageLimits, decode

LIMITS = ImageLimits()


def table_at(content: bytes) -> int:
    """Return where the numbers of the first quantisation table begin."""
    return content.index(b"\xff\xdb") + 5


def joined(upper: Pixels, lower: Pixels, at: int) -> Pixels:
    """Return a picture whose pixels from one on are those of another."""
    made = upper.reshape(-1, 3).copy()
    made[at:] = lower.reshape(-1, 3)[at:]
    return made.reshape(upper.shape)


def codes(pixels: Pixels) -> list[str]:
    return [reason.code for reason in poor(measure(pixels), FrameCheckSettings(sharp_above=0, flat_percent=100))]


@pytest.mark.parametrize("quality", [20, 50, 75, 85, 92, 95, 98, 100])
def test_a_jpeg_of_any_quality_is_taken(quality: int) -> None:
    assert decode(jpeg(quality=quality), LIMITS).shape == (240, 320, 3)


@pytest.mark.parametrize("quality", [50, 85, 95])
@pytest.mark.parametrize(("place", "flipped"), [(63, 0x80), (30, 0x80), (5, 0x40)])
def test_a_jpeg_with_a_number_of_its_tables_damaged_is_refused(quality: int, place: int, flipped: int) -> None:
    whole = jpeg(quality=quality)
    content = bytearray(whole)
    content[table_at(whole) + place] ^= flipped
    with pytest.raises(RefusedImage) as refused:
        decode(bytes(content), LIMITS)
    assert refused.value.reason.code == "damaged_header"
    assert "quantisation" in str(refused.value)


def test_a_table_of_another_make_is_taken_when_it_is_smooth() -> None:
    across = np.add.outer(np.arange(8), np.arange(8))
    smooth = (5 + across * across // 3).astype(np.int64).ravel()
    assert jpeg_tables.is_sound(smooth)
    rough, none = smooth.copy(), smooth.copy()
    rough[9], none[40] = 230, 0
    assert not jpeg_tables.is_sound(rough)
    assert not jpeg_tables.is_sound(none), "a number of 0 takes a pattern away from all blocks"


@pytest.mark.parametrize("at", [320 * 100, 320 * 117 + 200, 320 * 40 + 40], ids=["at a row", "within a row", "near its begin"])
def test_two_pictures_in_one_file_are_torn(at: int) -> None:
    seam = np.asarray(cv2.resize(render_seam(3, size=384).pixels, (320, 240), interpolation=cv2.INTER_AREA), np.uint8)
    assert "torn" in codes(joined(seam, scene(4), at))
    assert not codes(seam)
    assert not codes(scene(4))


def rough(seed: int) -> Pixels:
    """Return a surface without one even place, such as rust or spatter from near."""
    drawn = np.random.default_rng(seed).normal(0, 1, (240, 320, 3))
    grey = cv2.GaussianBlur(drawn, (0, 0), 0.9) * 110 + 120
    return np.asarray(np.clip(grey, 0, 255), np.uint8)


def test_two_rough_pictures_in_one_file_are_torn_as_their_rows_have_nothing_in_common() -> None:
    made = joined(rough(1), rough(2), 320 * 100)
    assert measure(made).cut < 1.95, "rows around the cut differ nearly as much"
    assert "torn" in codes(made)
    assert not codes(rough(1))
    assert not codes(rough(2))


def test_a_jpeg_with_the_tables_of_a_poorer_quality_is_harsh() -> None:
    grey = np.random.default_rng(5).normal(120, 30, (240, 320, 3))
    made = np.asarray(np.clip(cv2.GaussianBlur(grey, (0, 0), 0.7), 0, 255), np.uint8)
    fine, coarse = jpeg(made, 90), jpeg(made, 30)
    content = bytearray(fine)
    for at in (place for place in range(len(fine)) if fine[place : place + 2] == b"\xff\xdb"):
        content[at + 5 : at + 69] = coarse[at + 5 : at + 69]
    assert "harsh" in codes(decode(bytes(content), LIMITS))
    assert not codes(decode(fine, LIMITS))


def test_a_straight_edge_of_a_thing_and_coarse_blocks_are_not_torn() -> None:
    pixels = scene(2).copy()
    pixels[118:] = np.clip(pixels[118:].astype(int) - 60, 0, 255).astype(np.uint8)
    slope = np.array([[1, 0, 0], [0.01, 1, 0.0]])
    sloping = np.asarray(cv2.warpAffine(pixels, slope, (320, 240), borderMode=cv2.BORDER_REPLICATE), np.uint8)
    assert not codes(sloping), "an edge that is not exactly along a row"
    assert not codes(decode(jpeg(scene(2), 15), LIMITS))
