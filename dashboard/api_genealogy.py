"""``/api/v1/genealogy``: what happened to a serial number, and where lots went."""

from __future__ import annotations

from fastapi import APIRouter

from dashboard.services import Services
from dashboard.table_route import TableRoute


def genealogy_routes(services: Services) -> APIRouter:
    """Return these routes."""
    return APIRouter(prefix="/api/v1/genealogy", tags=["genealogy"], route_class=TableRoute)
