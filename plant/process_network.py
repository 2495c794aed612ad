"""How products can be made: operations with their alternatives, the AND/OR network that orders them, and the routes in use.

An alternative is one way to do one operation: a work unit with a program, a tool and parameters (ISA-95 names). A route chooses one
alternative for each operation of one way through the network. ``plant/network_file.py`` reads all this from JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from plant.products import FeatureDefinition
from plant.route_costs import CostWeights


@dataclass(frozen=True, slots=True)
class Alternative:
    """One way to do one operation."""

    id: str
    """There is one of this id in the whole factory."""
    operation: str
    work_unit: str
    program: str = ""
    tool: str = ""
    parameters: Mapping[str, float] = field(default_factory=dict)
    fixed_cost: float = 0.0
    since_us: int | None = None
    """When it came into being; None where that is not told."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One step of the work."""

    id: str
    stage: str
    """cutting, forming, welding, machining, painting, assembly, or what the factory calls it."""
    alternatives: tuple[Alternative, ...]
    name: str = ""
    increases_with: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By measure (``duration_min``): features with which it can only grow, by the physics of it."""


@dataclass(frozen=True, slots=True)
class Step:
    """One operation."""

    operation: str


@dataclass(frozen=True, slots=True)
class Sequence:
    """All, in this order."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class AnyOrder:
    """All, in any order, one at a time."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of them."""

    nodes: tuple[Node, ...]


Node: TypeAlias = Step | Sequence | AnyOrder | OneOf


@dataclass(frozen=True, slots=True)
class Condition:
    """What a product must be for a rule to hold; all that is given must hold."""

    feature: str
    above: float | None = None
    below: float | None = None
    one_of: frozenset[str | float] | None = None


@dataclass(frozen=True, slots=True)
class Removal:
    """A rule that takes alternatives out for products of a kind: an envelope, a crane's load, a welder's certificate.

    Of ``operation``, ``work_unit``, ``program``, ``tool`` and ``alternative`` those that are given must all fit.
    """

    id: str
    text: str
    """For people: why."""
    conditions: tuple[Condition, ...] = ()
    """All must hold; it holds for each product where there are none."""
    operation: str | None = None
    work_unit: str | None = None
    program: str | None = None
    tool: str | None = None
    alternative: str | None = None

    def fits(self, alternative: Alternative) -> bool:
        """Whether it speaks of an alternative."""
        return (
            self.operation in {None, alternative.operation}
            and self.work_unit in {None, alternative.work_unit}
            and self.program in {None, alternative.program}
            and self.tool in {None, alternative.tool}
            and self.alternative in {None, alternative.id}
        )


@dataclass(frozen=True, slots=True)
class Tie:
    """A rule between operations: where ``if_chosen`` is in a route, one of ``needs`` must be, and none of ``excludes`` may be."""

    id: str
    text: str
    if_chosen: str
    needs: frozenset[str] = frozenset()
    excludes: frozenset[str] = frozenset()


Rule: TypeAlias = Removal | Tie


@dataclass(frozen=True, slots=True)
class Route:
    """One alternative for each operation of one way through the network."""

    id: str
    product: str
    alternatives: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProcessNetwork:
    """How a factory can make its products. What refers to something refers to what is there: the file's reader saw to that."""

    name: str
    features: tuple[FeatureDefinition, ...]
    operations: tuple[Operation, ...]
    root: Node
    rules: tuple[Rule, ...] = ()
    cost: CostWeights = field(default_factory=CostWeights)
    routes: tuple[Route, ...] = ()
    current: Mapping[str, str] = field(default_factory=dict)
    """By product: the id of the route it is made by now."""
    alternatives: tuple[Alternative, ...] = field(init=False, repr=False, compare=False)
    """Of all operations, in their order; columns over alternatives have this order."""
    positions: Mapping[str, int] = field(init=False, repr=False, compare=False)
    """Where an alternative stands in ``alternatives``, by its id."""

    def __post_init__(self) -> None:
        alternatives = tuple(alternative for operation in self.operations for alternative in operation.alternatives)
        object.__setattr__(self, "alternatives", alternatives)
        object.__setattr__(self, "positions", {alternative.id: at for at, alternative in enumerate(alternatives)})

    def alternative(self, alternative: str) -> Alternative:
        """Return one alternative; KeyError where there is none."""
        return self.alternatives[self.positions[alternative]]

    def operation(self, operation: str) -> Operation:
        """Return one operation; KeyError where there is none."""
        for known in self.operations:
            if known.id == operation:
                return known
        raise KeyError(operation)

    def current_route(self, product: str) -> Route | None:
        """Return the route by which a product is made now; None where none is told."""
        wanted = self.current.get(product)
        return next((route for route in self.routes if route.id == wanted), None) if wanted is not None else None


def operations_of(node: Node) -> frozenset[str]:
    """Return all operations that can occur below a node."""
    if isinstance(node, Step):
        return frozenset({node.operation})
    return frozenset().union(*(operations_of(child) for child in node.nodes))


def is_way(node: Node, operations: frozenset[str]) -> bool:
    """Whether exactly these operations are one way through a node."""
    if isinstance(node, Step):
        return operations == {node.operation}
    below = [operations_of(child) for child in node.nodes]
    if isinstance(node, OneOf):
        return any(operations <= known and is_way(child, operations) for child, known in zip(node.nodes, below, strict=True))
    all_there = operations <= frozenset().union(*below)
    return all_there and all(is_way(child, operations & known) for child, known in zip(node.nodes, below, strict=True))


def route_fault(network: ProcessNetwork, alternatives: Iterable[str]) -> str | None:
    """Return why these alternatives are no way through the network, or None where they are one. Rules are not asked."""
    chosen: dict[str, str] = {}
    for alternative in alternatives:
        if alternative not in network.positions:
            return f"there is no alternative '{alternative}'"
        operation = network.alternative(alternative).operation
        if operation in chosen:
            return f"operation '{operation}' is done twice, by '{chosen[operation]}' and '{alternative}'"
        chosen[operation] = alternative
    if not is_way(network.root, frozenset(chosen)):
        return f"the operations {', '.join(sorted(chosen)) or '(none)'} are no whole way through the network"
    return None
