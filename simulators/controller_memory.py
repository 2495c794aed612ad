"""What a simulated controller keeps where no power is needed: its counter, its set points and what it said, in one file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Memory:
    """What outlives a loss of power."""

    counter: int
    values: Mapping[str, float]
    changed_us: Mapping[str, int]
    parts: Mapping[str, tuple[str, str]]
    """Name and version of what is switched on, by kind."""
    said: Mapping[str, tuple[str, str, int]]
    """What it said last of a message, why, and when."""


def read_memory(path: Path) -> Memory | None:
    """Return what a file keeps; None where there is none yet."""
    try:
        told = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    parts = {kind: (str(name), str(version)) for kind, (name, version) in told["parts"].items()}
    said = {identity: (str(said), str(reason), int(time_us)) for identity, (said, reason, time_us) in told["said"].items()}
    return Memory(int(told["counter"]), told["values"], told["changed_us"], parts, said)


def write_memory(path: Path, kept: Memory) -> None:
    """Put what is to be kept into a file, whole or not at all: a loss of power at any moment leaves the file before or the new one."""
    told = {"counter": kept.counter, "values": kept.values, "changed_us": kept.changed_us, "parts": kept.parts, "said": kept.said}
    new = path.with_suffix(".new")
    with new.open("w", encoding="utf-8") as file:
        json.dump(told, file)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
