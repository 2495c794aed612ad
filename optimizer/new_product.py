"""A product never made before, in one call: features in; route, programs, parameters, expected time and yield, what to watch out."""

from __future__ import annotations

from collections.abc import Mapping

from optimizer.advice import Adviser, Circumstances, advise
from plant.errors import SettingsError
from plant.process_network import ProcessNetwork
from plant.products import FAMILY_COLUMN, ID_COLUMN, ProductTable, read_products
from plant.recommendations import Recommendation

DEFAULT_NAME = "new product"


def described(network: ProcessNetwork, features: Mapping[str, object], name: str = DEFAULT_NAME, family: str = "new") -> ProductTable:
    """Return a product as a table of one row. Raises SettingsError that names each feature that is missing, unknown or no number."""
    known = {feature.name for feature in network.features}
    problems = [
        f"feature '{given}': the network has none of that name; it has {', '.join(sorted(known))}"
        for given in features
        if given not in known
    ]
    table, found = read_products(network.features, [(1, {**features, ID_COLUMN: name, FAMILY_COLUMN: family})])
    problems += [f"feature '{one.column}': {one.reason}" for one in found]
    if problems:
        raise SettingsError(problems)
    return table


def plan_new_product(
    adviser: Adviser, features: Mapping[str, object], asked: Circumstances, *, name: str = DEFAULT_NAME, family: str = "new"
) -> Recommendation:
    """Return how to make a product of these features; a recommendation with its steps, or what is missing to make one."""
    return next(advise(adviser, described(adviser.known.graph.network, features, name, family), asked))
