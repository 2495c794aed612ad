"""The one service layer: what pages and REST both call. All calls block, so they run in worker threads; none keeps state of its own.

Raises only Unavailable (the database or a server is away), Rejected (refused for good) and SettingsError (a draft is wrong).
"""

from __future__ import annotations

from dataclasses import dataclass

from dashboard.hub import Hub
from dashboard.services_aggregates import AggregateService
from dashboard.services_alarms import AlarmService
from dashboard.services_andon import AndonService
from dashboard.services_audit import AuditService
from dashboard.services_changeovers import ChangeoverService
from dashboard.services_charts import ChartService
from dashboard.services_condition import ConditionService
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


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a page or a route may ask for."""

    plant: PlantService
    """The hierarchy, its signals, their newest values and states: from the hub's last read, no database call."""
    history: HistoryService
    """Windows, texts, ledger and gaps over a span of time."""
    sources: SourceService
    """Sources: how they do, discover, check, save, delete."""
    health: HealthService
    """Processes and the database."""
    people: PeopleService
    """Accounts, tokens and the audit."""
    tightening: TighteningService
    """Results of tightening tools and their curves."""
    events: EventService
    """What controllers tell by themselves, and how their conditions stand."""
    alarms: AlarmService
    """Alarms: lists, the journal, actions, figures, and who was told."""
    losses: LossService
    """States of equipment, where time went, OEE."""
    charts: ChartService
    """Control charts and capability."""
    aggregates: AggregateService
    """Historian aggregates."""
    condition: ConditionService
    """What is not as usual, tools, energy of parts."""
    vision: VisionService
    """Inspections, pictures, the review queue."""
    joints: JointService
    """Joints: flanges, records, decisions."""
    recommendations: RecommendationService
    """Proposed routes, approvals, what they brought; products and routes."""
    new_products: NewProductService
    """Features in, a route out."""
    design_changes: DesignChangeService
    """New versions of products, and who has acknowledged them."""
    tuning: TuningService
    """Parameters near the accepted recipe: proposals, trials, roll-backs."""
    orders: OrderService
    """Customer orders and what was promised of them."""
    schedule: ScheduleService
    """The plan, its versions, why operations are where they are."""
    planning: PlanningService
    """What people and programs ask of the plan."""
    changeovers: ChangeoverService
    """Changeover sets, and what each work unit is switched to next."""
    windows: WindowService
    """Process windows, their versions, drafts."""
    audit: AuditService
    """The audit trail: searched and checked."""
    deliveries: DeliveryService
    """Messages to line controllers: what waits for somebody, what became of each."""
    modes: ModeService
    """How much is delivered to each work unit, and how its controller does."""
    part_orders: PartOrderService
    """Part orders of the factories that the shared centres serve."""
    stock: StockService
    """Sheets and remnants."""
    nests: NestService
    """What is cut from what."""
    shares: ShareService
    """Who gets which hours of the shared centres."""
    andon: AndonService
    """What stations need, and since when."""
    screens: ScreenService
    """Screens on the wall."""
    genealogy: GenealogyService
    """What happened to a serial number, and where lots went."""
    reports: ReportService
    """Reports of shifts, and every table as a file."""
    settings: SettingsService
    """Settings of the factory: what is in force, changes, their history."""
    tour: TourService
    """The story of the demo, as far as it has come."""
    hub: Hub
    """The shared read each second."""
