"""Nests: lists, one with its layouts and orders, drawings of its sheets, and the steps that people let it go."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from dashboard.context import Person
from dashboard.services_people import require
from dashboard.views_nests import LeftPartView, NestMovedView, NestOrderView, NestSheetView, NestView, NestWholeView
from dashboard.views_part_orders import EndDraft
from plant.clock import Clock
from plant.errors import Rejected
from plant.nest_drawing import Theme, sheet_svg
from plant.nest_figures import sheet_utilisation, utilisation
from plant.nest_keeping import read_kept_problem, read_nest
from plant.nests import CutSheet, Nest, NestProblem
from storage import nests
from storage.database import Pool
from storage.nests import NestFiles, NestState, StoredNest
from storage.people import Role, Scope


class NestService:
    """Each call reads the database in the calling thread. Raises Rejected for what is not there, Unavailable while it is away."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool, self._clock = pool, clock

    def nests(
        self, *, states: tuple[str, ...] = (), centre: str | None = None, before: int | None = None, most: int = 200
    ) -> list[NestView]:
        """Return nests, the newest first."""
        unknown = [state for state in states if state not in set(NestState)]
        if unknown:
            raise Rejected(f"there is no state '{unknown[0]}'; there are: {', '.join(NestState)}")
        clean = (centre or "").replace("\0", "") or None
        with self._pool.connection() as connection:
            wanted = [NestState(state) for state in states] or None
            return [_view(one) for one in nests.read_nests(connection, states=wanted, centre=clean, before=before, most=most)]

    def mark(self) -> str:
        """Return text that differs once a nest came or went a step."""
        with self._pool.connection() as connection:
            return nests.nests_mark(connection)

    def nest(self, number: int) -> NestWholeView:
        """Return one nest with its layouts and orders."""
        with self._pool.connection() as connection:
            stored = nests.read_nest(connection, number)
            if stored is None:
                raise Rejected(f"there is no nest {number}")
            files = nests.read_nest_files(connection, number)
            pieces = dict(nests.pieces_in(connection, number))
        if files is None:
            return NestWholeView(_view(stored), {}, 0.0, 0.0, 0.0, (), (), tuple(_orders(pieces, None)))
        problem, found = _read(files)
        rules = problem.rules_for(stored.thickness_mm)
        shares = utilisation(problem, found).shares()
        orders = tuple(_orders(pieces, problem))
        row_of = {one.number: row for row, one in enumerate(orders)}
        drawn = [row_of.get(part.order, -1) for part in problem.parts]
        sheets = tuple(_sheet(problem, cut, place, drawn) for place, cut in enumerate(found.sheets, 1))
        return NestWholeView(_view(stored), shares, rules.kerf_mm, rules.gap_mm, rules.margin_mm, factories_of(problem), sheets, orders)

    def drawing(self, number: int, place: int, theme: Theme = "auto", *, legend: bool = True) -> str:
        """Return one layout as SVG."""
        problem, cut = self._cut(number, place)
        return sheet_svg(problem, cut, theme=theme, legend=legend)

    def dxf(self, number: int, place: int) -> bytes:
        """Return one layout as DXF, as it is cut."""
        from protocols.dxf import write_sheet  # its library takes 17 MB, and few ask for it

        problem, cut = self._cut(number, place)
        return write_sheet(problem, cut)

    def release(self, who: Person, number: int, draft: EndDraft) -> NestMovedView:
        """Let a proposed nest be cut: its sheets and parts are taken. Engineers only; it is audited."""
        require(who, Role.ENGINEER)
        with self._pool.connection() as connection:
            nests.release_nest(
                connection, number, actor=who.name, now_us=self._clock.now_us(), note=draft.note.strip(), address=who.address
            )
        return NestMovedView(self.line(number), ())

    def withdraw(self, who: Person, number: int, draft: EndDraft) -> NestMovedView:
        """Take a release back: its sheets are free, its parts wait again. Engineers only; it is audited."""
        require(who, Role.ENGINEER)
        with self._pool.connection() as connection:
            nests.withdraw_nest(
                connection, number, actor=who.name, now_us=self._clock.now_us(), note=draft.note.strip(), address=who.address
            )
        return NestMovedView(self.line(number), ())

    def cut(self, who: Person, number: int, draft: EndDraft) -> NestMovedView:
        """Say that a released nest is cut: its parts are made, its remnants lie in stock. Engineers, tokens for orders; it is audited."""
        require(who, Role.ENGINEER, Scope.ORDERS)
        with self._pool.connection() as connection:
            remnants = nests.cut_nest(
                connection, number, actor=who.name, now_us=self._clock.now_us(), note=draft.note.strip(), address=who.address
            )
        return NestMovedView(self.line(number), remnants)

    def line(self, number: int) -> NestView:
        """Return one nest as it stands in lists."""
        with self._pool.connection() as connection:
            stored = nests.read_nest(connection, number)
        if stored is None:
            raise Rejected(f"there is no nest {number}")
        return _view(stored)

    def _cut(self, number: int, place: int) -> tuple[NestProblem, CutSheet]:
        with self._pool.connection() as connection:
            files = nests.read_nest_files(connection, number)
        if files is None:
            raise Rejected(f"there is no nest {number}, or its layouts are no more kept")
        problem, found = _read(files)
        if not 1 <= place <= len(found.sheets):
            raise Rejected(f"nest {number} has {len(found.sheets)} layouts; there is no layout {place}")
        return problem, found.sheets[place - 1]


