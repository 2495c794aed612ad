"""Starts the processes in order, keeps them running, and stops them so that none is left."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from leadhand.child import Child, Facts, Program, State
from leadhand.console import Console
from leadhand.guarding import Guard
from leadhand.home import Home
from leadhand.nursery import Nursery
from plant.clock import Clock
from plant.errors import SettingsError, Unavailable

_STARTING_POLL_SECONDS = 0.03
_RUNNING_POLL_SECONDS = 0.1
_STATUS_SECONDS = 1.0
_LOG_SECONDS = 10.0
_HASTY_SECONDS = 3.0
_SETTINGS_WRONG = 2


class Interrupted(Exception):
    """A person, or the machine, asked us to stop while we were starting."""


class Supervisor:
    """All processes of one leadhand."""

    def __init__(self, home: Home, guard: Guard, nursery: Nursery, console: Console, clock: Clock, facts: dict[str, object]) -> None:
        self.children: dict[str, Child] = {}
        self.facts = facts
        """What the status file says besides the processes."""
        self._home = home
        self._guard = guard
        self._nursery = nursery
        self._console = console
        self._clock = clock
        self._stops_asked = 0
        self._wake = threading.Event()
        self._status_due = 0.0
        self._logs_due = 0.0
        self._listeners: list[Callable[[], None]] = []

    @property
    def stop_asked(self) -> bool:
        """Whether a signal asked us to stop."""
        return self._stops_asked > 0

    def on_status(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` each time the status has been written, about once a second."""
        self._listeners.append(listener)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take SIGINT, SIGTERM and SIGHUP as the wish to stop; the second one as the wish to stop at once."""
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {number: signal.signal(number, self._on_signal) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def start(self, programs: Sequence[Program]) -> list[Facts]:
        """Start programs side by side and return what their ready lines say, in the same order.

        Raises SettingsError when one says that its settings are wrong, Unavailable when one does not get ready, Interrupted.
        """
        self.launch(programs)
        return self.wait([program.name for program in programs])

    def launch(self, programs: Sequence[Program]) -> None:
        """Start programs and wait for none of them."""
        for program in programs:
            child = Child(program, self._home, self._guard, self._nursery, self._clock)
            self.children[program.name] = child
            child.start()

    def wait(self, names: Sequence[str]) -> list[Facts]:
        """Return what the ready lines of launched programs say, once all are there; raises as ``start`` does."""
        begin = self._clock.monotonic()
        children = [self.children[name] for name in names]
        waiting = list(children)
        while waiting:
            self._console.waiting(f"starting {', '.join(child.name for child in waiting)} ...")
            self._pause(_STARTING_POLL_SECONDS)
            if self.stop_asked:
                raise Interrupted
            self._look()
            for child in list(waiting):
                if child.state is State.RUNNING or (child.state is State.STOPPED and child.was_ready):
                    waiting.remove(child)
                    self._console.good(f"{child.name} is ready after {self._clock.monotonic() - begin:.1f} s")
                elif child.state is not State.STARTING:
                    self._failed(child)
        self._console.waiting(None)
        self._tell_status()
        return [child.facts for child in children]

    def watch(self, until: Callable[[], bool], seconds: float | None = None) -> bool:
        """Keep all processes running until ``until`` says so, the time is over, or a signal asks to stop.

        Returns whether ``until`` said so.
        """
        end = None if seconds is None else self._clock.monotonic() + seconds
        while not self.stop_asked and (end is None or self._clock.monotonic() < end):
            if until():
                return True
            self._pause(_RUNNING_POLL_SECONDS)
            self._look()
        return until()

    def stop(self, names: Sequence[str]) -> None:
        """Stop processes side by side: ask, wait as long as each may take, then kill."""
        children = [self.children[name] for name in names if name in self.children]
        for child in children:
            child.forget_restart()
            child.signal(signal.SIGTERM)
        asked = self._clock.monotonic()
        hasty = self._stops_asked
        waiting = [child for child in children if not child.reap()]
        while waiting:
            self._console.waiting(f"stopping {', '.join(child.name for child in waiting)} ...")
            self._pause(_STARTING_POLL_SECONDS)
            if self._stops_asked > hasty:
                hasty, asked = self._stops_asked, self._clock.monotonic()
            for child in waiting:
                patience = child.program.stop_seconds if self._stops_asked < 2 else min(_HASTY_SECONDS, child.program.stop_seconds)
                if self._clock.monotonic() - asked > patience:
                    self._console.trouble(f"{child.name} did not stop within {patience:g} s and was killed. Its log: {child.log}")
                    child.kill()
            waiting = [child for child in waiting if not child.reap()]
        for child in children:
            child.let_go()
        self._console.waiting(None)
        self._tell_status()

    def stop_all(self, order: Sequence[Sequence[str]]) -> None:
        """Stop everything, stage by stage; what no stage names comes first."""
        named = {name for stage in order for name in stage}
        rest = [name for name in self.children if name not in named]
        for stage in [rest, *order] if rest else order:
            self.stop(stage)

    def _look(self) -> None:
        for child in self.children.values():
            sentence = child.look()
            if sentence is not None and child.was_ready:
                (self._console.good if child.state is State.RUNNING else self._console.trouble)(sentence)
                self._status_due = 0.0
        now = self._clock.monotonic()
        if now >= self._status_due:
            self._status_due = now + _STATUS_SECONDS
            self._tell_status()
        if now >= self._logs_due:
            self._logs_due = now + _LOG_SECONDS
            for child in self.children.values():
                child.rotate_log()

    def _failed(self, child: Child) -> None:
        self._console.waiting(None)
        child.forget_restart()
        tail = child.log_tail()
        if child.last_exit == _SETTINGS_WRONG:
            raise SettingsError(tail.splitlines() or [f"{child.name}: its settings are wrong; see {child.log}"])
        how = "did not get ready" if child.last_exit is None or child.last_exit < 0 else f"ended with exit code {child.last_exit}"
        raise Unavailable(f"{child.name} {how} at its first start; the end of {child.log}:\n{tail}")

    def _tell_status(self) -> None:
        self._home.write_status(
            {
                **self.facts,
                "updated_us": self._clock.now_us(),
                "processes": [
                    {
                        "name": child.name,
                        "state": child.state.value,
                        "pid": child.pid,
                        "server_pid": child.server_pid,
                        "since_us": child.since_us,
                        "restarts": child.restarts,
                        "last_exit": child.last_exit,
                    }
                    for child in self.children.values()
                ],
            }
        )
        for listener in self._listeners:
            listener()

    def _pause(self, seconds: float) -> None:
        self._wake.wait(seconds)
        self._wake.clear()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stops_asked += 1
        self._wake.set()
