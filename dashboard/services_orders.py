"""Customer orders: lists with what was promised, one with its parts, and what people and programs do to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dashboard.context import Person
from dashboard.order_tables import orders_of_table
from dashboard.services_people import require
from dashboard.views_orders import (
    CancelDraft,
    JobOrderView,
    OrderChangeDraft,
    OrderChangeView,
    OrderDraft,
    OrderView,
    SplitDraft,
    WrittenOrdersView,
)
from plant.clock import Clock
from plant.customer_orders import CustomerOrder, OrderState
from plant.errors import Rejected, SettingsError
from storage import customer_orders, job_orders, process_networks, products
from storage.customer_orders import StoredOrder, WrittenOrders
from storage.database import Connection, Pool
from storage.job_orders import StoredJobOrder
from storage.people import Role, Scope


class OrderService:
    """Each call reads the database in the calling thread. Raises Rejected for what is not there, Unavailable while it is away."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool, self._clock = pool, clock

    def orders(
        self,
        *,
        state: str | None = None,
        product: str | None = None,
        customer: str | None = None,
        before: int | None = None,
        most: int = 200,
    ) -> list[OrderView]:
        """Return customer orders, the newest first."""
        if state and state not in set(OrderState):
            raise Rejected(f"there is no state '{state}'; there are: {', '.join(OrderState)}")
        with self._pool.connection() as connection:
            found = customer_orders.read_stored_orders(
                connection,
                states=[OrderState(state)] if state else None,
                product=_clean(product),
                customer=_clean(customer),
                before=before,
                most=most,
            )
        return [_view(one) for one in found]

    def mark(self) -> str:
        """Return text that differs once an order came or changed."""
        with self._pool.connection() as connection:
            return customer_orders.orders_mark(connection)

    def order(self, number: str) -> OrderView:
        """Return one order."""
        with self._pool.connection() as connection:
            return _view(_found(connection, number))

    def parts(self, number: str) -> list[JobOrderView]:
        """Return the parts of one order."""
        with self._pool.connection() as connection:
            _found(connection, number)
            return [_part(one) for one in job_orders.read_job_orders(connection, order=number)]

    def products(self) -> list[str]:
        """Return the products that orders can name; empty where none is known, and any may be named."""
        with self._pool.connection() as connection:
            table, _ = products.read_products(connection, process_networks.read_features(connection))
        return sorted(table.ids)

    def write(self, who: Person, drafts: Sequence[OrderDraft], *, only_say: bool = False) -> WrittenOrdersView:
        """Keep orders: the same number again changes its order, the same content does nothing. For engineers and tokens for it; audited.

        Raises SettingsError where a draft cannot be; orders refused for how far they are stand in the answer.
        """
        require(who, Role.ENGINEER, Scope.ORDERS)
        now_us = self._clock.now_us()
        known = set(self.products())
        wrong: list[str] = []
        seen: set[str] = set()
        for draft in drafts:
            wrong += [f"order {draft.number}: {problem}" for problem in _problems(draft, known)]
            if draft.number in seen:
                wrong.append(f"order {draft.number}: stands there twice")
            seen.add(draft.number)
        if wrong:
            raise SettingsError(wrong)
        return self._write(who, [_order(draft, now_us) for draft in drafts], now_us, only_say=only_say)

    def change(self, who: Person, number: str, draft: OrderChangeDraft) -> OrderView:
        """Return an order as changed; what the draft does not name stays."""
        require(who, Role.ENGINEER, Scope.ORDERS)
        with self._pool.connection() as connection:
            before = _found(connection, number)
        given = {name: getattr(draft, name) for name in draft.model_fields_set}
        kept = {name: value for name, value in given.items() if value is not None or name in {"due_us", "release_us"}}
        self._one(who, replace(before.order, serials=_kept_serials(before, kept.get("quantity")), **kept))
        return self.order(number)

    def cancel(self, who: Person, number: str, draft: CancelDraft) -> OrderView:
        """Take an open order out of the plan. It is audited."""
        require(who, Role.ENGINEER, Scope.ORDERS)
        with self._pool.connection() as connection:
            note = draft.note.strip()
            now_us = self._clock.now_us()
            customer_orders.cancel_order(connection, number, actor=who.name, now_us=now_us, note=note, address=who.address)
        return self.order(number)

    def split(self, who: Person, number: str, draft: SplitDraft) -> tuple[OrderView, OrderView]:
        """Return what is left of an order, and the new order that its last parts became; those must not have begun."""
        require(who, Role.ENGINEER, Scope.ORDERS)
        with self._pool.connection() as connection:
            before = _found(connection, number)
            if customer_orders.read_stored_order(connection, draft.number) is not None:
                raise Rejected(f"there is an order '{draft.number}' already")
        order, left = before.order, before.order.quantity - draft.quantity
        if left < 1:
            raise Rejected(f"order '{number}' has {order.quantity} parts: at most {order.quantity - 1} can be split off")
        given = {name: getattr(draft, name) for name in ("due_us", "priority") if getattr(draft, name) is not None}
        now_us = self._clock.now_us()
        rest = replace(order, quantity=left, serials=())
        new = replace(order, number=draft.number, quantity=draft.quantity, serials=(), received_us=now_us, **given)
        for only_say in (True, False):
            told = self._write(who, [rest, new], now_us, only_say=only_say)
            if told.refused:
                raise Rejected("; ".join(f"order '{name}': {why}" for name, why in told.refused.items()))
        return self.order(number), self.order(draft.number)

    def take_in(self, who: Person, content: bytes, place: str, zone: str, *, only_say: bool) -> WrittenOrdersView:
        """Return what a table of orders (CSV or workbook) brings, or would bring. Raises SettingsError for each wrong cell."""
        require(who, Role.ENGINEER, Scope.ORDERS)
        now_us = self._clock.now_us()
        orders = orders_of_table(content, place, received_us=now_us, zone=zone, products=self.products() or None)
        return self._write(who, orders, now_us, only_say=only_say)

    def _one(self, who: Person, order: CustomerOrder) -> None:
        told = self._write(who, [order], self._clock.now_us(), only_say=False)
        if told.refused:
            raise Rejected(f"order '{order.number}': {told.refused[order.number]}")

    def _write(self, who: Person, orders: Sequence[CustomerOrder], now_us: int, *, only_say: bool) -> WrittenOrdersView:
        with self._pool.connection() as connection:
            told = customer_orders.write_orders(
                connection,
                orders,
                source="rest" if who.role is None else "person",
                actor=who.name,
                now_us=now_us,
                address=who.address,
                dry_run=only_say,
            )
        return _written(told, written=not only_say)


