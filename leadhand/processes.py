"""What the kernel says of processes: whether they run, what a tree of them has used."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class Usage:
    """What processes have used up to one moment."""

    cpu_seconds: float
    memory_bytes: int
    """Proportional set size: memory shared by several processes is counted once."""
    processes: int


def is_running(pid: int) -> bool:
    """Return whether a process runs; one that has ended and that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except (OSError, IndexError):
        return False


def usage_of(roots: Iterable[int]) -> Usage:
    """Return what processes and all they started have used. The dead are counted with whoever waited for them."""
    seconds, memory, pids = 0.0, 0, set()
    for root in roots:
        for process in _tree(root):
            if process.pid in pids:
                continue
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                seconds += times.user + times.system + times.children_user + times.children_system
                memory += process.memory_full_info().pss
                pids.add(process.pid)
    return Usage(seconds, memory, len(pids))


def _tree(root: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(root)
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []
