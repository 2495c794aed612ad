"""Where Leadhand's processes come from: one that has loaded what nearly all of them need, and forks.

What is loaded once is in memory once, and a process is there without loading it anew: the demo takes a fifth less memory and starts
sooner. It is a process of its own, because one with threads must not fork. Started as ``python -m leadhand.nursery DESCRIPTOR``.
A process that was forked is named after its module in lists of processes (``ps -eo pid,comm``).
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from leadhand import tied
from leadhand.guarding import Guard
from plant.errors import Unavailable

_LOADED: Final = (
    "asyncio",
    "concurrent.futures",
    "http.client",
    "logging.handlers",
    "msgspec",
    "numpy",
    "orjson",
    "psutil",
    "psycopg",
    "pydantic",
    "scipy.optimize",
    "structlog",
    "plant.site",
    "storage.audit",
    "storage.catalogue",
    "storage.people",
    "storage.samples",
)
"""What most processes need; what only one or two of them need, they load themselves."""
_TOLD: Final = struct.Struct("<cii")
"""Born (b) or ended (e), process id, and how it ended as ``waitpid`` says."""
_READY_SECONDS: Final = 60.0
_MOST_BYTES: Final = 200_000
_MOST_DESCRIPTORS: Final = 1024
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NAME: Final = 15
_M_TRIM_THRESHOLD: Final = -1
_ONE_THREAD: Final = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""One thread, so that it may fork."""


@dataclass(frozen=True, slots=True)
class Start:
    """What is to run: ``python -m`` these arguments, in this environment and nothing beside it."""

    arguments: Sequence[str]
    environment: Mapping[str, str]


class Forked:
    """A process that the nursery forked: used like a ``Popen``."""

    def __init__(self, nursery: Nursery, pid: int, turn: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._nursery = nursery
        self._turn = turn
        try:
            self._end: int | None = os.pidfd_open(pid)
        except ProcessLookupError:
            self._end = None  # it has ended already

    def poll(self) -> int | None:
        """Return how it ended, negative for a signal; None while it runs."""
        return self._look(0.0)

    def wait(self) -> int:
        """Return how it ended, once it has."""
        while (code := self._look(None)) is None:
            pass
        return code

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to it alone."""
        if self.poll() is None and self._end is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._end, number)

    def _look(self, seconds: float | None) -> int | None:
        if self.returncode is None and (self._end is None or select.select([self._end], [], [], seconds)[0]):
            if self._end is not None:
                os.close(self._end)
                self._end = None
            self.returncode = self._nursery.exit_code(self.pid, self._turn)
        return self.returncode


class Nursery:
    """The side of the one who starts processes. It is started when it is first needed, and again when it is gone."""

    def __init__(self, guard: Guard, environment: Mapping[str, str]) -> None:
        self._guard = guard
        self._environment = {**environment, **_ONE_THREAD}
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._ended: dict[int, int] = {}
        self._turn = 0
        """How often it was started: how those of an earlier one ended, the present one does not know."""

    def load(self) -> None:
        """Begin to load; returns at once. Must be called by the main thread: the kernel ties a child to the thread that started it."""
        self._begin()

    def fork(self, start: Start, output: int, errors: int) -> Forked:
        """Return a new process in a session of its own, with these descriptors for what it says. Raises Unavailable."""
        asked = json.dumps([list(start.arguments), dict(start.environment)]).encode()
        if len(asked) > _MOST_BYTES:
            raise Unavailable("the environment is too large for a process to be forked")
        for _ in range(2):
            try:
                control = self._begin()
                socket.send_fds(control, [asked], [output, errors])
                return self._born(control)
            except (OSError, struct.error):
                self.close()
        raise Unavailable("no process can be forked")

    def exit_code(self, pid: int, turn: int) -> int:
        """Return how a process that has ended did so. Who went with the nursery was asked to end by the kernel."""
        with contextlib.suppress(OSError, struct.error):
            while turn == self._turn and pid not in self._ended and self._control is not None:
                self._hear(self._control)
        status = self._ended.pop(pid, None)
        return -signal.SIGTERM if status is None else os.waitstatus_to_exitcode(status)

    def close(self) -> None:
        """End it. The kernel asks the processes that it forked to end too."""
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._guard.remove(self._process.pid)
            self._process = None
        self._ended.clear()

    def _begin(self) -> socket.socket:
        if self._control is None:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            ours.settimeout(_READY_SECONDS)
            with theirs:
                command = [sys.executable, "-I", "-S", tied.__file__, str(os.getpid()), sys.executable, "-P", "-m", "leadhand.nursery"]
                self._process = subprocess.Popen(
                    [*command, str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    env=self._environment,
                    start_new_session=True,
                )
            self._guard.add(self._process.pid)
            self._control = ours
            self._turn += 1
        return self._control

    def _born(self, control: socket.socket) -> Forked:
        while True:
            pid = self._hear(control)
            if pid is not None:
                return Forked(self, pid, self._turn)

    def _hear(self, control: socket.socket) -> int | None:
        """Return the process id of one that was born; note how one ended."""
        kind, pid, status = _TOLD.unpack(control.recv(_TOLD.size))
        if kind == b"b":
            return int(pid)
        self._ended[pid] = status
        return None


def serve(control: socket.socket) -> list[str]:
    """Fork for each request, until nobody asks any more. Returns in the new process only, with what it is to run."""
    ours = os.getpid()
    bell, ringer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(ringer)
    while True:
        ready, _, _ = select.select([control.fileno(), bell], [], [])
        if bell in ready:
            os.read(bell, 4096)
            _reap(control)
        if control.fileno() in ready:
            asked, ends, _, _ = socket.recv_fds(control, _MOST_BYTES, 2)
            if not asked:
                sys.exit(0)
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                control.detach()
                arguments, environment = json.loads(asked)
                _become(ours, ends, arguments, environment)
                return list(arguments)
            for end in ends:
                os.close(end)
            control.send(_TOLD.pack(b"b", pid, 0))


def _reap(control: socket.socket) -> None:
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            control.send(_TOLD.pack(b"e", pid, status))


def _become(parent: int, ends: Sequence[int], arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """Make a forked process like one that was started by itself, tied to its parent."""
    c_library = ctypes.CDLL(None)
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    c_library.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
    c_library.prctl(_PR_SET_NAME, _name(arguments).encode()[:15], 0, 0, 0)
    for place, end in enumerate(ends, 1):
        os.dup2(end, place)
    os.closerange(3, _MOST_DESCRIPTORS)
    os.environ.clear()
    os.environ.update(environment)
    threshold = environment.get("MALLOC_TRIM_THRESHOLD_", "")
    if threshold.isdecimal():
        c_library.mallopt(_M_TRIM_THRESHOLD, int(threshold))  # the library itself looks at its environment only when it is loaded
    sys.argv[:] = arguments


def _name(arguments: Sequence[str]) -> str:
    module, *others = arguments
    return " ".join([module.removeprefix("leadhand."), *others[:1]]) if others and not others[0].startswith("-") else module


def _main() -> None:
    for name in _LOADED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    module, *_ = serve(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _main()
