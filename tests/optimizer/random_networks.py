"""Random networks of operations, and all their routes by plain enumeration."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from plant.process_network import Alternative, AnyOrder, Node, OneOf, Operation, ProcessNetwork, Rule, Sequence, Step, Tie


def random_network(seed: int, operations: int = 6, most_alternatives: int = 3, tied: int = 0) -> ProcessNetwork:
    """Return a network with nested AND and OR, each operation in it once."""
    rng = np.random.default_rng(seed)
    made = tuple(
        Operation(
            f"o{at}",
            "welding",
            tuple(
                Alternative(f"o{at}-a{k}", f"o{at}", f"u{int(rng.integers(5))}") for k in range(int(rng.integers(1, most_alternatives + 1)))
            ),
        )
        for at in range(operations)
    )
    names = [alternative.id for operation in made for alternative in operation.alternatives]
    root = _tree(rng, [operation.id for operation in made])
    rules: list[Rule] = []
    for number in range(tied):
        chosen, *others = (names[at] for at in rng.choice(len(names), min(len(names), 1 + int(rng.integers(1, 4))), replace=False))
        tie = {"needs": frozenset(others)} if rng.random() < 0.5 else {"excludes": frozenset(others)}
        rules.append(Tie(f"t{number}", "tied", chosen, **tie))
    return ProcessNetwork("random", (), made, root, tuple(rules))


def all_routes(network: ProcessNetwork) -> list[tuple[int, ...]]:
    """Return each route that keeps the ties, as positions."""
    return [route for route in _routes(network, network.root) if all(_keeps(network, rule, route) for rule in network.rules)]


def _tree(rng: np.random.Generator, operations: list[str]) -> Node:
    if len(operations) == 1:
        return Step(operations[0])
    cuts = np.sort(rng.choice(np.arange(1, len(operations)), min(len(operations) - 1, int(rng.integers(1, 3))), replace=False))
    nodes = tuple(_tree(rng, [str(name) for name in part]) for part in np.split(np.array(operations), cuts))
    return (Sequence, AnyOrder, OneOf)[int(rng.integers(3))](nodes)


def _routes(network: ProcessNetwork, node: Node) -> Iterator[tuple[int, ...]]:
    if isinstance(node, Step):
        yield from ((network.positions[one.id],) for one in network.operation(node.operation).alternatives)
    elif isinstance(node, OneOf):
        for child in node.nodes:
            yield from _routes(network, child)
    else:
        for parts in itertools.product(*(list(_routes(network, child)) for child in node.nodes)):
            yield tuple(itertools.chain.from_iterable(parts))


def _keeps(network: ProcessNetwork, rule: Rule, route: tuple[int, ...]) -> bool:
    chosen = {network.alternatives[at].id for at in route}
    if not isinstance(rule, Tie) or rule.if_chosen not in chosen:
        return True
    return (not rule.needs or bool(rule.needs & chosen)) and not rule.excludes & chosen
