"""Part orders: lists with how far each is, one with where it is cut and why then, and what people and programs do to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from dashboard.context import Person
from dashboard.part_order_files import part_orders_of_file
from dashboard.part_order_tables import PartOrderRow, row_of_cells, row_of_draft
from dashboard.part_shapes import sketch
from dashboard.services_people import require
from dashboard.share_words import reason_views
from dashboard.texts import Texts
from dashboard.views_part_orders import (
    EndDraft,
    MadeDraft,
    NestOfOrderView,
    PartOrderDraft,
    PartOrderView,
    PartOrderWholeView,
    PieceOfWorkView,
    RefusedRowView,
    WrittenPartOrdersView,
    WrongDraft,
)
from plant.clock import Clock
from plant.errors import Rejected
from plant.nests import Shape, area_mm2
from plant.part_orders import PartOrder, PartOrderState
from storage import nests, part_orders, shares
from storage.database import Pool
from storage.part_orders import StoredPartOrder
from storage.people import Role, Scope
from storage.shares import OrderTimes


class PartOrderService:
    """Each call reads the database in the calling thread. Raises Rejected for what is not there, Unavailable while it is away."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool, self._clock = pool, clock

    def orders(
        self,
        *,
        state: str | None = None,
        factory: str | None = None,
        find: str = "",
        before: int | None = None,
        most: int = 200,
    ) -> list[PartOrderView]:
        """Return part orders, the newest first."""
        if state and state not in set(PartOrderState):
            raise Rejected(f"there is no state '{state}'; there are: {', '.join(PartOrderState)}")
        with self._pool.connection() as connection:
            found = part_orders.read_part_orders(
                connection,
                states=[PartOrderState(state)] if state else None,
                factory=(factory or "").replace("\0", "") or None,
                find=find,
                before=before,
                most=most,
            )
            times = shares.order_times(connection, [one.id for one in found])
        return [_view(one, times) for one in found]

    def mark(self) -> str:
        """Return text that differs once a part order came or changed, or hours were shared out anew."""
        with self._pool.connection() as connection:
            newest = shares.newest_shares(connection)
            return f"{part_orders.part_orders_mark(connection)} {newest and newest.id}"

    def factories(self) -> list[str]:
        """Return the factories that ever ordered parts."""
        with self._pool.connection() as connection:
            return part_orders.read_factories(connection)

    def order(self, number: str, t: Texts, zone: str) -> PartOrderWholeView:
        """Return one part order whole: its shape, where and when it is made, and why then, in words of a language."""
        with self._pool.connection() as connection, connection.transaction():
            one = part_orders.read_part_order(connection, number) if "\0" not in number else None
            if one is None:
                raise Rejected(f"there is no part order '{number[:200]}'")
            times = shares.order_times(connection, [one.id])
            work = shares.read_order_shares(connection, part_order=one.id)
            held = nests.nests_of(connection, one.id)
        outline, holes = _corners(one.order.shape)
        return PartOrderWholeView(
            _view(one, times),
            outline,
            holes,
            tuple(PieceOfWorkView(each.centre, each.from_us, each.to_us, each.hours) for each in work if each.hours > 0),
            reason_views(work[0].reasons if work else (), one.order.factory, zone, t),
            tuple(NestOfOrderView(each.nest, each.state.value, each.centre, each.from_us, each.pieces) for each in held),
        )

    def write(self, who: Person, drafts: Sequence[PartOrderDraft | WrongDraft], *, only_say: bool = False) -> WrittenPartOrdersView:
        """Keep part orders: the same number again changes its order, the same content does nothing. For engineers and tokens for it.

        A wrong one is refused with its row and why; the others are kept. It is audited.
        """
        require(who, Role.ENGINEER, Scope.ORDERS)
        return self._keep(who, [row_of_draft(number, draft) for number, draft in enumerate(drafts, 1)], only_say=only_say)

    def take_in(
        self, who: Person, content: bytes, name: str, zone: str, given: Mapping[str, str], *, only_say: bool
    ) -> WrittenPartOrdersView:
        """Return what a file of parts brings, or would bring: a table (CSV, XLSX), a nest problem (JSON) or a drawing (DXF).

        ``given``: what the file does not say: factory, material, thickness_mm, quantity ... Raises SettingsError for what is no such file.
        """
        require(who, Role.ENGINEER, Scope.ORDERS)
        return self._keep(who, part_orders_of_file(content, name, zone, given), only_say=only_say)

    def by_hand(self, who: Person, cells: Mapping[str, str], zone: str) -> WrittenPartOrdersView:
        """Keep the one order that fields of a form say, by the names of the table's columns."""
        require(who, Role.ENGINEER, Scope.ORDERS)
        return self._keep(who, [row_of_cells(1, cells, zone)], only_say=False)

    def cancel(self, who: Person, number: str, draft: EndDraft) -> None:
        """Make no more of an open order; what is released is cut all the same. It is audited."""
        require(who, Role.ENGINEER, Scope.ORDERS)
        self._act(
            lambda connection, now_us: part_orders.cancel_part_order(
                connection, number.replace("\0", ""), actor=who.name, now_us=now_us, note=draft.note.strip(), address=who.address
            )
        )

    def count_made(self, who: Person, number: str, draft: MadeDraft) -> None:
        """Count pieces of a stamped part as made. It is audited."""
        require(who, Role.ENGINEER, Scope.ORDERS)
        self._act(
            lambda connection, now_us: part_orders.count_made(
                connection, number.replace("\0", ""), draft.pieces, actor=who.name, now_us=now_us, address=who.address
            )
        )

    def _act(self, act: Callable[..., None]) -> None:
        with self._pool.connection() as connection:
            act(connection, self._clock.now_us())

    def _keep(self, who: Person, rows: Sequence[PartOrderRow], *, only_say: bool) -> WrittenPartOrdersView:
        seen: dict[str, int] = {}
        good: list[PartOrder] = []
        refused: list[RefusedRowView] = []
        for row in rows:
            problems = list(row.problems)
            if row.number and seen.setdefault(row.number, row.row) != row.row:
                problems.append(f"order '{row.number}' stands in row {seen[row.number]} already; take one of them out")
            if row.order is None or problems:
                refused.append(RefusedRowView(row.row, row.number, tuple(problems)))
            else:
                good.append(row.order)
        with self._pool.connection() as connection, connection.transaction(force_rollback=only_say):
            told = part_orders.write_part_orders(
                connection,
                good,
                source="rest" if who.role is None else "person",
                actor=who.name,
                now_us=self._clock.now_us(),
                address=who.address,
            )
        refused += [RefusedRowView(seen[number], number, (why,)) for number, why in told.refused.items()]
        refused.sort(key=lambda one: one.row)
        return WrittenPartOrdersView(told.added, told.changed, told.same, tuple(refused), written=not only_say)


