"""``/api/v1/andon``: what stations need, and since when."""

from __future__ import annotations

from fastapi import APIRouter

from dashboard.services import Services
from dashboard.table_route import TableRoute


def andon_routes(services: Services) -> APIRouter:
    """Return these routes."""
    return APIRouter(prefix="/api/v1/andon", tags=["andon"], route_class=TableRoute)
