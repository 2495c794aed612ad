"""``/api/v1/settings``: settings of the factory: what is in force, changes, their history."""

from __future__ import annotations

from fastapi import APIRouter

from dashboard.services import Services
from dashboard.table_route import TableRoute


def setting_routes(services: Services) -> APIRouter:
    """Return these routes."""
    return APIRouter(prefix="/api/v1/settings", tags=["settings"], route_class=TableRoute)