def _corners(shape: Shape | None) -> tuple[tuple[tuple[float, float], ...], tuple[tuple[tuple[float, float], ...], ...]]:
    if shape is None:
        return (), ()
    rings = [tuple((float(x), float(y)) for x, y in ring) for ring in (shape.outline, *shape.holes)]
    return rings[0], tuple(rings[1:])


def _view(one: StoredPartOrder, times: Mapping[int, OrderTimes]) -> PartOrderView:
    order, then = one.order, times.get(one.id)
    ready_us = one.state_us if one.state is PartOrderState.DONE else None if then is None else then.ready_us
    size = None if order.shape is None else np.ptp(order.shape.outline, axis=0)
    return PartOrderView(
        id=one.id,
        number=order.number,
        factory=order.factory,
        part=order.part,
        kind=order.kind.value,
        quantity=order.quantity,
        waiting=max(0, one.waiting) if one.state is PartOrderState.OPEN else 0,
        released=one.released,
        made=one.made,
        material=order.material,
        thickness_mm=order.thickness_mm,
        width_mm=None if size is None else float(size[0]),
        height_mm=None if size is None else float(size[1]),
        area_mm2=None if order.shape is None else area_mm2(order.shape),
        sketch="" if order.shape is None else sketch(order.shape),
        rotations_deg=order.rotations_deg,
        grain_deg=order.grain_deg,
        hours=order.hours,
        earliest_us=order.earliest_us,
        due_us=order.due_us,
        priority=order.priority,
        for_order=order.for_order,
        note=order.note,
        state=one.state.value,
        state_us=one.state_us,
        received_us=one.received_us,
        source=one.source,
        actor=one.actor,
        begin_us=None if then is None else then.begin_us,
        ready_us=ready_us,
        late_us=None if ready_us is None or order.due_us is None or one.state is PartOrderState.CANCELLED else ready_us - order.due_us,
    )
