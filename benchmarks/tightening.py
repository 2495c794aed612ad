"""What a tightening costs: bytes of a stored curve, CPU to read a telegram and to pack a trace, and results a second to durable records.

Curves: the simulator's, and where LEADHAND_SHARED_DATA names them, those of a real controller (1 mN.m and 0.1 degrees a count).
Must: a pair of torque and angle takes at most half of its 16-bit counts; results and their curves come through a real link, acknowledged
once durable, at 20 a second or more (300 spindles at one tightening each 15 s). ``python -m benchmarks.tightening [--seconds 10]``
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from ingest.files import SystemFiles
from ingest.health import SourceHealth
from ingest.spool import Spool
from ingest.tightening import TighteningReader
from ingest.tightening_values import ToolSource
from ingest.writer import SpoolWriter
from plant.clock import SystemClock
from plant.equipment import EquipmentId
from plant.signals import SourceId
from plant.tightening import pack_counts, unpack_counts
from protocols.open_protocol import Telegram, encode_telegram, parse_telegram
from protocols.open_protocol_client import OpenProtocolEndpoint
from protocols.open_protocol_results import encode_result, parse_result
from simulators.open_protocol import Controller
from simulators.tightening import JointFault, Program, tighten
from tests.ingest.controllers import controller_running

SOURCE = SourceId("tools")
MUST_SHARE = 0.5
MUST_RATE = 20.0
Counts = npt.NDArray[np.int16]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0, help="how long results are sent over the link")
    seconds = parser.parse_args().seconds
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, seed 1")
    right = _sizes("simulated", [pair for seed in range(200) for pair in [_simulated(seed)]])
    real = list(_real())
    if real:
        right = _sizes("real", real) and right
    else:
        print("real curves: not there (LEADHAND_SHARED_DATA)")
    _parsing()
    return 0 if _link(seconds) and right else 1


def _sizes(name: str, curves: list[tuple[Counts, Counts]]) -> bool:
    packed = [sum(len(pack_counts(column)) for column in pair) for pair in curves]
    raw = [sum(2 * len(column) for column in pair) for pair in curves]
    for pair in curves[:20]:
        for column in pair:
            assert (unpack_counts(pack_counts(column), len(column)) == column).all()
    share = sum(packed) / sum(raw)
    samples = np.mean([len(pair[0]) for pair in curves])
    print(
        f"{name} curves: {len(curves)}, {samples:,.0f} samples each; {np.mean(packed):,.0f} bytes a curve (largest {max(packed):,}), "
        f"{share:.2f} of its counts, {np.mean(packed) / samples:.2f} bytes a sample of both; must <= {MUST_SHARE} of its counts"
    )
    return share <= MUST_SHARE


def _simulated(seed: int) -> tuple[Counts, Counts]:
    one = tighten(Program(), seed, list(JointFault)[seed % 5])
    return one.torque_counts, one.angle_counts


def _real() -> Iterator[tuple[Counts, Counts]]:
    folder = os.environ.get("LEADHAND_SHARED_DATA")
    for file in sorted(Path(folder).glob("vision/torque_angle/curves/**/*.json")) if folder else ():
        steps = json.loads(file.read_text("utf-8"))["tightening steps"]
        torque, angle = ([v for step in steps for v in step.get("graph", {}).get(name, [])] for name in ("torque values", "angle values"))
        columns = [np.rint(np.array(column) * factor) for column, factor in ((torque, 1000), (angle, 10))]
        if len(torque) and all(np.abs(column).max() < 2**15 for column in columns):
            yield columns[0].astype(np.int16), columns[1].astype(np.int16)


def _parsing() -> None:
    bolt = Controller(SystemClock()).tighten("EX-1")[0]
    frame = encode_telegram(Telegram(61, 7, encode_result(bolt.values, 7)))[:-1]
    began = time.process_time()
    for _ in range(3000):
        parse_result(parse_telegram(frame))
    result_us = (time.process_time() - began) / 3000 * 1e6
    began = time.process_time()
    for _ in range(300):
        pack_counts(bolt.tightened.torque_counts)
    print(f"CPU: {result_us:.0f} us to read a result of revision 7, {(time.process_time() - began) / 300 * 1e6:.0f} us to pack a trace")


def _link(seconds: float) -> bool:
    """Send results with curves over a link as fast as they are acknowledged."""
    clock = SystemClock()
    with tempfile.TemporaryDirectory() as folder, controller_running() as tools:
        writer = SpoolWriter(Spool(Path(folder) / "spool", SystemFiles(), new_id=uuid4), clock)
        writer.open()
        source = ToolSource(SOURCE, EquipmentId("acme/north/line/bearing"), ZoneInfo("UTC"))
        health = SourceHealth(SOURCE, None, insecure=True, now_us=clock.now_us())
        reader = TighteningReader(source, OpenProtocolEndpoint("127.0.0.1", tools.port), writer, health, clock, seed=1)
        reader.start()
        while not tools.controller.subscribed:
            time.sleep(0.02)
        began, cpu = time.monotonic(), time.process_time()
        while time.monotonic() - began < seconds:
            if tools.controller.idle:
                tools.tighten()
            else:
                time.sleep(0.001)
        while not tools.controller.idle:
            time.sleep(0.005)
        elapsed, cpu = time.monotonic() - began, time.process_time() - cpu
        reader.stop()
        reader.join(10)
        reader.disconnect()
        stored = writer.in_spool(SOURCE)
        writer.close()
        made = len(tools.numbers)
    print(
        f"link: {made} results with curves in {elapsed:.1f} s, {made / elapsed:,.0f} a second, 3 telegrams each acknowledged once durable; "
        f"{stored} durable of {3 * made}; {cpu / made * 1e3:.1f} ms CPU each, simulator included; must >= {MUST_RATE:.0f} a second"
    )
    return stored == 3 * made and made / elapsed >= MUST_RATE


if __name__ == "__main__":
    sys.exit(main())
