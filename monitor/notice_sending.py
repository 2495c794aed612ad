"""Sends what stands in the outbox, each receiver in a thread of its own, so that one that hangs holds up no other and no alarm.

A notice is sent at least once and carries the same id each time: killed between sending and noting it, it is sent again, and a receiver
can tell. What does not arrive is tried again, more and more rarely, for a day.
"""

from __future__ import annotations

import json
import queue
import threading
from dataclasses import dataclass

import structlog

from monitor.followers import Follower
from monitor.mails import send_mail
from monitor.notice_words import document, subject, text
from monitor.webhooks import post
from plant.clock import Clock
from plant.errors import Rejected, Unavailable
from plant.notices import Channel
from plant.site import Site
from storage.database import Connection
from storage.notices import Outcome, StoredNotice, read_waiting, write_outcomes

NAME = "notice sending"
GIVEN_UP_AFTER_US = 86_400_000_000
_FIRST_REST_US = 5_000_000
_LONGEST_REST_US = 900_000_000
_log = structlog.get_logger(process="monitor")
Way = tuple[str, Channel]


def make_sender(site: Site, clock: Clock) -> Follower | None:
    """Return the follower; None where the site names nobody to be told."""
    return NoticeSender(site, clock) if site.notices.receivers else None


@dataclass(slots=True)
class _Rest:
    """A receiver that did not take something: not to be tried before a time."""

    failures: int
    until_us: int


class NoticeSender:
    """Hands waiting notices to threads and notes what came of them."""

    name = NAME
    pause_seconds = 0.5

    def __init__(self, site: Site, clock: Clock) -> None:
        self._site, self._clock = site, clock
        self._done: queue.SimpleQueue[tuple[Way, list[Outcome]]] = queue.SimpleQueue()
        self._busy: set[Way] = set()
        self._resting: dict[Way, _Rest] = {}

    def step(self, connection: Connection) -> bool:
        """Note what was sent, and begin to send what waits."""
        noted = self._note(connection)
        now_us = self._clock.now_us()
        groups: dict[Way, list[StoredNotice]] = {}
        for notice in read_waiting(connection, now_us):
            groups.setdefault((notice.receiver, notice.channel), []).append(notice)
        for way, notices in groups.items():
            rest = self._resting.get(way)
            if way in self._busy or (rest is not None and now_us < rest.until_us):
                continue
            self._busy.add(way)
            threading.Thread(target=self._send_all, args=(way, notices), name=f"notices to {way[0]}", daemon=True).start()
        return noted

    def _note(self, connection: Connection) -> bool:
        noted = False
        while not self._done.empty():
            way, outcomes = self._done.get()
            self._busy.discard(way)
            with connection.transaction():
                write_outcomes(connection, outcomes)
            self._mark(way, outcomes[-1])
            noted = True
        return noted

    def _mark(self, way: Way, last: Outcome) -> None:
        """Say the edge: a receiver that takes nothing any more, and one that takes again."""
        before = self._resting.pop(way, None)
        if last.state == "pending":
            failures = 1 if before is None else before.failures + 1
            self._resting[way] = _Rest(failures, last.at_us + rest_us(failures))
            if before is None:
                _log.warning("a receiver takes no notices", receiver=way[0], channel=way[1].value, reason=last.why)
        elif before is not None:
            _log.info("a receiver takes notices again", receiver=way[0], channel=way[1].value, failures=before.failures)

    def _send_all(self, way: Way, notices: list[StoredNotice]) -> None:
        """Send in order until one does not go."""
        outcomes: list[Outcome] = []
        for notice in notices:
            outcomes.append(self._send(notice))
            if outcomes[-1].state == "pending":
                break
        self._done.put((way, outcomes))

    def _send(self, notice: StoredNotice) -> Outcome:
        try:
            self._hand_over(notice)
        except Rejected as error:
            return Outcome(notice.id, notice.channel, "failed", self._clock.now_us(), why=str(error))
        except Unavailable as error:
            now_us = self._clock.now_us()
            if now_us - notice.made_us > GIVEN_UP_AFTER_US and notice.attempts:
                return Outcome(notice.id, notice.channel, "failed", now_us, why=f"given up after a day: {error}")
            return Outcome(notice.id, notice.channel, "pending", now_us, now_us + rest_us(notice.attempts + 1), str(error))
        except Exception as error:  # noqa: BLE001 - one notice that cannot be made must not hold up the others
            _log.exception("a notice cannot be sent", notice=str(notice.id), receiver=notice.receiver)
            return Outcome(notice.id, notice.channel, "failed", self._clock.now_us(), why=f"{type(error).__name__}: {error}")
        return Outcome(notice.id, notice.channel, "sent", self._clock.now_us())

    def _hand_over(self, notice: StoredNotice) -> None:
        receiver = self._site.notices.receiver(notice.receiver)
        if receiver is None or notice.channel not in receiver.channels:
            raise Rejected(f"the settings name no receiver '{notice.receiver}' with {notice.channel.value} any more")
        now_us = self._clock.now_us()
        if notice.channel is Channel.WEBHOOK:
            body = json.dumps({"id": str(notice.id), **notice.content}, ensure_ascii=False).encode("utf-8", "replace")
            post(receiver, notice.id, body, now_us)
            return
        mail = self._site.notices.mail
        assert mail is not None  # noqa: S101 - settings with receivers by mail name a server
        words = text(notice.content, str(notice.id), receiver.language, self._site.time_zone)
        html = document(notice.content, receiver.language)
        send_mail(mail, receiver.mail, notice.id, subject(notice.content, receiver.language), words, now_us, html=html)


def rest_us(failures: int) -> int:
    """Return how long to leave a receiver alone after so many failures in a row."""
    return min(_FIRST_REST_US << min(failures - 1, 20), _LONGEST_REST_US)
