"""One request to a process of its own, heard by a thread: what solvers take of memory and time ends with it.

The process gets a line of JSON and gives lines of JSON: how far it is, then ``{"answer": ...}``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

_GRACE_SECONDS: Final = 30.0
"""What goes on so long after its time hangs."""


class Child:
    """A process at work on one request."""

    def __init__(
        self,
        module: str,
        request: Mapping[str, Any],
        *,
        seconds: float,
        heard: Callable[[dict[str, Any]], None] | None = None,
        finished: Callable[[], None] | None = None,
    ) -> None:
        """Start ``module`` and ask it. ``heard`` takes what it tells meanwhile and ``finished`` is called at the end, in a thread."""
        self.answer: dict[str, Any] | None = None
        """What came of it, once it has ended."""
        self.problem_words = ""
        """Why nothing came of it."""
        self._seconds = seconds
        self._heard, self._finished = heard, finished
        flags = ["-P"] if sys.flags.safe_path else []
        self._process = subprocess.Popen([sys.executable, *flags, "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._request = json.dumps(dict(request)) + "\n"
        self._thread = threading.Thread(target=self._run, name=module, daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        """Whether it has ended, well or not."""
        return not self._thread.is_alive()

    def stop(self, seconds: float = 5.0) -> None:
        """End it now; what it found so far is lost."""
        self._process.kill()
        self._thread.join(seconds)

    def _run(self) -> None:
        watch = threading.Timer(self._seconds + _GRACE_SECONDS, self._process.kill)
        watch.daemon = True
        watch.start()
        try:
            self._hear()
        except (OSError, ValueError) as error:
            self.problem_words = f"the search ended early: {error}"
        except Exception as error:  # noqa: BLE001 - a thread that dies in silence would look like one that found nothing
            self.problem_words = repr(error)
        finally:
            watch.cancel()
            self._process.kill()
            code = self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
        if self.answer is None and not self.problem_words:
            self.problem_words = f"the search ended early, with exit code {code}"

    def _hear(self) -> None:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None  # noqa: S101 - pipes
        assert stdout is not None  # noqa: S101
        try:
            stdin.write(self._request)
            stdin.flush()
        except BrokenPipeError:
            return
        try:
            for line in stdout:
                told = json.loads(line)
                if "answer" in told:
                    self.answer = told["answer"]
                    return
                if self._heard is not None:
                    self._heard(told)
        finally:
            if self._finished is not None:
                self._finished()
