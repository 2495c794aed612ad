"""Processes that pack strips: begun once, asked again and again, stopped when they have done enough, killed when they do not stop."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import numpy as np

from plant.nests import Floats, Placements

_PATIENCE_SECONDS: Final = 2.0
"""How long one that was told to stop is waited for: it looks up only between two rounds of moves."""
_GRACE_SECONDS: Final = 5.0
"""How long after its time one is waited for."""


@dataclass(frozen=True, slots=True, eq=False)
class StripItem:
    """Equal parts for a strip, their distance already round them."""

    part: int
    """What ``Placements.part`` says of them."""
    outline: Floats
    """(n, 2) corners."""
    demand: int
    angles: tuple[float, ...] | None
    """How they may lie; None: at any angle."""


@dataclass(frozen=True, slots=True, eq=False)
class Strip:
    """What one process is asked to pack."""

    height_mm: float
    items: tuple[StripItem, ...]
    seconds: float
    seed: int
    threads: int = 1
    explore: float = 0.8
    """Share of the time for trying other arrangements; the rest only presses together."""
    enough_mm: float | None = None
    """A length that ends it."""
    early: bool = True
    """Whether it may end where nothing better is found for some time."""


@dataclass(frozen=True, slots=True, eq=False)
class PackedItems:
    """A layout of a strip, as found in 32 bit."""

    length_mm: float
    placements: Placements


class Packer:
    """One process; it packs one strip at a time. What it finds is read by a thread of its own."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        self._job = 0
        self._found: list[PackedItems] = []
        self._idle = threading.Event()
        self._idle.set()
        self._parts: np.ndarray[Any, np.dtype[np.int32]] = np.zeros(0, np.int32)
        self._middles: Floats = np.zeros((0, 2))
        self._until = 0.0
        self.problem = ""
        """Why nothing came of the last one; empty: nothing went wrong."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def busy(self) -> bool:
        """Whether it is packing. One that hangs long after its time is killed, and is not."""
        if not self._idle.is_set() and time.monotonic() > self._until:
            self._kill()
        return not self._idle.is_set()

    def begin(self, strip: Strip) -> None:
        """Pack this from now on; what was under way ends."""
        self.stop(wait=True)
        with self._lock:
            self._job += 1
            self._found, self.problem = [], ""
            self._parts = np.array([item.part for item in strip.items], np.int32)
            # a drawing may lie kilometres from its origin, where 32 bit have no tenth of a millimetre
            self._middles = np.array([(item.outline.min(axis=0) + item.outline.max(axis=0)) / 2 for item in strip.items])
            self._idle.clear()
        self._until = time.monotonic() + strip.seconds + _GRACE_SECONDS
        process = self._running()
        asked = {
            "job": self._job,
            "height": strip.height_mm,
            "items": [
                {"outline": (item.outline - middle).tolist(), "demand": item.demand, "angles": item.angles}
                for item, middle in zip(strip.items, self._middles, strict=True)
            ],
            "seconds": strip.seconds,
            "explore": strip.explore,
            "seed": strip.seed,
            "threads": strip.threads,
            "enough": strip.enough_mm,
            "early": strip.early,
        }
        self._say(process, asked)

    def found(self) -> list[PackedItems]:
        """Return the layouts that were found since the last call, each shorter than the one before."""
        with self._lock:
            found, self._found = self._found, []
        return found

    def wait(self, seconds: float) -> bool:
        """Wait until it has ended, at most so long; return whether it has."""
        return self._idle.wait(max(seconds, 0.0)) or not self.busy

    def stop(self, *, wait: bool = False) -> None:
        """End what is under way; what was found stays. Where it is waited for it is killed in the end."""
        if self._idle.is_set() or self._process is None:
            return
        self._say(self._process, {"stop": True})
        if wait and not self._idle.wait(_PATIENCE_SECONDS):
            self._kill()

    def close(self) -> None:
        """End the process."""
        self._kill()

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            flags = ["-P"] if sys.flags.safe_path else []
            self._process = subprocess.Popen(
                [sys.executable, *flags, "-m", "optimizer.nesting.spyrrow_door"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                stderr=subprocess.DEVNULL,
            )
            threading.Thread(target=self._hear, args=(self._process,), name="packer", daemon=True).start()
        return self._process

    def _say(self, process: subprocess.Popen[str], told: dict[str, Any]) -> None:
        stdin = process.stdin
        assert stdin is not None  # noqa: S101 - a pipe
        try:
            stdin.write(json.dumps(told) + "\n")
            stdin.flush()
        except OSError:
            self.problem = self.problem or "the process that packs has ended"
            self._idle.set()

    def _hear(self, process: subprocess.Popen[str]) -> None:
        stdout = process.stdout
        assert stdout is not None  # noqa: S101 - a pipe
        for line in stdout:
            if line.endswith("\n"):  # one that is killed may leave half a line
                self._take(json.loads(line))
        stdout.close()
        if process is self._process and not self._idle.is_set():
            self.problem = self.problem or f"the process that packs ended with code {process.wait()}"
            self._idle.set()

    def _take(self, told: dict[str, Any]) -> None:
        with self._lock:
            # one that was told to stop may say its last words when the next one is under way
            if told["job"] != self._job:
                return
            if "length" in told:
                self._found.append(self._layout(told))
            elif "problem" in told:
                self.problem = str(told["problem"])
            else:
                self._idle.set()

    def _layout(self, told: dict[str, Any]) -> PackedItems:
        rows = np.array(told["placed"], np.float64).reshape(-1, 4)
        item = rows[:, 0].astype(np.int64)
        turned = np.exp(1j * np.radians(rows[:, 3])) * (self._middles[item] @ np.array([1.0, 1.0j]))
        x, y = rows[:, 1] - turned.real, rows[:, 2] - turned.imag
        return PackedItems(float(told["length"]), Placements(self._parts[item], x, y, rows[:, 3].copy()))

    def _kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            if process.stdin is not None:
                with suppress(OSError):
                    process.stdin.close()
        self._idle.set()


class Packers(Sequence[Packer]):
    """Some processes that work side by side."""

    def __init__(self, count: int) -> None:
        self._packers = [Packer() for _ in range(count)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for packer in self._packers:
            packer.close()

    def __getitem__(self, row: Any) -> Any:
        return self._packers[row]

    def __len__(self) -> int:
        return len(self._packers)