def _problems(draft: OrderDraft, products_known: set[str]) -> list[str]:
    found = []
    if products_known and draft.product not in products_known:
        found.append(f"there is no product '{draft.product}'; import it first")
    if draft.due_us is not None and draft.release_us is not None and draft.due_us <= draft.release_us:
        found.append("due lies before release, when it can be begun")
    if draft.serials and len(draft.serials) != draft.quantity:
        found.append(f"serials names {len(draft.serials)}, but the quantity is {draft.quantity}")
    if len(set(draft.serials)) != len(draft.serials):
        found.append("serials names one twice")
    return found


def _order(draft: OrderDraft, now_us: int) -> CustomerOrder:
    return CustomerOrder(
        draft.number,
        draft.product,
        draft.customer,
        draft.quantity,
        draft.due_us,
        draft.release_us,
        draft.priority,
        now_us,
        draft.serials,
        draft.note.strip(),
    )


def _kept_serials(before: StoredOrder, quantity: object) -> tuple[str, ...]:
    return () if quantity is not None and quantity != before.order.quantity else before.order.serials


def _found(connection: Connection, number: str) -> StoredOrder:
    one = customer_orders.read_stored_order(connection, number) if "\0" not in number else None
    if one is None:
        raise Rejected(f"there is no order '{number[:200]}'")
    return one


def _view(one: StoredOrder) -> OrderView:
    order, given = one.order, one.promise
    end_us = one.ended_us if one.ended_us is not None else None if given is None else given.planned_end_us
    return OrderView(
        id=one.id,
        number=order.number,
        customer=order.customer,
        product=order.product,
        quantity=order.quantity,
        due_us=order.due_us,
        release_us=order.release_us,
        priority=order.priority,
        received_us=order.received_us,
        note=order.note,
        state=one.state.value,
        source=one.source,
        done=one.done,
        started=one.started,
        ended_us=one.ended_us,
        planned_end_us=None if given is None else given.planned_end_us,
        late_us=None if end_us is None or order.due_us is None else end_us - order.due_us,
        ready_50_us=None if given is None else given.ready_50_us,
        ready_80_us=None if given is None else given.ready_80_us,
        ready_95_us=None if given is None else given.ready_95_us,
        due_probability=None if given is None else given.due_probability,
        calibrated_by=None if given is None else given.calibrated_by,
        plan=None if given is None else given.plan,
        problems=one.problems,
    )


def _part(one: StoredJobOrder) -> JobOrderView:
    job = one.job
    return JobOrderView(
        *(job.id, job.serial, job.product, job.alternatives, job.state.value),
        *(one.state_us, one.started_us, one.ended_us, one.reported, one.problem),
    )


def _written(told: WrittenOrders, *, written: bool) -> WrittenOrdersView:
    changes = tuple(OrderChangeView(one.number, dict(one.before), dict(one.after)) for one in told.changed)
    return WrittenOrdersView(told.added, changes, told.same, dict(told.refused or {}), written)


def _clean(word: str | None) -> str | None:
    return (word or "").replace("\0", "") or None
