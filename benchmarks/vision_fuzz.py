"""Damaged, cut, spliced and random picture files: none crashes the reader, none raises but RefusedImage, no garbage is judged OK.

``python -m benchmarks.vision_fuzz [--inputs 100000] [--jobs 2] [--seed 1]``. Each input goes the way of the vision process: structure,
decoder, frame checks, then the shipped model of welds where there is one. Garbage is what looks like none of the whole pictures any
more: a mean difference above 20 grey values from each, when both were made equally bright and equally rich in contrast. A single bit that
flips inside the entropy-coded data of a JPEG can make a whole picture brighter without any decoder noticing, and tables of one file with
the data of another give a whole picture more contrast or less: all that it shows is there still, so it is counted by itself; a sha256
beside the picture catches that too.
A crash of native code ends its process and is found by its exit code. Exits 1 on any crash, foreign exception or OK on garbage.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from random import Random

import cv2
import numpy as np

from plant.inspections import Decision, frame_hash
from plant.settings_vision import FrameCheckSettings
from simulators.seam_scenes import render_seam
from vision import frame_checks
from vision.frames import Frame, Pixels
from vision.image_headers import RefusedImage
from vision.images import ImageLimits, decode
from vision.inspecting import Inspector
from vision.onnx_models import load_model
from vision.welds import SHIPPED, WeldInspector

_GARBAGE = 20.0
_BATCH = 1000
_SIDE = 256
_EACH = 40


def small(scene: Pixels) -> Pixels:
    """Return a picture of the side that all here have."""
    return np.asarray(cv2.resize(scene, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def sound_photos(inspector: Inspector | None) -> list[Pixels]:
    """Return photos of real seams that the model calls OK, so that there is an OK to be had."""
    data = Path(os.environ.get("LEADHAND_SHARED_DATA", "../shared/data")) / "vision" / "weld_surface" / "images"
    found: list[Pixels] = []
    for file in sorted(data.glob("*.jpg"))[::_EACH]:
        pixels = small(decode(file.read_bytes(), ImageLimits(exif_rotation="turn")))
        if inspector is not None and look(file.read_bytes(), [pixels], inspector, pixels).endswith(": ok"):
            found.append(pixels)
    return found[:4]


def corpus(inspector: Inspector | None) -> list[tuple[bytes, Pixels]]:
    """Return whole files and their pixels: JPEG baseline, progressive, with restarts; PNG; BMP."""
    found = []
    for pixels in [*(small(render_seam(seed, size=384).pixels) for seed in range(2)), *sound_photos(inspector)]:
        for end, options in (
            (".jpg", [cv2.IMWRITE_JPEG_QUALITY, 85]),
            (".jpg", [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]),
            (".jpg", [cv2.IMWRITE_JPEG_RST_INTERVAL, 4]),
            (".png", [cv2.IMWRITE_PNG_COMPRESSION, 3]),
            (".bmp", []),
        ):
            content = cv2.imencode(end, pixels, options)[1].tobytes()
            found.append((content, decode(content, ImageLimits())))
    return found


def mutated(content: bytes, others: list[tuple[bytes, Pixels]], draws: Random) -> bytes:  # noqa: C901 - a way to damage each
    """Return a damaged file."""
    made = bytearray(content)
    at = draws.randrange(len(made))
    end = min(len(made), at + draws.choice([1, 16, 256, 4096]))
    kind = draws.randrange(9)
    if kind == 0:
        return bytes(made[:at])
    if kind == 1:
        for _ in range(draws.randint(1, 20)):
            made[draws.randrange(len(made))] ^= 1 << draws.randrange(8)
    elif kind == 2:
        made[at:end] = draws.randbytes(end - at)
    elif kind == 3:
        made[at:end] = bytes(end - at)
    elif kind == 4:
        del made[at:end]
    elif kind == 5:
        made[at:at] = draws.randbytes(end - at)
    elif kind == 6:
        other = draws.choice(others)[0]
        made[at:] = other[min(at, len(other)) :]
    elif kind == 7:
        head = min(200, len(made))
        for _ in range(draws.randint(1, 6)):
            made[draws.randrange(head)] = draws.choice([0, 1, 0x7F, 0x80, 0xFE, 0xFF, draws.randrange(256)])
    else:
        return bytes(made[:at]) + b"\xff\xd9" if draws.random() < 0.5 else draws.randbytes(end - at)
    return bytes(made)


def look(content: bytes, whole: list[Pixels], inspector: Inspector | None, pixels: Pixels | None = None) -> str:
    """Return what became of an input."""
    if pixels is None:
        try:
            pixels = decode(content, ImageLimits())
        except RefusedImage as refused:
            return f"refused: {refused.reason.code}"
    words = "GARBAGE decoded"
    alike = [one for one in whole if one.shape == pixels.shape]
    if any(float(cv2.absdiff(pixels, one).mean()) <= _GARBAGE for one in alike):
        words = "still the picture"
    elif any(_apart(pixels, one) <= _GARBAGE for one in alike):
        words = "still the picture, in other light or contrast"
    if frame_checks.poor(frame_checks.measure(pixels), FrameCheckSettings()):
        return "not decidable: too poor"
    decision = Decision.NOT_DECIDABLE
    if inspector is not None:
        decision = inspector.inspect(Frame(pixels, frame_hash(content), "", "", "", 0)).decision
    return f"{words}: {decision.value}"


def _apart(pixels: Pixels, whole: Pixels) -> float:
    """Return how far a picture is from a whole one that was given its brightness and contrast, in mean grey values."""
    seen, known = pixels.astype(np.float32), whole.astype(np.float32)
    away = known - known.mean()
    gain = max(float((away * seen).mean() / (away * away).mean()), 0.2)
    expected = np.clip(seen.mean() + gain * away, 0, 255)
    return float(np.abs(seen - expected).mean()) / min(gain, 1.0)


def run(seed: int, batch: int) -> Counter[str]:
    """Return what became of the inputs of one batch."""
    cv2.setNumThreads(1)
    resource.setrlimit(resource.RLIMIT_AS, (8_000_000_000, 8_000_000_000))
    inspector = WeldInspector(load_model(SHIPPED)) if SHIPPED.exists() else None
    files, draws = corpus(inspector), Random(seed * 1_000_003 + batch)  # noqa: S311 - the same in each run
    whole = [pixels for _, pixels in files]
    if not batch:
        judged = [look(content, whole, inspector) for content, _ in files]
        print(f"whole files: {sum(words.endswith(': ok') for words in judged)} of {len(judged)} are OK", flush=True)
    found: Counter[str] = Counter()
    for _ in range(_BATCH):
        damaged = mutated(draws.choice(files)[0], files, draws)
        try:
            found[look(damaged, whole, inspector)] += 1
        except Exception as error:  # noqa: BLE001 - each is a finding
            found[f"CRASH {type(error).__name__}: {str(error)[:100]} (seed {seed}, batch {batch})"] += 1
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    begin, load = time.monotonic(), os.getloadavg()[0]
    batches = max(1, given.inputs // _BATCH)
    found: Counter[str] = Counter()
    try:
        with ProcessPoolExecutor(given.jobs, multiprocessing.get_context("spawn")) as pool:
            for one in pool.map(run, [given.seed] * batches, range(batches)):
                found += one
    except BrokenProcessPool:
        found["CRASH of the process"] += 1
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"seed {given.seed}, load {load:.1f}, {time.monotonic() - begin:.0f} s, CPU {used.ru_utime + used.ru_stime:.0f} s, ", end="")
    print(f"model of welds: {'shipped' if SHIPPED.exists() else 'none here, so nothing can be OK'}")
    for words, count in sorted(found.items()):
        print(f"  {count:>7,}  {words}")
    crashes = sum(count for words, count in found.items() if words.startswith("CRASH"))
    wrong = found["GARBAGE decoded: ok"]
    print(f"{sum(found.values()):,} inputs: {crashes} crashes, {wrong} OK on garbage (must be 0 and 0)")
    return 1 if crashes or wrong else 0


if __name__ == "__main__":
    sys.exit(main())
