"""New products: features in, a route out. The optimizer answers; here its questions are written and its answers read."""

from __future__ import annotations

from typing import Any

import numpy as np

from dashboard.context import Person
from dashboard.hub import Hub
from dashboard.services_people import require
from dashboard.views_new_products import FeatureView, NewProductDraft, NewProductView
from plant.clock import Clock
from plant.errors import Rejected, SettingsError
from plant.products import FeatureDefinition, FeatureKind, read_products
from storage import new_products, process_networks, products
from storage.audit import add_audit
from storage.database import Connection, Pool
from storage.new_products import NewProductRequest
from storage.people import Role, Scope
from storage.write_keys import write_once

OPTIMIZER = "optimizer"
NO_NETWORK = "there is no process network yet: import one with 'leadhand import'"


class NewProductService:
    """Each call reads the database in the calling thread. Raises Rejected for what is not there, Unavailable while it is away."""

    def __init__(self, pool: Pool, hub: Hub, clock: Clock) -> None:
        self._pool, self._hub, self._clock = pool, hub, clock

    def features(self) -> list[FeatureView]:
        """Return what is asked of a product, with what the products made so far have; empty without a network."""
        with self._pool.connection() as connection:
            features = process_networks.read_features(connection)
            table, _ = products.read_products(connection, features)
        found = []
        for feature in features:
            column = table.numbers.get(feature.name)
            low = high = None
            if column is not None and column.size:
                low, high = float(np.min(column)), float(np.max(column))
            words = tuple(sorted(set(table.categories.get(feature.name, ()))))
            found.append(FeatureView(feature.name, feature.unit, feature.kind.value, low, high, words))
        return found

    def families(self) -> list[str]:
        """Return the families of the products that are known."""
        with self._pool.connection() as connection:
            table, _ = products.read_products(connection, process_networks.read_features(connection))
        return sorted(set(table.families))

    def ask(self, who: Person, draft: NewProductDraft, key: str = "") -> int:
        """Ask for the route of a product and return the number of the request. For engineers, and tokens for it; it is audited."""
        require(who, Role.ENGINEER, Scope.ROUTES)
        now_us = self._clock.now_us()

        def write(connection: Connection) -> Any:
            features = process_networks.read_features(connection)
            if not features:
                raise Rejected(NO_NETWORK)
            number = new_products.ask_new_product(
                connection,
                product=draft.product,
                family=draft.family,
                features=checked_features(features, draft),
                time_us=now_us,
                asked_by=who.name,
            )
            add_audit(
                connection,
                time_us=now_us,
                actor=who.name,
                act="new_product.ask",
                subject=draft.product,
                next_={"request": number, "features": draft.features},
                address=who.address,
            )
            return {"id": number}

        body = draft.model_dump(mode="json")
        with self._pool.connection() as connection:
            made = write_once(connection, actor=who.name, key=key, act="new_product.ask", body=body, time_us=now_us, write=write)
        return int(made["id"])

    def request(self, number: int) -> NewProductView:
        """Return one request with its answer, where there is one."""
        with self._pool.connection() as connection:
            one = new_products.read_request(connection, number) if 0 < number < 2**62 else None
        if one is None:
            raise Rejected(f"there is no request {number}")
        return _view(one)

    def requests(self, *, design_change: int | None = None, before: int | None = None, most: int = 50) -> list[NewProductView]:
        """Return requests, the newest first."""
        with self._pool.connection() as connection:
            return [_view(one) for one in new_products.read_requests(connection, design_change=design_change, before=before, most=most)]

    def mark(self) -> str:
        """Return text that differs once a request came or was answered."""
        with self._pool.connection() as connection:
            return new_products.requests_mark(connection)

    def optimizer_runs(self) -> bool:
        """Return whether the process that answers is known to run."""
        return any(one.name == OPTIMIZER and one.state == "running" for one in self._hub.last_read().processes)


def checked_features(features: tuple[FeatureDefinition, ...], draft: NewProductDraft) -> dict[str, float | str]:
    """Return the features of a product as its network wants them. Raises SettingsError with a sentence for each that is wrong."""
    cells: dict[str, object] = {**draft.features, "product": draft.product, "family": draft.family or "-"}
    known = {feature.name for feature in features}
    told = [
        f"{name}: is no feature of the network; take it out, or name it in 'features' of the network"
        for name in draft.features
        if name not in known
    ]
    for feature in features:
        value = draft.features.get(feature.name)
        if feature.kind is FeatureKind.CATEGORY and isinstance(value, float):
            told.append(f"{feature.name}: write a text, not a number")
    table, wrong = read_products(features, [(1, cells)])
    told += [f"{one.column}: {one.reason}" for one in wrong]
    if told:
        raise SettingsError(told)
    return dict(table.at(0).features)


def _view(one: NewProductRequest) -> NewProductView:
    return NewProductView(
        id=one.id,
        time_us=one.time_us,
        asked_by=one.asked_by,
        product=one.product,
        family=one.family,
        features=dict(one.features),
        design_change=one.design_change,
        state=one.state,
        answered_us=one.answered_us,
        problem=one.problem,
        recommendation=one.recommendation,
        model_version=one.model_version,
        answer=one.answer,
    )
