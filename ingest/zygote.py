"""Where reader processes come from: a process that has all modules loaded and forks, so that a new one is there in milliseconds.

What the readers share, the modules of the protocols, is in memory once. It is a process of its own and not the one that holds the spool,
because a process with threads must not fork. Started as ``python -m ingest.zygote DESCRIPTOR``.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
from typing import Final

import structlog

from plant.errors import Unavailable

_TOLD: Final = struct.Struct("<cii")
"""Born (b) or ended (e), process id, and how it ended as ``waitpid`` says."""
_READY_SECONDS: Final = 60.0
_PR_SET_NAME: Final = 15
_log = structlog.get_logger(__name__)


def come_first() -> None:
    """Go before other processes where the system allows it (root, CAP_SYS_NICE): a late tick is a lost sample, and we need little time.

    Processes that are started later inherit it.
    """
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, -10)


class Zygote:
    """The parent's side. It is started when it is first needed, and again when it is gone."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._ended: dict[int, int] = {}
        self._closed = False

    def start(self) -> None:
        """Begin to load; returns at once."""
        with self._mutex:
            self._begin()

    def fork(self, end: socket.socket) -> int:
        """Return the id of a new reader process at the other end of a link. Raises Unavailable."""
        with self._mutex:
            for _ in range(2):
                if self._closed:
                    break
                try:
                    control = self._begin()
                    socket.send_fds(control, [b"f"], [end.fileno()])
                    while True:
                        kind, pid, status = self._next(control, _READY_SECONDS)
                        if kind == b"b":
                            return pid
                        self._ended[pid] = status
                except (OSError, struct.error) as error:
                    _log.warning("the process that reader processes come from is gone; it starts anew", error=repr(error))
                    self._end()
            raise Unavailable("no reader process can be started")

    def exit_code(self, pid: int, seconds: float = 1.0) -> int | None:
        """Return how a process ended, negative for a signal; None where that is not known."""
        with self._mutex:
            with contextlib.suppress(OSError, struct.error):
                while pid not in self._ended and self._control is not None:
                    kind, other, status = self._next(self._control, seconds)
                    if kind == b"e":
                        self._ended[other] = status
            status = self._ended.pop(pid, -1)
            return None if status < 0 else os.waitstatus_to_exitcode(status)

    def close(self) -> None:
        """End it, and with it all reader processes that are still there."""
        with self._mutex:
            self._closed = True
            self._end()

    def _begin(self) -> socket.socket:
        if self._control is None:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "ingest.zygote", str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    # one thread, so that it may fork; the readers' arrays are too small for more
                    env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
                )
            self._control = ours
        return self._control

    @staticmethod
    def _next(control: socket.socket, seconds: float) -> tuple[bytes, int, int]:
        control.settimeout(seconds)
        told = control.recv(_TOLD.size)
        kind, pid, status = _TOLD.unpack(told)
        return kind, pid, status

    def _end(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            # while it still loads, a signal ends it; later it is the closed socket that does
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None


def main(descriptor: int) -> None:
    """Fork for each socket that comes, until the parent is gone; then no child of ours may go on."""
    from ingest import worker

    for number in (signal.SIGTERM, signal.SIGINT):
        # a service manager signals all processes; ours end when their parent says so or is gone
        signal.signal(number, signal.SIG_IGN)
    _call_it("leadhand-zygote")
    gc.collect()
    gc.freeze()
    control = socket.socket(fileno=descriptor)
    bell, ringer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(ringer)
    children: set[int] = set()
    while True:
        ready, _, _ = select.select([control.fileno(), bell], [], [])
        if bell in ready:
            os.read(bell, 4096)
            _reap(control, children)
        if control.fileno() in ready:
            word, ends, _, _ = socket.recv_fds(control, 16, 1)
            if not word:
                break
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                control.close()
                os.close(bell)
                os.close(ringer)
                _call_it("leadhand-reader")
                os._exit(worker.run(socket.socket(fileno=ends[0])))
            children.add(pid)
            os.close(ends[0])
            control.send(_TOLD.pack(b"b", pid, 0))
    for pid in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _reap(control: socket.socket, children: set[int]) -> None:
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        children.discard(pid)
        with contextlib.suppress(OSError):
            control.send(_TOLD.pack(b"e", pid, status))


def _call_it(name: str) -> None:
    """Give the process a name of its own in lists of processes."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_NAME, name.encode()[:15], 0, 0, 0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