@lru_cache(maxsize=4)
def _read(files: NestFiles) -> tuple[NestProblem, Nest]:
    """Return a nest as values; the drawings of its layouts are asked for one after the other."""
    problem = read_kept_problem(files.problem)
    return problem, read_nest(files.nest, problem)


def factories_of(problem: NestProblem) -> tuple[str, ...]:
    """Return the factories of a problem in the order of their hues; parts of none are grey."""
    return tuple(sorted({part.factory for part in problem.parts if part.factory}))


def _sheet(problem: NestProblem, cut: CutSheet, place: int, drawn: list[int]) -> NestSheetView:
    sheet = problem.sheets[cut.sheet]
    return NestSheetView(
        place,
        sheet.name,
        sheet.width_mm,
        sheet.height_mm,
        sheet.remnant,
        cut.copies,
        len(cut.placements.part),
        sheet_utilisation(problem, cut).gross,
        tuple((one.width_mm, one.height_mm) for one in cut.remnants),
        tuple(drawn[row] for row in cut.placements.part.tolist()),
    )


def _orders(pieces: Mapping[str, int], problem: NestProblem | None) -> list[NestOrderView]:
    parts = {} if problem is None else {part.order: part for part in problem.parts}
    found = []
    for number, count in pieces.items():
        part = parts.get(number)
        told = ("", "", None, 5) if part is None else (part.factory, part.name, part.due_us, part.priority)
        found.append(NestOrderView(number, told[0], told[1], count, told[2], told[3]))
    return sorted(found, key=lambda one: (one.factory, one.due_us or 0, one.number))


def _view(one: StoredNest) -> NestView:
    told: Mapping[str, Any] = one.figures
    return NestView(
        id=one.id,
        made_us=one.made_us,
        centre=one.centre,
        from_us=one.from_us,
        to_us=one.to_us,
        material=one.material,
        thickness_mm=one.thickness_mm,
        state=one.state.value,
        state_us=one.state_us,
        actor=one.actor,
        sheets=int(told.get("sheets", 0)),
        layouts=int(told.get("layouts", 0)),
        parts=int(told.get("parts", 0)),
        hours=told.get("hours"),
        factory_hours=dict(told.get("factory_hours", {})),
        gross=told.get("gross"),
        credited=told.get("credited"),
        net=told.get("net"),
        left=tuple(
            LeftPartView(str(left["order"]), str(left["part"]), int(left["quantity"]), str(left["reason"])) for left in told.get("left", ())
        ),
        seconds=one.seconds,
        whole=one.whole,
    )
