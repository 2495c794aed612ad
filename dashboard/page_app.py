"""The Dash application that pages register with: each callback declares the role it needs and runs in a worker thread."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import anyio.to_thread
import dash
from fastapi import FastAPI

from dashboard.bundle import ASSETS, Bundle
from dashboard.context import current_context
from storage.people import Role


@dataclass(frozen=True, slots=True)
class DeclaredCallback:
    """One callback of a page: its output as the browser names it, and the role it needs."""

    output: str
    role: Role


class PageApp(dash.Dash):
    """Dash on our FastAPI server. Use ``@app.callback(..., role=Role.ENGINEER)``; without ``role`` a viewer may.

    Dash itself would run a plain function on the event loop, where one slow query stops all pages and streams.
    """

    def __init__(self, server: FastAPI, bundle: Bundle) -> None:
        super().__init__(
            "dashboard",
            server=server,  # type: ignore[arg-type]  # Dash takes FastAPI but does not say so
            assets_folder=str(ASSETS),
            use_pages=False,
            serve_locally=True,
            suppress_callback_exceptions=True,
            enable_mcp=False,
            websocket_callbacks=False,
            add_log_handler=False,
            update_title="",
            title="Leadhand",
        )
        self.bundle = bundle
        self.declared: list[DeclaredCallback] = []

    def callback(self, *dependencies: Any, role: Role = Role.VIEWER, **options: Any) -> Callable[[Callable[..., Any]], Any]:
        """Return a decorator that registers a callback for those who may do what ``role`` may; others get a 403."""
        before = set(self.callback_map)
        register = super().callback(*dependencies, **options)
        self.declared += [DeclaredCallback(output, role) for output in self.callback_map if output not in before]

        def declare(function: Callable[..., Any]) -> Any:
            return register(_guarded(function, role))

        return declare

    def clientside(self, *arguments: Any, **options: Any) -> None:
        """Register a callback that runs in the browser."""
        self.clientside_callback(*arguments, **options)  # type: ignore[no-untyped-call]


def _guarded(function: Callable[..., Any], role: Role) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(function)
    async def run(*args: Any, **kwargs: Any) -> Any:
        if not current_context().person.may(role):
            raise PermissionError(f"this needs the role '{role.value}'")
        if inspect.iscoroutinefunction(function):
            return await function(*args, **kwargs)
        return await anyio.to_thread.run_sync(functools.partial(function, *args, **kwargs))

    return run
