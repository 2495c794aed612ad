"""Controllers that fetch over REST: what is offered to each, what they say of it, and their signs of life. A token sees its own only.

Rows are written here; the process that delivers takes them up. A message is noted as given out before it is, so that one that was never
fetched is known not to have arrived.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping

from dashboard.context import Person
from dashboard.views_controllers import (
    HeartbeatDraft,
    OffersView,
    OfferView,
    OutcomeView,
    RefuseDraft,
    ReportDraft,
    SaidBackView,
)
from plant.answer_messages import parts_of, quantities_of
from plant.clock import Clock
from plant.deliveries import Answer, Verdict
from plant.delivery_modes import Mode, mode_now
from plant.errors import Rejected, Unavailable
from storage import rest_controllers
from storage.database import Connection, Pool
from storage.deliveries import Delivery, delivery_of_message
from storage.delivery_answers import add_answer, read_answer
from storage.delivery_modes import newest_mode, read_standings
from storage.rest_controllers import RestBeat

_MOST_BEATS = 20_000


class ControllerService:
    """Each call reads or writes the database in the calling thread. PermissionError for a work unit that is not the token's."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool, self._clock = pool, clock
        self._beats: dict[str, RestBeat] = {}
        self._lock = threading.Lock()

    def check(self, who: Person, work_unit: str) -> None:
        """Raise PermissionError where ``who`` is no controller of a work unit."""
        if not who.acts_for(work_unit) or "\0" in work_unit:
            raise PermissionError("this token is not for this work unit")

    def offers(self, who: Person, work_unit: str, after: int = 0) -> OffersView:
        """Return what is offered to a work unit now, beyond a delivery's number; what is given out is noted first."""
        self.check(who, work_unit)
        self._note(RestBeat(work_unit, self._clock.now_us(), who.name))
        with self._pool.connection() as connection:
            found = self._offered(connection, [work_unit], after)
            self.note_given(connection, who, found)
            return self._view(connection, work_unit, found)

    def give(self, who: Person, work_unit: str, offered: Iterable[OfferView]) -> OffersView:
        """Return offers that are known already, noted as given out."""
        given = tuple(offered)
        with self._pool.connection() as connection:
            self.note_given(connection, who, given)
            return self._view(connection, work_unit, given)

    def watched(self, connection: Connection, work_units: Iterable[str]) -> Mapping[str, tuple[OfferView, ...]]:
        """Return what is offered to each of some work units, on a connection of the caller's."""
        found: dict[str, list[OfferView]] = {}
        for one in rest_controllers.offers(connection, work_units, self._clock.now_us()):
            found.setdefault(one.draft.work_unit, []).append(_offer(one))
        return {unit: tuple(each) for unit, each in found.items()}

    def note_given(self, connection: Connection, who: Person, offered: Iterable[OfferView]) -> None:
        """Keep that messages are given out, before they are."""
        rest_controllers.note_fetched(connection, [one.number for one in offered], who.name, self._clock.now_us())

    def accept(self, who: Person, work_unit: str, message_id: str, key: str) -> SaidBackView:
        """Keep that a controller takes a message."""
        return self._say(who, work_unit, message_id, Verdict.ACCEPTED, key)

    def refuse(self, who: Person, work_unit: str, message_id: str, draft: RefuseDraft, key: str) -> SaidBackView:
        """Keep that a controller does not take a message, and why."""
        return self._say(who, work_unit, message_id, Verdict.REFUSED, key, draft.reason)

    def report(self, who: Person, work_unit: str, message_id: str, draft: ReportDraft, key: str) -> SaidBackView:
        """Keep what became of a message that a controller took."""
        return self._say(who, work_unit, message_id, Verdict(draft.verdict), key, draft.reason, draft)

    def outcome(self, who: Person, work_unit: str, number: int) -> OutcomeView:
        """Return what became of an answer."""
        self.check(who, work_unit)
        with self._pool.connection() as connection:
            found = read_answer(connection, number) if 0 < number < 2**62 else None
        if found is None or found.answer.work_unit != work_unit:
            raise Rejected(f"there is no answer {number} of this work unit")
        answer = found.answer
        return OutcomeView(found.number, answer.message_id, answer.verdict.value, answer.time_us, found.taken_us, found.outcome)

    def heartbeat(self, who: Person, work_unit: str, draft: HeartbeatDraft) -> OffersView:
        """Take a sign of life, and return how Leadhand stands and what waits; nothing is given out by this."""
        self.check(who, work_unit)
        now_us = self._clock.now_us()
        self._note(RestBeat(work_unit, now_us, who.name, draft.ai_off, draft.counter, draft.state))
        with self._pool.connection() as connection:
            return self._view(connection, work_unit, ())

    def keep_beats(self) -> None:
        """Write the signs of life since the last time, all in one statement; they wait where the database is away."""
        with self._lock:
            beats, self._beats = self._beats, {}
        if not beats:
            return
        try:
            with self._pool.connection() as connection:
                rest_controllers.write_beats(connection, list(beats.values()))
        except Unavailable:
            with self._lock:
                self._beats = self._beats | {unit: _merged(one, self._beats.get(unit, one)) for unit, one in beats.items()}
            raise

    def _note(self, beat: RestBeat) -> None:
        """Keep a sign of life until it is written; what it does not say stays as it was said before."""
        with self._lock:
            known = self._beats.get(beat.work_unit)
            if known is None and len(self._beats) >= _MOST_BEATS:
                return
            self._beats[beat.work_unit] = beat if known is None else _merged(known, beat)

    def _say(
        self,
        who: Person,
        work_unit: str,
        message_id: str,
        verdict: Verdict,
        key: str,
        reason: str = "",
        report: ReportDraft | None = None,
    ) -> SaidBackView:
        self.check(who, work_unit)
        if not key.strip():
            raise Rejected("an answer needs the header Idempotency-Key: a text that you make for it, the same where you send it again")
        with self._pool.connection() as connection:
            known = delivery_of_message(connection, message_id)
            if known is None or known.counter is None or known.draft.work_unit != work_unit:
                raise Rejected("no such message was sent to this work unit")
            answer = Answer(
                message_id=message_id,
                work_unit=work_unit,
                verdict=verdict,
                time_us=self._clock.now_us(),
                reason=reason,
                readback=() if report is None else quantities_of(report.readback),
                parts=() if report is None else parts_of(report.parts),
                measured=() if report is None else quantities_of(report.measured),
                actor=who.name,
                key=key,
            )
            number = add_answer(connection, answer)
        return SaidBackView(number, message_id, work_unit, verdict.value)

    def _offered(self, connection: Connection, work_units: Iterable[str], after: int) -> tuple[OfferView, ...]:
        found = rest_controllers.offers(connection, work_units, self._clock.now_us())
        return tuple(_offer(one) for one in found if one.number > after)

    def _view(self, connection: Connection, work_unit: str, offered: tuple[OfferView, ...]) -> OffersView:
        row, standing = newest_mode(connection, work_unit), read_standings(connection, work_unit).get(work_unit)
        now_us = self._clock.now_us()
        mode = Mode.ADVISORY if row is None else mode_now([row], now_us)
        return OffersView(work_unit, now_us, mode.value, None if standing is None else standing.told_us, offered)


def _merged(before: RestBeat, after: RestBeat) -> RestBeat:
    return RestBeat(
        after.work_unit,
        after.time_us,
        after.actor,
        before.ai_off if after.ai_off is None else after.ai_off,
        before.counter if after.counter is None else after.counter,
        before.state if after.state is None else after.state,
    )


def _offer(one: Delivery) -> OfferView:
    signed = one.signed
    return OfferView(one.number, one.message_id, signed.text, signed.signature, signed.message.expires_us)
