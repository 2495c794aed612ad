"""The pages there are: address, title, group, who sees it in the navigation, how it is drawn and what its callbacks are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Final

from dash.development.base_component import Component

from dashboard.context import PageContext
from dashboard.pages import (
    account,
    alarms,
    andon,
    audit,
    capacity,
    carried,
    changeovers,
    condition,
    control_charts,
    deliveries,
    design_changes,
    equipment,
    genealogy,
    health,
    joints,
    ledger,
    losses,
    modes,
    nests,
    new_products,
    orders,
    overview,
    part_orders,
    people,
    recommendations,
    reports,
    review,
    schedule,
    settings,
    sources,
    stock,
    tightening,
    tour,
    tuning,
    waits,
    welds,
    windows,
)
from dashboard.services import Services
from storage.people import Role

Layout = Callable[[PageContext, Services], Component]


@dataclass(frozen=True, slots=True)
class Entry:
    """A page with an address of its own, as it stands in the navigation."""

    address: str
    icon: str
    title: str
    """English; the key of its translation."""
    layout: Layout
    role: Role = Role.VIEWER
    """Who finds it in the navigation. What may be done there is guarded where it is done."""


@dataclass(frozen=True, slots=True)
class Group:
    """Pages that belong together."""

    title: str
    entries: tuple[Entry, ...]


GROUPS: Final = (
    Group(
        "Shop floor",
        (
            Entry("/", "layout-dashboard", "Plant overview", overview.layout),
            Entry("/andon", "device-tv", "Andon board", andon.layout),
            Entry("/alarms", "alert-triangle", "Alarms", alarms.layout),
            Entry("/losses", "chart-bar", "OEE and losses", losses.layout),
            Entry("/condition", "stethoscope", "Equipment condition", condition.layout),
        ),
    ),
    Group(
        "Quality",
        (
            Entry("/tightening", "tool", "Tightening", tightening.layout),
            Entry("/joints", "hexagons", "Joints", joints.layout),
            Entry("/welds", "flame", "Welds", welds.layout),
            Entry("/review", "eye-check", "Review", review.layout),
            Entry("/charts", "chart-line", "Control charts", control_charts.layout),
            Entry("/genealogy", "hierarchy-2", "Genealogy", genealogy.layout),
        ),
    ),
    Group(
        "Plan",
        (
            Entry("/schedule", "schedule", "Schedule", schedule.layout),
            Entry("/orders", "clipboard-list", "Customer orders", orders.layout),
            Entry("/changeovers", "arrows-exchange", "Changeovers", changeovers.layout),
        ),
    ),
    Group(
        "Shared centres",
        (
            Entry("/part-orders", "puzzle", "Part orders", part_orders.layout),
            Entry("/capacity", "chart-pie", "Capacity", capacity.layout),
            Entry("/nests", "layout-collage", "Nests", nests.layout),
            Entry("/stock", "stack-2", "Stock", stock.layout),
        ),
    ),
    Group(
        "Improve",
        (
            Entry("/recommendations", "route", "Recommendations", recommendations.layout),
            Entry("/new-product", "cube-plus", "New product", new_products.layout),
            Entry("/tuning", "adjustments-horizontal", "Tuning", tuning.layout),
            Entry("/design-changes", "versions", "Design changes", design_changes.layout),
        ),
    ),
    Group(
        "Deliver",
        (
            Entry("/deliveries", "send", "Deliveries", deliveries.layout),
            Entry("/modes", "lock-open", "Delivery modes", modes.layout),
            Entry("/windows", "gauge", "Process windows", windows.layout),
        ),
    ),
    Group(
        "Records and system",
        (
            Entry("/reports", "file-analytics", "Reports and exports", reports.layout),
            Entry("/ledger", "list-check", "Ledger", ledger.layout),
            Entry("/sources", "plug-connected", "Sources", sources.layout),
            Entry("/health", "heartbeat", "System health", health.layout),
            Entry("/settings", "settings", "Settings", settings.layout, Role.ENGINEER),
            Entry("/people", "users", "People and tokens", people.layout, Role.ADMIN),
            Entry("/audit", "history", "Audit trail", audit.layout, Role.ADMIN),
        ),
    ),
)
ENTRIES: Final = {entry.address: entry for group in GROUPS for entry in group.entries}
TOUR: Final = Entry("/tour", "player-play", "Tour", tour.layout)
"""Stands first in the navigation while the demo runs."""
MODULES: Final[tuple[ModuleType, ...]] = (
    overview,
    andon,
    equipment,
    genealogy,
    reports,
    settings,
    tour,
    sources,
    ledger,
    health,
    account,
    people,
    tightening,
    joints,
    alarms,
    condition,
    losses,
    control_charts,
    welds,
    review,
    recommendations,
    new_products,
    design_changes,
    tuning,
    schedule,
    orders,
    part_orders,
    capacity,
    nests,
    stock,
    changeovers,
    deliveries,
    carried,
    waits,
    modes,
    windows,
    audit,
)
"""Each has ``register(app, services)``."""
