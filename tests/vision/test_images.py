from __future__ import annotations

import random
import struct
import tracemalloc

import numpy as np
import pytest

from plant.inspections import reason_words
from tests.vision.pictures import bmp, commented, huge_png, jpeg, png, scene, turned
from vision.image_headers import RefusedImage
from vision.images import ImageLimits, decode, probe

LIMITS = ImageLimits()
WHOLE = {"jpeg": jpeg(), "png": png(), "bmp": bmp()}


def refusal(content: bytes, name: str = "", limits: ImageLimits = LIMITS) -> str:
    with pytest.raises(RefusedImage) as refused:
        decode(content, limits, name)
    assert reason_words(refused.value.reason) != refused.value.reason.code, "each refusal has words with its values in them"
    assert "{" not in str(refused.value)
    return refused.value.reason.code


@pytest.mark.parametrize("content", WHOLE.values(), ids=WHOLE)
def test_a_whole_picture_gives_its_pixels(content: bytes) -> None:
    pixels = decode(content, LIMITS)
    assert pixels.shape == (240, 320, 3)
    assert float(np.abs(pixels.astype(float) - scene()).mean()) < 4.0


@pytest.mark.parametrize("content", WHOLE.values(), ids=WHOLE)
@pytest.mark.parametrize("share", [0.001, 0.02, 0.3, 0.7, 0.999])
def test_a_picture_that_ends_too_early_is_refused(content: bytes, share: float) -> None:
    assert refusal(content[: max(1, int(len(content) * share))]) in {"truncated", "unknown_format", "damaged_header"}


def test_a_jpeg_cut_short_and_closed_again_is_refused() -> None:
    assert refusal(WHOLE["jpeg"][: len(WHOLE["jpeg"]) // 2] + b"\xff\xd9") == "damaged"


@pytest.mark.parametrize("content", WHOLE.values(), ids=WHOLE)
@pytest.mark.parametrize(
    "rest", [b"PK\x03\x04 an archive", b"%PDF-1.7", b"<script>", b"\0" * 70_000], ids=["zip", "pdf", "script", "zeros"]
)
def test_nothing_may_follow_a_picture(content: bytes, rest: bytes) -> None:
    assert refusal(content + rest) == "trailing_data"


def test_a_block_filled_up_with_zeros_is_still_the_picture() -> None:
    assert decode(WHOLE["jpeg"] + bytes(512), LIMITS).shape == (240, 320, 3)


def test_a_second_picture_that_a_telephone_announces_is_left_out() -> None:
    announced = WHOLE["jpeg"][:2] + b"\xff\xe2" + struct.pack(">H", 10) + b"MPF\0aaaa" + WHOLE["jpeg"][2:]
    assert decode(announced + WHOLE["jpeg"], LIMITS).shape == (240, 320, 3)
    assert refusal(announced + WHOLE["jpeg"] + b"PK\x03\x04") == "trailing_data"
    assert refusal(WHOLE["jpeg"] + WHOLE["jpeg"]) == "trailing_data"


@pytest.mark.parametrize("words", [b"%PDF-1.4 ", b"<?php eval", b"PK\x03\x04", b"<script>alert"])
def test_another_file_in_a_comment_is_refused(words: bytes) -> None:
    assert refusal(commented(WHOLE["jpeg"], words)) == "foreign_content"
    assert decode(commented(WHOLE["jpeg"], b"camera 4"), LIMITS).shape == (240, 320, 3)


def test_a_picture_of_30000_by_30000_is_refused_before_it_is_decoded() -> None:
    content = huge_png()
    tracemalloc.start()
    assert refusal(content) == "too_large"
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000


def test_an_empty_file_and_garbage_are_no_picture() -> None:
    assert refusal(b"") == "empty"
    assert refusal(bytes(1000)) == "unknown_format"
    assert refusal(np.random.default_rng(1).bytes(5000)) == "unknown_format"
    assert refusal(b"GIF89a" + bytes(100)) == "unknown_format"
    assert refusal(WHOLE["jpeg"], limits=ImageLimits(most_bytes=1000)) == "too_many_bytes"
    assert refusal(jpeg(scene(width=16, height=8))) == "too_small"


def test_an_extension_must_not_lie() -> None:
    assert refusal(WHOLE["jpeg"], "part-1.png") == "wrong_extension"
    assert refusal(WHOLE["png"], "part-1.exe") == "wrong_extension"
    assert decode(WHOLE["png"], LIMITS, "part-1.PNG").shape == (240, 320, 3)


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_picture_that_says_it_is_turned_is_refused_or_turned(orientation: int) -> None:
    pixels = scene()
    content = turned(jpeg(pixels, 98), orientation)
    assert refusal(content) == "turned"
    upright = decode(content, ImageLimits(exif_rotation="turn"))
    flipped = {2: pixels[:, ::-1], 3: pixels[::-1, ::-1], 4: pixels[::-1], 5: pixels.transpose(1, 0, 2)}
    flipped |= {6: np.rot90(pixels, -1), 7: pixels.transpose(1, 0, 2)[::-1, ::-1], 8: np.rot90(pixels)}
    assert upright.shape == flipped[orientation].shape
    assert float(np.abs(upright.astype(float) - flipped[orientation]).mean()) < 4.0


def test_a_png_whose_check_sum_is_wrong_is_refused() -> None:
    content = bytearray(WHOLE["png"])
    content[len(content) // 2] ^= 1
    assert refusal(bytes(content)) == "damaged_header"


@pytest.mark.parametrize("content", WHOLE.values(), ids=WHOLE)
def test_mutated_pictures_are_refused_or_decoded_and_nothing_else(content: bytes) -> None:
    draws = random.Random(5)  # noqa: S311 - the same in each run
    taken = 0
    for _ in range(300):
        mutated = bytearray(content)
        for _ in range(draws.randint(1, 8)):
            at = draws.randrange(len(mutated) if draws.random() < 0.5 else min(200, len(mutated)))
            mutated[at] = draws.randrange(256)
        try:
            header = probe(bytes(mutated), LIMITS)
            pixels = decode(bytes(mutated), LIMITS)
        except RefusedImage:
            continue
        taken += 1
        assert pixels.shape == (header.height, header.width, 3)
    assert taken < 300
