"""What stations need, and since when; calls and who comes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from dashboard import viewing_andon
from dashboard.andon_tiles import Shop, Tiles, names_of, work_units
from dashboard.board_version import BOARD_VERSION
from dashboard.context import Person
from dashboard.hub import Hub
from dashboard.services_people import require
from dashboard.viewing_andon import answers_view, call_view
from dashboard.views_andon import AnswersView, BoardView, CallDraft, CallView, StepDraft
from plant.calendars import Shift
from plant.clock import Clock
from plant.errors import Rejected, Unavailable
from plant.site import Site
from storage import andon_board, andon_calls
from storage.andon_calls import Asker, Call
from storage.database import Connection, Pool
from storage.people import Role, Scope
from storage.states import read_states_now

DAY_US: Final = 86_400_000_000
MOST_TILES: Final = 2000
_FRESH_SECONDS: Final = 2.0
"""So long one reading serves all boards."""
_HELD_US: Final = 2 * DAY_US
"""What was held longer ago is no news for a station any more; the pages of joints and pictures keep it."""


class AndonService:
    """Each call reads the database in the calling thread; one reading of all stations serves all boards for two seconds.

    Raises Unavailable while it is away and nothing was read before, Rejected for what is not there, PermissionError for who may not.
    """

    def __init__(self, pool: Pool, hub: Hub, clock: Clock, site: Callable[[], Site]) -> None:
        self._pool, self._hub, self._clock, self._site = pool, hub, clock, site
        self._reading = threading.Lock()
        self._shop: Shop | None = None
        self._due = 0.0

    def board(self, place: str = "", language: str = "en") -> BoardView:
        """Return the board of the site, an area, a line or one work unit. While the database is away: as it was when last read."""
        site, read = self._site(), self._hub.last_read()
        shop = self._shop_now(site)
        root = place or site.path
        names = {str(row.id): row.name for row in read.plan.equipment}
        if root not in names and root != site.path:
            raise Rejected(f"there is no equipment '{place}'")
        units = [row for row in work_units(read) if row.id == root or row.id.startswith(root + "/") or root == site.path][:MOST_TILES]
        now_us = self._clock.now_us()
        tile = Tiles(site, read, shop, names, language, now_us)
        shifts = viewing_andon.shift_views((shop.shifts[row.id] for row in units if row.id in shop.shifts), now_us)
        return BoardView(
            place=place,
            name=names.get(root, "") or site.name,
            time_us=now_us,
            read_us=shop.read_us,
            database="ok" if shop.database else "away",
            version=BOARD_VERSION,
            shifts=shifts,
            tiles=tuple(tile.of(row) for row in units),
            answers=tuple(answers_view(one) for one in shop.answers),
        )

    def open_calls(self, place: str = "") -> list[CallView]:
        """Return the calls that are not done, at a place or below, from the hub's last read."""
        read = self._hub.last_read()
        names = names_of(read)
        return [call_view(one, names) for one in read.calls if not place or f"{one.equipment}/".startswith(place + "/")]

    def calls(self, place: str, from_us: int | None, to_us: int | None, most: int) -> list[CallView]:
        """Return the calls of a span, the newest first; it ends now and is a day long where not given."""
        to_us = self._clock.now_us() + 1 if to_us is None else to_us
        from_us = max(0, to_us - DAY_US) if from_us is None else from_us
        _check_span(from_us, to_us)
        with self._pool.connection() as connection:
            found = andon_calls.read_calls(connection, place, from_us, to_us, most)
        names = names_of(self._hub.last_read())
        return [call_view(one, names) for one in found]

    def answers(self, place: str, from_us: int, to_us: int) -> list[AnswersView]:
        """Return how soon those who were called in a span came."""
        _check_span(from_us, to_us)
        with self._pool.connection() as connection:
            return [answers_view(one) for one in andon_calls.read_answers(connection, place, from_us, to_us)]

    def call(self, who: Person, draft: CallDraft) -> tuple[CallView, bool]:
        """Call for somebody; return the call and whether it is new. For inspectors, and programs that may act on alarms."""
        asker = _asker(who, draft.person)
        with self._pool.connection() as connection:
            made, new = andon_calls.add_call(connection, draft.equipment, draft.whom, draft.note, asker, self._clock.now_us())
        return self._view(made), new

    def answer(self, who: Person, number: int, draft: StepDraft) -> CallView:
        """Say that somebody comes."""
        asker = _asker(who, draft.person)
        with self._pool.connection() as connection:
            return self._view(andon_calls.answer_call(connection, number, asker, self._clock.now_us()))

    def end(self, who: Person, number: int, draft: StepDraft) -> CallView:
        """Say that a call is done."""
        asker = _asker(who, draft.person)
        with self._pool.connection() as connection:
            return self._view(andon_calls.end_call(connection, number, draft.note, asker, self._clock.now_us()))

    def _view(self, call: Call) -> CallView:
        self._due = 0.0
        return call_view(call, names_of(self._hub.last_read()))

    def _shop_now(self, site: Site) -> Shop:
        """Return what is known of all stations, read anew by the first who asks after two seconds; the others take what there is."""
        shop = self._shop
        if shop is not None and self._clock.monotonic() < self._due:
            return shop
        if not self._reading.acquire(blocking=shop is None):
            return shop or self._shop_now(site)
        try:
            with self._pool.connection(2.0) as connection:
                shop = self._shop = self._read(connection, site)
        except Unavailable:
            if shop is None:
                raise
            shop = self._shop = replace(shop, database=False)
        finally:
            self._due = self._clock.monotonic() + _FRESH_SECONDS
            self._reading.release()
        return shop

    def _read(self, connection: Connection, site: Site) -> Shop:
        now_us = self._clock.now_us()
        units = [model.equipment for model in site.states.models]
        shifts = _shifts(site, units, now_us)
        planned = [
            (unit, begin, min(end, now_us)) for unit, shift in shifts.items() for begin, end in shift.planned() if begin < min(end, now_us)
        ]
        pictures = andon_board.read_held_pictures(connection, now_us - _HELD_US)
        stations = site.vision.equipment
        return Shop(
            read_us=now_us,
            states=read_states_now(connection, units),
            shifts=shifts,
            pieces=andon_board.read_pieces_since(connection, {unit: shift.from_us for unit, shift in shifts.items()}),
            run_seconds=andon_board.read_run_seconds(connection, planned),
            joints=andon_board.read_held_joints(connection, now_us - _HELD_US),
            pictures={str(stations[name]): held for name, held in pictures.items() if name in stations},
            answers=andon_calls.read_answers(connection, "", now_us - DAY_US, now_us + DAY_US),
        )


def _asker(who: Person, told: str) -> Asker:
    """Return who does it: a person by his own name, a program by the name that it tells."""
    require(who, Role.INSPECTOR, Scope.ALARMS)
    own = who.full_name or who.name
    return Asker(who.name, (told or own) if who.role is None else own, who.address)


def _check_span(from_us: int, to_us: int) -> None:
    if not 0 <= from_us < to_us or to_us - from_us > 400 * DAY_US:
        raise Rejected("'from' must lie before 'to', by at most 400 days, both as microseconds since 1970")


def _shifts(site: Site, units: Iterable[str], now_us: int) -> dict[str, Shift]:
    calendars = {unit: calendar for unit in units if (calendar := site.calendars.of(unit)) is not None}
    shifts = {calendar.name: calendar.shift_at(now_us) for calendar in calendars.values()}
    return {unit: shift for unit, calendar in calendars.items() if (shift := shifts[calendar.name]) is not None}
