"""What the optimizer knows at a time: a factory learned from what storage holds, and what that was."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Final, TypeAlias

from optimizer.advice import Adviser, adviser
from optimizer.model_files import predictor_bytes, predictor_of
from optimizer.predicting import Predictor
from plant.clock import Clock
from plant.errors import Rejected
from plant.optimizer_rules import OptimizerPlan
from plant.process_network import ProcessNetwork
from plant.products import ProductTable
from storage.database import Connection, snapshot
from storage.operation_history import history_mark, read_history
from storage.optimizer_predictor import StoredPredictor, read_predictor, write_predictor
from storage.process_networks import network_version, read_network
from storage.process_windows import read_windows, windows_version
from storage.products import products_print, read_products

Tell: TypeAlias = Callable[[float, str], None]
"""Told how far it is (0 to 1) and at what."""
_NO_NETWORK: Final = "no process network was imported yet: leadhand import network network.json"


@dataclass(frozen=True, slots=True)
class Basis:
    """What can be learned from, as it stands: compared with what it was, it tells whether to learn anew."""

    network: int
    windows: int
    products: str
    """A print of all products with their features."""
    mark: int
    """Of the newest row of the history."""


@dataclass(frozen=True, slots=True)
class Knowledge:
    """A factory that was learned."""

    adviser: Adviser
    basis: Basis
    products: ProductTable
    rows: int
    first_us: int
    last_us: int
    learned_us: int
    cpu_seconds: float
    settings: OptimizerPlan
    lacking: tuple[str, ...] = ()
    """Products that are left out since they lack a feature that the network names."""

    @property
    def network(self) -> ProcessNetwork:
        """How the factory can make its products, with the prices that hold."""
        return self.adviser.known.graph.network

    @property
    def version(self) -> str:
        """Of the predictor."""
        return self.adviser.predictor.version

    @property
    def kept(self) -> Kept:
        """What is kept of it."""
        return Kept(self.adviser.predictor, self.basis, self.rows, _shape(self.network, self.settings))


@dataclass(frozen=True, slots=True)
class Kept:
    """A predictor and what it was learned from: what takes long to learn."""

    predictor: Predictor
    basis: Basis
    rows: int
    shape: str
    """Of features and operations of the network, and the seed: it predicts for these alone."""


def keep(connection: Connection, known: Knowledge, now_us: int) -> None:
    """Store what takes long to learn, for the next optimizer."""
    kept = known.kept
    told = {**asdict(kept.basis), "rows": kept.rows}
    write_predictor(connection, StoredPredictor(known.version, now_us, kept.shape, told, predictor_bytes(kept.predictor)))


def read_kept(connection: Connection) -> Kept | None:
    """Return what was stored last; None where there is none, or another version of Leadhand wrote it."""
    stored = read_predictor(connection)
    if stored is None:
        return None
    told = dict(stored.basis)
    try:
        rows = int(told.pop("rows"))
        return Kept(predictor_of(stored.content), Basis(**told), rows, stored.shape)
    except (Rejected, KeyError, TypeError, ValueError):
        return None


def basis_of(connection: Connection) -> Basis:
    """Return what can be learned from as it stands now."""
    return Basis(network_version(connection), windows_version(connection), products_print(connection), history_mark(connection))


def learn(
    connection: Connection, plan: OptimizerPlan, clock: Clock, tell: Tell, before: Kept | None = None, *, much: bool = False
) -> Knowledge:
    """Return what storage holds, learned. Raises Rejected, with a sentence for people, where that is not enough.

    ``before``: where only rules, prices, routes or windows changed since, its predictor is kept; ``much``: also where much history came.
    """
    cpu = time.thread_time()
    tell(0.0, "reading")
    with snapshot(connection):
        basis = basis_of(connection)
        stored = read_network(connection)
        if stored is None:
            raise Rejected(_NO_NETWORK)
        products, lacking = read_products(connection, stored.network.features)
        windows = read_windows(connection)
        history, _ = read_history(connection, after=max(0, basis.mark - plan.settings.most_rows), until=basis.mark)
    if len(history) < plan.settings.least_rows:
        raise Rejected(f"{len(history):,} operations are in the history; {plan.settings.least_rows:,} are needed to learn from")
    if not len(products):
        raise Rejected("no product was imported yet: leadhand import products products.csv")
    tell(0.2, "learning")
    network = replace(stored.network, cost=plan.settings.weights(stored.network.cost))
    kept = before if before is not None and _predicts_alike(before, basis, network, plan, much=much) else None
    predictor = None if kept is None else kept.predictor
    learned = adviser(network, products, history, windows, seed=plan.settings.seed, predictor=predictor)
    tell(1.0, "learned")
    if kept is not None:
        basis = replace(basis, mark=kept.basis.mark)
    return Knowledge(
        learned,
        basis,
        products,
        len(history) if kept is None else kept.rows,
        int(history.started_us.min()),
        int(history.started_us.max()),
        clock.now_us(),
        time.thread_time() - cpu,
        plan,
        lacking,
    )


def _predicts_alike(before: Kept, basis: Basis, network: ProcessNetwork, plan: OptimizerPlan, *, much: bool) -> bool:
    same = (before.shape, before.basis.products) == (_shape(network, plan), basis.products)
    fresh = basis.mark - before.basis.mark
    return same and fresh >= 0 and (much or fresh < before.rows * plan.settings.train_share_percent / 100)


def _shape(network: ProcessNetwork, plan: OptimizerPlan) -> str:
    told = repr((network.features, network.operations, plan.settings.seed, plan.settings.most_rows))
    return hashlib.sha256(told.encode()).hexdigest()


def with_predictor(before: Adviser, predictor: Predictor) -> Adviser:
    """Return the same with machines at other levels."""
    return replace(before, predictor=predictor, drawn=replace(before.drawn, predictor=predictor))
