"""Eight cameras at one picture a second each, judged beside the running factory: how long a picture waits, and whether a read noticed.

Musts: each picture is judged within 2 s for 95 % (so none pile up), and the sources of the demo miss no more ticks while the cameras send
than before. Real pictures where the shared photos of welds are (``--photos DIR`` or the shared data), rendered seams of 640 px otherwise;
each is sent with another serial number and another comment in its file, as the same picture is judged once only.

    python -m benchmarks.eight_cameras [--seconds 60] [--cameras 8] [--rate 1]
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from benchmarks.demo_cost import _cpu_by_root, _free_port, _roots, _status, _wait_until_live
from leadhand.databases import connected
from plant.clock import SystemClock
from plant.frame_triggers import FrameTrigger
from simulators.seam_scenes import render_seam
from storage.frame_inbox import FrameInbox
from storage.postgres import EmbeddedPostgres

SHARED = Path(os.environ.get("LEADHAND_SHARED_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
MOST_WAIT_S = 2.0
KINDS = 24


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--cameras", type=int, default=8)
    parser.add_argument("--rate", type=float, default=1.0, help="pictures a second of each")
    parser.add_argument("--photos", type=Path, default=SHARED / "vision" / "weld_surface" / "images")
    given = parser.parse_args()
    pictures = _pictures(given.photos)
    with tempfile.TemporaryDirectory(prefix="leadhand-cameras-") as folder:
        home = Path(folder) / "home"
        command = [sys.executable, "-m", "leadhand", "demo", "--home", str(home), "--port", str(_free_port())]
        process = subprocess.Popen(command, cwd=Path(__file__).resolve().parents[1], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _wait_until_live(process, home)
            time.sleep(15.0)
            roots = _roots(process, home)
            quiet, cpu_before = _missed(home, given.seconds), _cpu_by_root(roots)
            missed, sent = _missed_ticks(home), _send(home, pictures, given)
            used = {name: (after - cpu_before[name]) / given.seconds for name, after in _cpu_by_root(roots).items()}
            busy = _missed_ticks(home) - missed
            time.sleep(10.0)
            return _told(home, sent, quiet, busy, used, given)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(90)


def _pictures(photos: Path) -> list[np.ndarray]:
    files = sorted(photos.glob("*.jpg"))[:: max(1, len(list(photos.glob("*.jpg"))) // KINDS)][:KINDS] if photos.is_dir() else []
    print(f"pictures             {len(files)} real photos" if files else f"pictures             {KINDS} rendered seams")
    return [np.asarray(cv2.imread(str(file))) for file in files] or [render_seam(seed, None).pixels for seed in range(KINDS)]


def _missed_ticks(home: Path) -> int:
    return sum(int(source["missed_ticks"]) for source in _status(home)["sources"])


def _missed(home: Path, seconds: float) -> int:
    """Return how many ticks the sources missed in a while without cameras."""
    before = _missed_ticks(home)
    time.sleep(seconds)
    return _missed_ticks(home) - before


def _send(home: Path, pictures: list[np.ndarray], given: argparse.Namespace) -> int:
    """Lay pictures into the inbox on time, the cameras one after the other; return how many."""
    inbox, clock = FrameInbox(home / "vision" / "inbox", 100_000), SystemClock()
    step, begin, number = 1 / (given.cameras * given.rate), time.monotonic(), 0
    contents = [cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes() for picture in pictures]
    while (due := begin + number * step) < begin + given.seconds:
        time.sleep(max(0.0, due - time.monotonic()))
        # a comment in the file makes it another picture for the same pixels
        told = f"{number:08d}".encode()
        content = contents[number % len(contents)]
        content = content[:2] + b"\xff\xfe" + (len(told) + 2).to_bytes(2, "big") + told + content[2:]
        inbox.put(content, FrameTrigger(station="boom-seam-1", view="seam", part=f"CAM-{number:06d}", taken_us=clock.now_us()))
        number += 1
    return number


def _told(home: Path, sent: int, quiet: int, busy: int, used: dict[str, float], given: argparse.Namespace) -> int:
    with connected(EmbeddedPostgres(home / "postgres", clock=SystemClock()).url, read_only=True) as connection:
        rows = connection.execute(
            "SELECT extract(epoch FROM stored_time - time), latency_us / 1e3, decision FROM v_inspections WHERE starts_with(part, 'CAM-')"
        ).fetchall()
    waits, latencies = (np.array([float(row[place]) for row in rows]) for place in (0, 1))
    decided = sum(row[2] in {"ok", "nok"} for row in rows)
    print(f"load of the machine  {os.getloadavg()[0]:.1f}; {os.cpu_count()} cores; {given.cameras} cameras at {given.rate:g} a second")
    for name, share in sorted(used.items(), key=lambda item: -item[1])[:6]:
        print(f"  {name:<18} {share:6.1%} of one core")
    print(f"judged               {len(rows)} of {sent}, {decided} of them decided")
    if not len(rows):
        return 1
    print(f"judging alone        p50 {np.quantile(latencies, 0.5):.1f} ms, p95 {np.quantile(latencies, 0.95):.1f} ms")
    p95 = float(np.quantile(waits, 0.95))
    kept = [len(rows) == sent, p95 <= MOST_WAIT_S, busy <= quiet]
    print(f"{'kept  ' if kept[0] else 'MISSED'} all judged")
    middle = float(np.quantile(waits, 0.5))
    print(f"{'kept  ' if kept[1] else 'MISSED'} trigger to stored: p50 {middle:.2f} s, p95 {p95:.2f} s (at most {MOST_WAIT_S} s)")
    print(f"{'kept  ' if kept[2] else 'MISSED'} ticks missed with cameras {busy}, in as long without {quiet}")
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
