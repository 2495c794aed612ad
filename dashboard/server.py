"""The dashboard's one server, built from parts handed in: FastAPI with Dash on it, behind the gate."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from dash.exceptions import CallbackException, DependencyException, PreventUpdate
from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from prometheus_client import CollectorRegistry
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard.api import history_routes, json_answer, plant_routes, source_routes
from dashboard.api_aggregates import aggregate_routes
from dashboard.api_alarms import alarm_routes, definition_routes, notice_routes
from dashboard.api_andon import andon_routes, board_routes
from dashboard.api_audit import audit_routes
from dashboard.api_changeovers import changeover_routes
from dashboard.api_charts import chart_routes
from dashboard.api_condition import condition_routes
from dashboard.api_controllers import controller_routes
from dashboard.api_deliveries import delivery_routes
from dashboard.api_design_changes import design_change_routes
from dashboard.api_events import event_routes
from dashboard.api_genealogy import genealogy_routes
from dashboard.api_joints import joint_routes
from dashboard.api_losses import oee_routes, state_routes
from dashboard.api_modes import mode_routes
from dashboard.api_nests import nest_routes
from dashboard.api_new_products import new_product_routes
from dashboard.api_orders import order_change_routes, order_routes
from dashboard.api_part_orders import part_order_routes
from dashboard.api_people import account_routes, person_routes, right_routes
from dashboard.api_plan import plan_news_routes, plan_routes
from dashboard.api_planning import planning_routes
from dashboard.api_recommendations import product_routes, recommendation_routes
from dashboard.api_reports import report_routes, table_routes
from dashboard.api_screens import screen_routes
from dashboard.api_settings import setting_change_routes, setting_routes
from dashboard.api_shares import share_routes
from dashboard.api_stock import stock_routes
from dashboard.api_tightening import tightening_routes
from dashboard.api_tuning import tuning_routes
from dashboard.api_vision import frame_routes, inspection_routes
from dashboard.api_windows import window_routes
from dashboard.bundle import Bundle
from dashboard.context import PageContext, Person, set_context
from dashboard.delivery_board import DeliveryBoard
from dashboard.gate import Gate, content_policy
from dashboard.hub import Hub
from dashboard.live import live_routes
from dashboard.login import Desk, Door, Throttle, login_routes
from dashboard.metrics import Answers, PlantCollector, ever, metric_routes
from dashboard.openapi import DescribedApi
from dashboard.page_app import PageApp
from dashboard.pages.andon import GUARD_HASH
from dashboard.plan_book import PlanBook
from dashboard.services import Services
from dashboard.services_aggregates import AggregateService
from dashboard.services_alarms import AlarmService
from dashboard.services_andon import AndonService
from dashboard.services_audit import AuditService
from dashboard.services_changeovers import ChangeoverService
from dashboard.services_charts import ChartService
from dashboard.services_condition import ConditionService
from dashboard.services_controllers import ControllerService
from dashboard.services_deliveries import DeliveryService
from dashboard.services_design_changes import DesignChangeService
from dashboard.services_events import EventService
from dashboard.services_genealogy import GenealogyService
from dashboard.services_health import HealthService
from dashboard.services_history import HistoryService
from dashboard.services_joints import JointService
from dashboard.services_losses import LossService
from dashboard.services_modes import ModeService
from dashboard.services_nests import NestService
from dashboard.services_new_products import NewProductService
from dashboard.services_orders import OrderService
from dashboard.services_part_orders import PartOrderService
from dashboard.services_people import PeopleService
from dashboard.services_planning import PlanningService
from dashboard.services_plant import PlantService
from dashboard.services_recommendations import RecommendationService
from dashboard.services_reports import ReportService
from dashboard.services_schedule import ScheduleService
from dashboard.services_screens import ScreenService
from dashboard.services_settings import SettingsService
from dashboard.services_shares import ShareService
from dashboard.services_sources import SourceService
from dashboard.services_stock import StockService
from dashboard.services_tightening import TighteningService
from dashboard.services_tour import TourService
from dashboard.services_tuning import TuningService
from dashboard.services_vision import VisionService
from dashboard.services_windows import WindowService
from dashboard.sessions import Sessions
from dashboard.views import SiteView
from plant.clock import Clock
from plant.errors import Rejected, SettingsError, Unavailable
from storage.database import Pool
from storage.people import Role, SessionRules

if TYPE_CHECKING:
    from dashboard.oidc import Provider

_log = structlog.get_logger("dashboard")


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What the server is told when it is built."""

    database_url: str
    home: Path
    site_file: Path
    hosts: frozenset[str] | None
    """Names the server answers to, None for any."""
    secure: bool
    """Whether people reach it by https: cookies are then sent over https only."""
    rules: SessionRules
    public_url: str | None = None
    provider: Provider | None = None
    """Whom people may log in by, beside local accounts."""


@dataclass(frozen=True, slots=True)
class Server:
    """The built server: ``asgi`` is what uvicorn serves; ``hub`` is stopped when the process ends."""

    asgi: ASGIApp
    api: FastAPI
    pages: PageApp
    hub: Hub
    services: Services


def build_server(
    settings: ServerSettings, clock: Clock, site: Callable[[], SiteView], register_pages: Callable[[PageApp, Services], None]
) -> Server:
    """Return the server. ``register_pages`` gives the Dash app its layout, pages and callbacks."""
    pool = Pool(settings.database_url, 6, "leadhand dashboard", statement_seconds=30)
    hub = Hub(settings.database_url, clock)
    sessions = Sessions(pool, clock, settings.rules)
    plant, book = PlantService(hub, site), PlanBook(pool)
    losses = LossService(pool, clock, settings.site_file)
    services = Services(
        plant=plant,
        history=HistoryService(pool, hub),
        sources=SourceService(pool, hub, clock, site_file=settings.site_file, home=settings.home),
        health=HealthService(hub),
        people=PeopleService(pool, clock, sessions),
        tightening=TighteningService(pool),
        events=EventService(pool),
        alarms=AlarmService(pool, hub, clock, settings.site_file),
        losses=losses,
        charts=ChartService(pool, clock),
        aggregates=AggregateService(pool),
        condition=ConditionService(pool, plant, clock),
        vision=VisionService(pool, clock, settings.site_file, settings.home),
        joints=JointService(pool, clock, settings.site_file),
        recommendations=RecommendationService(pool, clock),
        new_products=NewProductService(pool, hub, clock),
        design_changes=DesignChangeService(pool, clock, settings.site_file),
        tuning=TuningService(pool, clock),
        orders=OrderService(pool, clock),
        schedule=ScheduleService(pool, hub, clock, book),
        planning=PlanningService(pool, clock, book),
        changeovers=ChangeoverService(pool, clock, book),
        windows=WindowService(pool, clock),
        audit=AuditService(pool, clock, settings.home),
        deliveries=DeliveryService(pool, clock),
        modes=ModeService(pool, clock, settings.site_file),
        part_orders=PartOrderService(pool, clock),
        stock=StockService(pool, clock),
        nests=NestService(pool, clock),
        shares=ShareService(pool),
        andon=AndonService(pool, hub, clock, losses.site),
        screens=ScreenService(pool, clock, sessions.forget_all),
        genealogy=GenealogyService(pool, clock, settings.site_file),
        reports=ReportService(pool, clock, settings.site_file),
        settings=SettingsService(pool, clock, settings.site_file, settings.home),
        tour=TourService(pool, clock, settings.home),
        hub=hub,
    )
    controllers = ControllerService(pool, clock)
    board = DeliveryBoard(settings.database_url, controllers, clock)
    registry = CollectorRegistry()
    answers = Answers(registry)
    registry.register(PlantCollector(hub, ever(pool), clock))

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await _warm_up(app, site())
        policy.append(content_policy([*pages.csp_hashes(), GUARD_HASH]))
        reader = threading.Thread(target=hub.read_forever, name="hub", daemon=True)
        reader.start()
        tasks = [asyncio.create_task(hub.publish_forever()), asyncio.create_task(board.end_when(lambda: hub.stopping))]
        board.start()
        try:
            yield
        finally:
            hub.stop()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.to_thread(board.stop)
            await asyncio.to_thread(reader.join, 5.0)
            pool.close()

    policy = [content_policy(())]
    api = DescribedApi(
        title="Leadhand",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
        redirect_slashes=False,
    )
    _say_errors(api)
    bundle = Bundle()
    for routes in (
        plant_routes(services),
        history_routes(services),
        source_routes(services),
        tightening_routes(services),
        event_routes(services),
        chart_routes(services),
        aggregate_routes(services),
        state_routes(services),
        oee_routes(services),
        definition_routes(services),
        alarm_routes(services),
        condition_routes(services),
        inspection_routes(services),
        joint_routes(services),
        recommendation_routes(services),
        product_routes(services),
        new_product_routes(services),
        design_change_routes(services),
        tuning_routes(services),
        order_routes(services),
        order_change_routes(services),
        plan_routes(services),
        plan_news_routes(services),
        planning_routes(services),
        changeover_routes(services),
        window_routes(services),
        mode_routes(services),
        part_order_routes(services),
        stock_routes(services),
        nest_routes(services),
        share_routes(services),
        delivery_routes(services),
        controller_routes(controllers, board, sessions, clock),
        frame_routes(services),
        notice_routes(services),
        person_routes(services),
        account_routes(services),
        right_routes(services),
        audit_routes(services),
        andon_routes(services),
        board_routes(services),
        screen_routes(services, secure=settings.secure),
        genealogy_routes(services),
        report_routes(services),
        table_routes(services),
        setting_routes(services),
        setting_change_routes(services),
        live_routes(hub, sessions, clock),
        metric_routes(hub, registry),
        bundle.routes(),
        *_doors(settings, pool, sessions, clock),
    ):
        api.include_router(routes)
    api.add_middleware(_FailuresSaid)  # added before Dash's own, so that it stands inside of it
    pages = PageApp(api, bundle)
    register_pages(pages, services)
    api.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=_COMPRESSION)
    gate = Gate(api, sessions, site, policy=lambda: policy[-1], hosts=settings.hosts, secure=settings.secure, count=answers.count)
    return Server(gate, api, pages, hub, services)


