"""Our end of the guard: which process groups it takes care of should we be killed."""

from __future__ import annotations

import subprocess
import sys
from types import TracebackType
from typing import Self

from leadhand import guard


class Guard:
    """A small process that stops what we started when we cannot do it any more. It holds the home's lock until then."""

    def __init__(self, lock: int, grace_seconds: float) -> None:
        self._grace_seconds = grace_seconds
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", guard.__file__, str(grace_seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=(lock,),
            start_new_session=True,
            text=True,
            bufsize=1,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(timeout=self._grace_seconds + 5)

    @property
    def pid(self) -> int:
        """The process id of the guard."""
        return self._process.pid

    def add(self, group: int) -> None:
        """Put a process group in the guard's care."""
        self._tell(f"+{group}\n")

    def remove(self, group: int) -> None:
        """Take a process group out of the guard's care."""
        self._tell(f"-{group}\n")

    def _tell(self, line: str) -> None:
        if self._process.stdin is None:
            return
        try:
            self._process.stdin.write(line)
        except BrokenPipeError:
            return  # somebody killed the guard: the kernel still ends the children with us
