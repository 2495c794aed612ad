"""One process that leadhand starts and watches: from the command line to its ready line, its end, and its next start."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import IO, Any

from leadhand import tied
from leadhand.guarding import Guard
from leadhand.home import Home
from leadhand.nursery import Forked, Nursery, Start
from plant.clock import Clock
from plant.errors import Unavailable

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
CALM_SECONDS = 20.0
"""A process that ran so long starts again after the shortest pause."""
LOG_BYTES = 10_000_000
LOGS_KEPT = 3
_FEW_ARENAS = {"MALLOC_ARENA_MAX": "2"}
"""glibc would give each thread a heap of its own, and what is free in one is of no use to the others."""

Facts = dict[str, Any]


class State(StrEnum):
    """Where a process stands; the same words as in the database."""

    STARTING = "starting"
    RUNNING = "running"
    BACKING_OFF = "backing_off"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Program:
    """What to run and how long it may take."""

    name: str
    arguments: tuple[str, ...]
    """After the Python interpreter, e.g. ``-m ingest --home DIR``."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to our own; the place for secrets, which a command line would show to everybody."""
    ready_seconds: float = 30.0
    stop_seconds: float = 10.0
    ends: bool = False
    """Whether its end with exit code 0 means that its work is done."""


class Child:
    """A program that runs, or waits to run again."""

    def __init__(self, program: Program, home: Home, guard: Guard, nursery: Nursery, clock: Clock) -> None:
        self.program = program
        self.state = State.STOPPED
        self.facts: Facts = {}
        """What the ready line said."""
        self.since_us = clock.now_us()
        self.restarts = 0
        self.last_exit: int | None = None
        self.was_ready = False
        self.log = home.logs / f"{program.name}.log"
        self._output = home.run / f"{program.name}.out"
        self._guard = guard
        self._nursery = nursery
        self._clock = clock
        self._pause = FIRST_PAUSE_SECONDS
        self._started = 0.0
        self._again_at = 0.0
        self._groups: set[int] = set()
        self._process: subprocess.Popen[bytes] | Forked | None = None

    @property
    def name(self) -> str:
        """The name of the program."""
        return self.program.name

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process is not None else None

    @property
    def server_pid(self) -> int | None:
        """The process id of the server behind a launcher, where the ready line tells one."""
        pid = self.facts.get("server_pid")
        return pid if isinstance(pid, int) and self._process is not None else None

    def start(self) -> None:
        """Start the program in a process group of its own; it ends when we do, however we end.

        Must be called by the main thread: the kernel ties a child to the thread that started it.
        """
        self.facts = {}
        with self.log.open("ab") as log, open(self._output, "wb", opener=_private) as output:
            self._process = self._forked(output, log) or self._loaded_anew(output, log)
        self._groups = {self._process.pid}
        self._guard.add(self._process.pid)
        self._started = self._clock.monotonic()
        self._set(State.STARTING)

    def _forked(self, output: IO[bytes], log: IO[bytes]) -> Forked | None:
        """Return the program as a fork of the nursery; None where it is no module, or the nursery cannot do it."""
        kind, *arguments = self.program.arguments
        if kind != "-m":
            return None
        try:
            return self._nursery.fork(Start(arguments, self._environment()), output.fileno(), log.fileno())
        except Unavailable:
            return None

    def _loaded_anew(self, output: IO[bytes], log: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", tied.__file__, str(os.getpid()), sys.executable, "-P", *self.program.arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=log,
            env=self._environment(),
            start_new_session=True,
        )

    def _environment(self) -> dict[str, str]:
        return {**base_environment(), **self.program.environment}

    def look(self) -> str | None:
        """See how the process does and act: note that it is ready, that it ended, start it again when its pause is over.

        Returns a sentence when something happened that a person should know of.
        """
        if self.state is State.BACKING_OFF:
            if self._clock.monotonic() >= self._again_at:
                self.restarts += 1
                self.start()
            return None
        if self._process is None:
            return None
        exit_code = self._process.poll()
        if exit_code is not None:
            return self._ended(exit_code)
        if self.state is State.STARTING:
            return self._look_for_ready_line()
        return None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process alone, not to what it started."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """End the process and all that it started, at once."""
        for group in self._groups:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGKILL)

    def forget_restart(self) -> None:
        """Let a process that waits for its next start stay stopped."""
        if self.state is State.BACKING_OFF:
            self._set(State.STOPPED)

    def reap(self) -> bool:
        """Return whether the process is gone; then also whatever it left behind in its group is killed."""
        if self._process is None:
            return True
        exit_code = self._process.poll()
        if exit_code is None:
            return False
        self._clear(exit_code)
        self._set(State.STOPPED)
        return True

    def log_tail(self, lines: int = 5) -> str:
        """Return the last lines of the log, for a person who must know why."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - 20_000))
                return "\n".join(file.read().decode("utf-8", "replace").splitlines()[-lines:])
        except OSError:
            return ""

    def rotate_log(self) -> None:
        """Move a log that has grown large aside and keep the last few. The process goes on writing to the same file."""
        with contextlib.suppress(OSError):
            if self.log.stat().st_size < LOG_BYTES:
                return
            for number in range(LOGS_KEPT - 1, 0, -1):
                older = self.log.with_suffix(f".log.{number}")
                if older.exists():
                    older.replace(self.log.with_suffix(f".log.{number + 1}"))
            shutil.copyfile(self.log, self.log.with_suffix(".log.1"))
            os.truncate(self.log, 0)

    def _look_for_ready_line(self) -> str | None:
        for line in self._output.read_bytes().splitlines(keepends=True):
            facts = _ready_facts(line)
            if facts is not None:
                return self._ready(facts)
        if self._clock.monotonic() - self._started > self.program.ready_seconds:
            self.kill()
            if self._process is not None:
                self._clear(self._process.wait())
            return self._back_off(f"{self.name} was not ready within {self.program.ready_seconds:g} s")
        return None

    def _ready(self, facts: Facts) -> str | None:
        self.facts = facts
        if self.server_pid is not None:
            with contextlib.suppress(ProcessLookupError):
                group = os.getpgid(self.server_pid)
                self._groups.add(group)
                self._guard.add(group)
        self._set(State.RUNNING)
        first, self.was_ready = not self.was_ready, True
        return None if first else f"{self.name} runs again"

    def _ended(self, exit_code: int) -> str | None:
        ran = self._clock.monotonic() - self._started
        if self.state is State.STARTING:
            self._look_for_ready_line()
        self._clear(exit_code)
        if self.program.ends and exit_code == 0:
            self._set(State.STOPPED)
            return None
        if ran >= CALM_SECONDS:
            self._pause = FIRST_PAUSE_SECONDS
        how = f"was killed by signal {-exit_code}" if exit_code < 0 else f"ended with exit code {exit_code}"
        return self._back_off(f"{self.name} {how}")

    def _back_off(self, what: str) -> str:
        pause = self._pause
        self._pause = min(self._pause * 2, LONGEST_PAUSE_SECONDS)
        self._again_at = self._clock.monotonic() + pause
        self._set(State.BACKING_OFF)
        return f"{what}; it starts again in {pause:g} s. Why: {self.log}"

    def _clear(self, exit_code: int) -> None:
        """Take the process's group out of the guard's care, after killing what the process left in it.

        The group of a server behind a launcher stays: the launcher's next start adopts that server or stops it.
        """
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._guard.remove(self._process.pid)
            self._groups.discard(self._process.pid)
        self._process = None
        self.last_exit = exit_code

    def let_go(self) -> None:
        """Take all groups out of the guard's care."""
        for group in self._groups:
            self._guard.remove(group)
        self._groups = set()

    def _set(self, state: State) -> None:
        if state is not self.state:
            self.since_us = self._clock.now_us()
        self.state = state


def _ready_facts(line: bytes) -> Facts | None:
    if not line.endswith(b"\n") or not line.startswith(b"{"):
        return None
    with contextlib.suppress(ValueError):
        facts = json.loads(line)
        if isinstance(facts, dict) and facts.get("ready") is True:
            return facts
    return None


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def base_environment() -> dict[str, str]:
    """Return the environment of all children, before what each of them adds."""
    return {**_FEW_ARENAS, **os.environ, **import_path()}


def import_path() -> dict[str, str]:
    """Return where the children find our packages, when they run from a source tree that is not installed."""
    root = Path(__file__).resolve().parents[1]
    if root.name in {"site-packages", "dist-packages"}:
        return {}
    others = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": f"{root}{os.pathsep}{others}" if others else str(root)}
