"""``/api/v1/reports``: reports of shifts, and every table as a file."""

from __future__ import annotations

from fastapi import APIRouter

from dashboard.services import Services
from dashboard.table_route import TableRoute


def report_routes(services: Services) -> APIRouter:
    """Return these routes."""
    return APIRouter(prefix="/api/v1/reports", tags=["reports"], route_class=TableRoute)