def _doors(settings: ServerSettings, pool: Pool, sessions: Sessions, clock: Clock) -> list[APIRouter]:
    """Return the routes of logging in."""
    desk = Desk(pool, sessions, clock)
    door = Door(desk, Throttle(clock), sessions, settings.secure, settings.provider, settings.public_url)
    if settings.provider is None:
        return [login_routes(door)]
    from dashboard.login_oidc import oidc_routes  # with Authlib, which costs memory that only who has a provider should pay

    return [login_routes(door), oidc_routes(door, settings.provider)]


_COMPRESSION = 5
"""Of gzip: 9, its default, takes twice the time for a fiftieth less."""


class _FailuresSaid:
    """Writes unexpected errors to the log: Dash's middleware answers 500 without a word."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except PreventUpdate:
            raise
        except Exception:
            _log.exception("a request failed", method=scope.get("method"), path=scope.get("path"))
            raise


async def _warm_up(app: ASGIApp, site: SiteView) -> None:
    """Ask for the first page once, inside the process.

    Dash 4.4.1 completes its index (scripts, inline callbacks) only when it answers ``GET /``; a deep link asked first got a broken page.
    """
    set_context(PageContext(Person("", "", Role.VIEWER), "en", "light", site.time_zone, site.name, "/"))
    status: list[int] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            status.append(message["status"])

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/",
        "raw_path": b"/",
    }
    await app(
        {**scope, "query_string": b"", "root_path": "", "headers": [], "server": ("leadhand", 80), "client": ("leadhand", 0)}, receive, send
    )
    if status != [200]:
        raise RuntimeError(f"the first page could not be made: status {status}")


def _say_errors(api: FastAPI) -> None:
    """Turn the errors of the house into answers that a person or program can act on."""

    async def unavailable(_request: Request, error: Exception) -> Response:
        return json_answer({"error": _words(str(error))}, 503)

    async def rejected(_request: Request, error: Exception) -> Response:
        return json_answer({"error": _words(str(error))}, 409)

    async def forbidden(_request: Request, error: Exception) -> Response:
        return json_answer({"error": _words(str(error))}, 403)

    async def wrong_settings(_request: Request, error: Exception) -> Response:
        return json_answer({"error": _words(str(error)), "problems": [_words(p) for p in getattr(error, "problems", [])]}, 422)

    async def wrong_request(_request: Request, error: Exception) -> Response:
        found = error.errors() if isinstance(error, RequestValidationError) else []
        problems = [_words(f"{'.'.join(str(step) for step in e['loc'])}: {str(e['msg']).removeprefix('Value error, ')}") for e in found]
        return json_answer({"error": "; ".join(problems), "problems": problems}, 422)

    async def no_file(_request: Request, _error: Exception) -> Response:
        return json_answer({"error": "there is nothing here"}, 404)

    async def no_request(_request: Request, error: Exception) -> Response:
        return json_answer({"error": _words(str(getattr(error, "detail", error)))}, getattr(error, "status_code", 400))

    async def other_page(_request: Request, _error: Exception) -> Response:
        return json_answer({"error": "this page is of another version of the server: load it again"}, 400)

    for kind, answer in (
        (DependencyException, no_file),
        (CallbackException, other_page),
        (Unavailable, unavailable),
        (Rejected, rejected),
        (PermissionError, forbidden),
        (SettingsError, wrong_settings),
        (RequestValidationError, wrong_request),
        (HTTPException, no_request),
    ):
        api.add_exception_handler(kind, answer)


def _words(text: str) -> str:
    """Return text as it can be sent: halves of characters, which JSON may smuggle in, become question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")
