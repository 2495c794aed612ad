"""What a plan is made from, as storage holds it: orders, network, routes that people approved, what was reported, locks, disturbances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from optimizer.knowledge import Knowledge
from optimizer.order_expectations import Expectation, expectations
from optimizer.plan_centres import SharedCentres, shared_centres
from plant.customer_orders import JobOrder, JobOrderState
from plant.planning_rules import PlanningRules
from plant.process_network import ProcessNetwork
from plant.recommendations import Answer, Stage
from plant.share_rules import ShareRules
from storage.customer_orders import orders_mark
from storage.database import Connection
from storage.disturbances import StoredDisturbance, read_disturbances
from storage.job_orders import ReportedStep, StoredJobOrder, read_job_orders, read_reported
from storage.operation_history import history_mark
from storage.plan_edits import EditState, StoredEdit, read_edits, read_locks
from storage.plan_senses import followed_mark
from storage.plans import PlanKind
from storage.process_networks import network_version, read_network
from storage.products import products_print, read_products
from storage.recommendations import read_recommendations

_OPEN: Final = (JobOrderState.WAITING, JobOrderState.STARTED)
_FOLLOWED: Final = (Stage.APPROVED, Stage.SENT, Stage.ACCEPTED, Stage.EXECUTED, Stage.MEASURED)
_LATEST_US: Final = 1 << 62
_RECENT: Final = 100
"""Disturbances that ended, the newest: one of them may have held up what is still under way."""


@dataclass(frozen=True, slots=True)
class World:
    """What a plan is made from."""

    network: ProcessNetwork
    jobs: tuple[StoredJobOrder, ...]
    """Those that are planned: open, the most urgent ones."""
    put_off: tuple[str, ...]
    """Job orders that are not planned yet, since more urgent ones are enough."""
    expected: Mapping[str, Expectation]
    """By product."""
    reported: tuple[ReportedStep, ...]
    locks: tuple[StoredEdit, ...]
    edits: tuple[StoredEdit, ...]
    """That wait, in the order of their coming."""
    disturbances: tuple[StoredDisturbance, ...]
    """That go on or ended lately, in the order of their coming."""
    centres: SharedCentres = field(default_factory=SharedCentres)
    """What is shared with other factories; ``jobs`` wait for their parts already."""


class WorldReader:
    """Reads what a plan is made from; what takes long is read anew only when it changed."""

    def __init__(self, rules: PlanningRules, share: ShareRules | None = None) -> None:
        self._rules, self._share = rules, share
        self._network: tuple[tuple[int, str, str], ProcessNetwork] | None = None
        self._expected: tuple[object, dict[str, Expectation]] | None = None

    def mark(self, connection: Connection, known: Knowledge | None) -> str:
        """Return text that differs once something came that may change the plan."""
        waiting = [one.id for one in read_edits(connection, states=[EditState.WAITING])]
        open_now = [(one.id, one.told.until_us) for one in read_disturbances(connection, only_open=True)]
        learned = "" if known is None else known.version
        shared = shared_centres(connection, self._share)
        centres = (sorted(shared.ready_us.items()), shared.closed)
        head = (centres, orders_mark(connection), waiting, open_now, learned, network_version(connection), products_print(connection))
        return str((*head, _routes_print(connection), history_mark(connection) if self._rules.settings.reports else 0))

    def read(self, connection: Connection, known: Knowledge | None, extra: Sequence[JobOrder] = ()) -> World | None:
        """Return what a plan is made from; None where no network was imported. ``extra``: job orders that are only thought of."""
        version = network_version(connection)
        if not version:
            return None
        routes = _routes_print(connection)
        key = (version, products_print(connection), routes)
        if self._network is None or self._network[0] != key:
            stored = read_network(connection)
            if stored is None:
                return None
            self._network = (key, stored.network)
        network = self._network[1]
        jobs = sorted(read_job_orders(connection, states=_OPEN), key=_urgency)
        most = self._rules.settings.most_jobs
        wanted = sorted({job.job.product for job in jobs[:most]} | {job.product for job in extra})
        names = [job.job.id for job in jobs[:most]]
        centres = shared_centres(connection, self._share)
        told = read_disturbances(connection, only_open=True, most=5000)
        ended = [one for one in read_disturbances(connection, most=_RECENT) if one.ended_us is not None]
        return World(
            network,
            tuple(replace(one, job=centres.held(one.job)) for one in jobs[:most]),
            tuple(job.job.id for job in jobs[most:]),
            self._expectations(connection, network, wanted, known, key),
            tuple(read_reported(connection, names)),
            tuple(read_locks(connection)),
            tuple(reversed(read_edits(connection, states=[EditState.WAITING], kind=PlanKind.LIVE, most=1000))),
            tuple(sorted([*told, *ended], key=lambda one: one.id)),
            centres,
        )

    def _expectations(
        self, connection: Connection, network: ProcessNetwork, wanted: Sequence[str], known: Knowledge | None, key: object
    ) -> Mapping[str, Expectation]:
        basis = (key, None if known is None else known.version, self._rules.settings)
        if self._expected is None or self._expected[0] != basis:
            self._expected = (basis, {})
        there = self._expected[1]
        missing = [name for name in wanted if name not in there]
        if missing:
            table, _ = read_products(connection, network.features)
            products = {name: table.product(name) for name in missing if name in table.positions}
            approved = {
                one.recommendation.product: one.recommendation.route
                for one in reversed(read_recommendations(connection, stages=_FOLLOWED, answer=Answer.RECOMMENDED, most=1000))
            }
            there.update(expectations(network, products, missing, known, approved, self._rules.settings))
        return there


def _urgency(job: StoredJobOrder) -> tuple[bool, int, int, int]:
    """What has begun is planned in any case; else what is due first, by priority where that is the same."""
    due = job.job.due_us if job.job.due_us is not None else _LATEST_US
    return (job.job.state is not JobOrderState.STARTED, due, -job.job.priority, job.id)


def _routes_print(connection: Connection) -> str:
    return followed_mark(connection, [stage.value for stage in _FOLLOWED])
