"""What somebody asks 'what if' of: a breakdown, a rush order, another priority; read from the fields of the page."""

from __future__ import annotations

from collections.abc import Mapping

from dashboard.views_orders import OrderDraft
from dashboard.views_plan import DisturbanceDraft, PriorityDraft, WhatIfDraft
from plant.customer_orders import MOST_PRIORITY, read_orders
from plant.errors import SettingsError

FIELDS = ("name", "unit", "minutes", "number", "product", "quantity", "due", "order", "priority")
_MINUTE_US = 60_000_000
_MOST_MINUTES = 60 * 24 * 60


def what_if_draft(cells: Mapping[str, str | None], zone: str, now_us: int) -> WhatIfDraft:
    """Return what the fields ask. Raises SettingsError with a sentence for each that is wrong."""
    given = {name: str(value).strip() for name, value in cells.items() if value not in {None, ""}}
    wrong = [] if given.get("name") else ["name: give the what-if a name"]
    stops: tuple[DisturbanceDraft, ...] = ()
    if "unit" in given or "minutes" in given:
        minutes = given.get("minutes", "")
        if not (minutes.isascii() and minutes.isdigit() and 0 < int(minutes) <= _MOST_MINUTES):
            wrong.append("minutes: write how many minutes the unit stands still, as 90")
        elif "unit" not in given:
            wrong.append("unit: choose which unit stands still")
        else:
            until_us = now_us + int(minutes) * _MINUTE_US
            stops = (DisturbanceDraft(kind="breakdown", subject=given["unit"], from_us=now_us, until_us=until_us),)
    orders: tuple[OrderDraft, ...] = ()
    if any(name in given for name in ("number", "product", "quantity", "due")):
        row = {"order": given.get("number"), "product": given.get("product"), "quantity": given.get("quantity"), "due": given.get("due")}
        read, problems = read_orders([(1, {**row, "priority": MOST_PRIORITY})], received_us=now_us, zone=zone)
        wrong += [f"{one.column}: {one.reason}" for one in problems]
        orders = tuple(
            OrderDraft(number=one.number, product=one.product, quantity=one.quantity, due_us=one.due_us, priority=one.priority)
            for one in read
        )
    priorities: tuple[PriorityDraft, ...] = ()
    if "order" in given or "priority" in given:
        priority = given.get("priority", "")
        if "order" not in given or not (priority.isascii() and priority.isdigit() and 1 <= int(priority) <= MOST_PRIORITY):
            wrong.append("priority: write the number of an order, and a priority from 1 to 9")
        else:
            priorities = (PriorityDraft(order=given["order"], priority=int(priority)),)
    if not (stops or orders or priorities or wrong):
        wrong.append("say what is otherwise: a breakdown, a rush order, or another priority")
    if wrong:
        raise SettingsError(wrong)
    return WhatIfDraft(name=given["name"], disturbances=stops, orders=orders, priorities=priorities)
