"""A connection to a tightening controller over Open Protocol: one TCP link from its start to its end.

Acknowledgements are the application's (MID 0062, 0005 ...), which may wait until a result is durable. The link level's (sequence
numbers, MID 9997) must go out at once, so they would tell the controller that a result is safe before it is: the connection is
therefore started with a revision below 6, which switches them off.
"""

from __future__ import annotations

import select
import socket
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from plant.clock import Clock
from plant.errors import Rejected, Unavailable
from protocols.open_protocol import (
    COMMAND_ACCEPTED,
    COMMAND_ERROR,
    COMMUNICATION_START,
    COMMUNICATION_STARTED,
    COMMUNICATION_STOP,
    KEEP_ALIVE,
    REVISION_ERRORS,
    Framer,
    Linker,
    Telegram,
    encode_telegram,
    parse_telegram,
)
from protocols.open_protocol_messages import error_words, parse_message

_START_REVISIONS: Final = (5, 4, 3, 2, 1)
_TRIES: Final = 3
_MOST_WAITING: Final = 10_000
_CHUNK: Final = 65_536
_LONGEST_WAIT_SECONDS: Final = 1.0
"""So often ``alive`` is called while nothing comes."""


@dataclass(frozen=True, slots=True)
class OpenProtocolEndpoint:
    """Everything needed to reach one controller."""

    host: str
    port: int = 4545
    answer_seconds: float = 3.0
    """How long an answer may take; a request is sent three times in all."""
    keepalive_seconds: float = 5.0
    """So long may nothing be heard before a keep-alive asks whether the controller is there; controllers hang up after 15 s."""


class CommandRefused(Rejected):
    """The controller answered with an error code (MID 0004)."""

    def __init__(self, mid: int, code: int) -> None:
        self.mid, self.code = mid, code
        super().__init__(f"the controller refused MID {mid:04d}: {error_words(code)} (error {code:02d})")


