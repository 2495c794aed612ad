"""A running dashboard, as the tests of the dashboard lend it."""

from tests.dashboard.conftest import dashboard

__all__ = ["dashboard"]
