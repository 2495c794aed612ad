"""How long one look takes without torch on one core: CPU milliseconds from decoded pixels to boxes, at 320 px; memory of the process.

python -m benchmarks.vision_speed --looks 100
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time

import cv2
import numpy as np

from plant.inspections import frame_hash
from vision.frames import Frame
from vision.images import ImageLimits, decode
from vision.onnx_models import load_model
from vision.welds import SHIPPED, WeldInspector

MOST_MS, MOST_MB = 15.0, 300.0
SEED = 1


def main() -> int:
    wanted = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    wanted.add_argument("--looks", type=int, default=100)
    looks = wanted.parse_args().looks
    cv2.setNumThreads(1)
    rng = np.random.default_rng(SEED)
    noise = cv2.resize(rng.integers(0, 255, (40, 40, 3), np.uint8), (320, 320), interpolation=cv2.INTER_CUBIC)
    content = cv2.imencode(".jpg", noise)[1].tobytes()
    model = load_model(SHIPPED)
    inspector = WeldInspector(model)
    spent: dict[str, list[float]] = {"decode": [], "detect": [], "inspect": []}
    for _ in range(looks + 5):
        marks = [time.thread_time()]
        pixels = decode(content, ImageLimits())
        marks.append(time.thread_time())
        model.detect(pixels)
        marks.append(time.thread_time())
        inspector.inspect(Frame(pixels, frame_hash(content), "", "", "", 0))
        marks.append(time.thread_time())
        for name, begin, end in zip(spent, marks, marks[1:], strict=False):
            spent[name].append((end - begin) * 1e3)
    medians = {name: float(np.median(values[5:])) for name, values in spent.items()}
    whole = medians["decode"] + medians["inspect"]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"load {os.getloadavg()[0]:.1f}, seed {SEED}, {looks} looks at {model.size_px} px, CPU {time.process_time():.1f} s")
    print(", ".join(f"{name} {value:.1f} ms" for name, value in medians.items()))
    print(f"bytes to decision {whole:.1f} ms : limit {MOST_MS:.0f} ms; memory {memory:.0f} MB : limit {MOST_MB:.0f} MB")
    return int(whole > MOST_MS or memory > MOST_MB or "torch" in sys.modules)


if __name__ == "__main__":
    sys.exit(main())