class OpenProtocolConnection:
    """One link. ``receive`` and ``ask`` belong to one thread; ``send`` and ``close`` may be called from any.

    All raise Unavailable once the link is lost; a new connection is then to be made.
    """

    def __init__(self, endpoint: OpenProtocolEndpoint, clock: Clock) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._socket: socket.socket | None = None
        self._sending = threading.Lock()
        self._framer, self._linker = Framer(), Linker()
        self._waiting: deque[Telegram | Rejected] = deque()
        self._heard_at = self._asked_at = 0.0
        self.alive: Callable[[], None] = lambda: None
        """Called at least each second or so while this waits for something: who waits here does not hang."""

    def open(self) -> dict[str, Any]:
        """Connect, start the communication and return what the controller tells of itself (the fields of MID 0002).

        Raises Unavailable where nothing answers, CommandRefused where the controller does not want us.
        """
        endpoint = self._endpoint
        link = self._reach()
        link.settimeout(endpoint.answer_seconds)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = link
        self._heard_at = self._clock.monotonic()
        for revision in _START_REVISIONS:
            try:
                return parse_message(self.ask(Telegram(COMMUNICATION_START, revision), COMMUNICATION_STARTED))
            except CommandRefused as refusal:
                if refusal.code not in REVISION_ERRORS or revision == _START_REVISIONS[-1]:
                    raise
        raise AssertionError("a revision is accepted or refused")

    def _reach(self) -> socket.socket:
        """Connect in a thread of its own: nobody can say how long the system looks for a name."""
        endpoint = self._endpoint
        attempt = _Attempt(endpoint)
        deadline = self._clock.monotonic() + _TRIES * endpoint.answer_seconds
        attempt.start()
        while attempt.is_alive() and self._clock.monotonic() < deadline:
            self.alive()
            attempt.join(_LONGEST_WAIT_SECONDS)
        link, trouble = attempt.leave()
        if link is None:
            raise Unavailable(f"nothing answers at {endpoint.host}:{endpoint.port}: {trouble}")
        return link

    def ask(self, telegram: Telegram, reply: int = COMMAND_ACCEPTED, *, about: int | None = None) -> Telegram:
        """Send a request and return its answer; what the controller sends meanwhile waits for ``receive``.

        ``about``: the MID that MID 0005 or 0004 name in their answer, where that is another one (generic subscriptions).
        Raises CommandRefused for an error code, Unavailable where no answer comes.
        """
        about = telegram.mid if about is None else about
        for _ in range(_TRIES):
            self.send(telegram)
            deadline = self._clock.monotonic() + self._endpoint.answer_seconds
            while (left := deadline - self._clock.monotonic()) > 0:
                answer: Telegram | None = None
                refusal: CommandRefused | None = None
                for one in self._read(left):
                    if answer is None and refusal is None:
                        answer, refusal = _answer(one, reply, about)
                        if answer is not None or refusal is not None:
                            continue
                    self._keep(one)
                if refusal is not None:
                    raise refusal
                if answer is not None:
                    return answer
        raise Unavailable(f"the controller did not answer MID {telegram.mid:04d} within {_TRIES} x {self._endpoint.answer_seconds:g} s")

    def subscribe(self, mid: int, revisions: Sequence[int], *, station: int = 0, spindle: int = 0, exists: int = 71) -> int:
        """Subscribe with the first revision that the controller takes, and return it. Raises CommandRefused where it takes none.

        ``exists``: the error code by which it says that this is subscribed to already, which is as good.
        """
        for revision in revisions:
            try:
                self.ask(Telegram(mid, revision, station=station, spindle=spindle))
            except CommandRefused as refusal:
                if refusal.code in (exists, 71):
                    return revision
                if refusal.code not in REVISION_ERRORS or revision == revisions[-1]:
                    raise
            else:
                return revision
        raise ValueError("a subscription needs a revision")

    def receive(self, seconds: float) -> Telegram | None:
        """Return what the controller sent, or None when nothing came within some seconds. Keeps the link alive meanwhile.

        Raises Rejected for a telegram whose header cannot be read: the next one can.
        """
        if self._waiting:
            return self._next()
        until = self._clock.monotonic() + seconds
        while True:
            left = until - self._clock.monotonic()
            for one in self._read(max(0.0, left)):
                self._keep(one)
            if self._waiting:
                return self._next()
            if left <= 0:
                return None

    def send(self, telegram: Telegram) -> None:
        """Send a telegram and wait for nothing."""
        content = encode_telegram(telegram)
        with self._sending:
            if self._socket is None:
                raise Unavailable("the link is closed")
            try:
                self._socket.sendall(content)
            except OSError as error:
                raise Unavailable(f"the link was lost: {error.strerror or error}") from error

    def close(self) -> None:
        """Say goodbye where that is still possible, and let go. Safe to call twice."""
        with self._sending:
            link, self._socket = self._socket, None
            if link is None:
                return
            try:
                link.settimeout(0.2)
                link.sendall(encode_telegram(Telegram(COMMUNICATION_STOP)))
                link.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            link.close()

    def _next(self) -> Telegram:
        one = self._waiting.popleft()
        if isinstance(one, Rejected):
            raise one
        return one

    def _keep(self, one: Telegram | Rejected) -> None:
        if len(self._waiting) >= _MOST_WAITING:
            raise Unavailable("the controller sends without waiting for acknowledgements")
        self._waiting.append(one)

    def _read(self, seconds: float) -> list[Telegram | Rejected]:
        """Return what came within some seconds, keep-alives left out; asks whether the controller lives when it is silent for long."""
        self.alive()
        link = self._socket
        if link is None:
            raise Unavailable("the link is closed")
        now = self._clock.monotonic()
        silent = now - self._heard_at
        asked = self._asked_at > self._heard_at
        if asked and now - self._asked_at >= self._endpoint.answer_seconds:
            raise Unavailable(f"the controller is silent for {silent:.1f} s")
        if not asked and silent >= self._endpoint.keepalive_seconds:
            self.send(Telegram(KEEP_ALIVE))
            self._asked_at, asked = now, True
        due = self._asked_at + self._endpoint.answer_seconds if asked else self._heard_at + self._endpoint.keepalive_seconds
        try:
            # not select(), which knows no descriptor beyond 1023
            poll = select.poll()
            poll.register(link, select.POLLIN)
            content = link.recv(_CHUNK) if poll.poll(1000 * max(0.0, min(seconds, due - now, _LONGEST_WAIT_SECONDS))) else None
        except (OSError, ValueError) as error:
            raise Unavailable(f"the link was lost: {error}") from error
        if content is None:
            return []
        if not content:
            raise Unavailable("the controller hung up")
        self._heard_at = self._clock.monotonic()
        return self._telegrams(content)

    def _telegrams(self, content: bytes) -> list[Telegram | Rejected]:
        found: list[Telegram | Rejected] = []
        try:
            for frame in self._framer.feed(content):
                try:
                    whole = self._linker.take(parse_telegram(frame))
                except Rejected as error:
                    found.append(error)
                    continue
                if whole is not None and whole.mid != KEEP_ALIVE:
                    found.append(whole)
        except Rejected as error:
            raise Unavailable(f"what comes is no Open Protocol: {error}") from error
        return found


class _Attempt(threading.Thread):
    """Tries to reach a controller once."""

    def __init__(self, endpoint: OpenProtocolEndpoint) -> None:
        super().__init__(name=f"connect {endpoint.host}", daemon=True)
        self._endpoint = endpoint
        self._mutex = threading.Lock()
        self._link: socket.socket | None = None
        self._trouble = "the attempt took too long"
        self._left = False

    def run(self) -> None:
        try:
            link = socket.create_connection((self._endpoint.host, self._endpoint.port), self._endpoint.answer_seconds)
        except OSError as error:
            self._trouble = error.strerror or str(error)
            return
        with self._mutex:
            if self._left:
                link.close()
            else:
                self._link = link

    def leave(self) -> tuple[socket.socket | None, str]:
        """Return the link, or why there is none; one that comes later is closed."""
        with self._mutex:
            self._left = True
            return self._link, self._trouble


def _answer(one: Telegram | Rejected, reply: int, about: int) -> tuple[Telegram | None, CommandRefused | None]:
    """Return a telegram that is the answer to a request, or the refusal that it tells of."""
    if isinstance(one, Rejected):
        return None, None
    if one.mid == COMMAND_ERROR:
        told = parse_message(one)
        return None, CommandRefused(about, told["error"] or 0) if told["mid"] == about else None
    if one.mid != reply or (reply == COMMAND_ACCEPTED and parse_message(one)["mid"] != about):
        return None, None
    return one, None
