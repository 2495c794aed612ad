"""What ``network.json`` may say, piece by piece."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator

from plant.products import FeatureKind
from plant.strict_json import Piece

Name = Annotated[str, Field(min_length=1, max_length=200)]
Amount = Annotated[float, Field(ge=0, le=1e12)]


class FeaturePiece(Piece):
    """Something known of each product: a column of products.csv."""

    name: Name
    unit: Annotated[str, Field(max_length=40, description="UCUM code; empty for counts and categories")] = ""
    kind: FeatureKind = FeatureKind.NUMBER


class AlternativePiece(Piece):
    """One way to do an operation."""

    id: Annotated[Name, Field(description="there is one of this id in the whole factory")]
    work_unit: Annotated[Name, Field(description="the equipment that does it (ISA-95 work unit)")]
    program: Annotated[str, Field(max_length=200)] = ""
    tool: Annotated[str, Field(max_length=200)] = ""
    parameters: Annotated[dict[str, float], Field(description="by name: what the program sets")] = Field(default_factory=dict)
    fixed_cost: Annotated[Amount, Field(description="of doing it once, whatever it takes")] = 0.0
    since: Annotated[datetime | date | None, Field(description="when it came into being, e.g. 2026-08-01; UTC where no zone is given")] = (
        None
    )


class OperationPiece(Piece):
    """One step of the work."""

    id: Name
    stage: Annotated[Name, Field(description="cutting, forming, welding, machining, painting, assembly, or the factory's own word")]
    name: Annotated[str, Field(max_length=200)] = ""
    increases_with: Annotated[
        dict[Literal["duration_min", "energy_kwh", "wear", "rework_min"], tuple[str, ...]],
        Field(description="by measure: number features with which it can only grow"),
    ] = Field(default_factory=dict)
    alternatives: Annotated[tuple[AlternativePiece, ...], Field(min_length=1)]


def _node_kind(value: object) -> str | None:
    if isinstance(value, str):
        return "<operation>"
    keys = value if isinstance(value, Mapping) else vars(value) if isinstance(value, BaseModel) else ()
    return next((f"<{kind}>" for kind in ("sequence", "any_order", "one_of") if kind in keys), None)


NodePiece: TypeAlias = Annotated[
    Annotated[str, Tag("<operation>")]
    | Annotated["SequencePiece", Tag("<sequence>")]
    | Annotated["AnyOrderPiece", Tag("<any_order>")]
    | Annotated["OneOfPiece", Tag("<one_of>")],
    Discriminator(
        _node_kind,
        custom_error_type="node",
        custom_error_message='write an operation\'s id, or one of {"sequence": [...]}, {"any_order": [...]}, {"one_of": [...]}',
    ),
]
Nodes = Annotated[tuple[NodePiece, ...], Field(min_length=1)]


class SequencePiece(Piece):
    """All, in this order."""

    sequence: Nodes


class AnyOrderPiece(Piece):
    """All, in any order, one at a time."""

    any_order: Nodes


class OneOfPiece(Piece):
    """One of them."""

    one_of: Nodes


class ConditionPiece(Piece):
    """What a product must be: ``above`` and ``below`` for numbers, ``is`` or ``in`` for categories (and numbers)."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, validate_by_name=True, validate_by_alias=True)

    feature: Name
    above: float | None = None
    below: float | None = None
    is_: Annotated[str | float | None, Field(alias="is")] = None
    in_: Annotated[tuple[str | float, ...] | None, Field(alias="in", min_length=1)] = None

    @model_validator(mode="after")
    def _one_kind(self) -> ConditionPiece:
        ranged = self.above is not None or self.below is not None
        if ranged + (self.is_ is not None) + (self.in_ is not None) != 1:
            raise ValueError("say 'above' and/or 'below', or 'is', or 'in'")
        if self.above is not None and self.below is not None and self.above >= self.below:
            raise ValueError("'above' must be less than 'below'")
        return self


class RemovalTarget(Piece):
    """Which alternatives a rule takes out: all that is given must fit."""

    operation: Name | None = None
    work_unit: Name | None = None
    program: Name | None = None
    tool: Name | None = None
    alternative: Name | None = None

    @model_validator(mode="after")
    def _something(self) -> RemovalTarget:
        if not any(vars(self).values()):
            raise ValueError("say at least one of 'operation', 'work_unit', 'program', 'tool', 'alternative'")
        return self


def _as_list(value: object) -> object:
    return (value,) if isinstance(value, Mapping) else value


class RemovalPiece(Piece):
    """A rule that prunes."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, validate_by_name=True, validate_by_alias=True)

    id: Name
    text: Annotated[str, Field(min_length=1, max_length=1000, description="for people: why")]
    if_: Annotated[
        tuple[ConditionPiece, ...],
        BeforeValidator(_as_list, json_schema_input_type=ConditionPiece | tuple[ConditionPiece, ...]),
        Field(alias="if", description="one condition, or all of a list"),
    ] = ()
    remove: RemovalTarget


class TiePiece(Piece):
    """A rule that ties operations to each other."""

    id: Name
    text: Annotated[str, Field(min_length=1, max_length=1000, description="for people: why")]
    if_chosen: Annotated[Name, Field(description="an alternative")]
    needs: Annotated[tuple[Name, ...], Field(description="one of these must be in the route too")] = ()
    excludes: Annotated[tuple[Name, ...], Field(description="none of these may be in the route")] = ()

    @model_validator(mode="after")
    def _something(self) -> TiePiece:
        if not self.needs and not self.excludes:
            raise ValueError("say 'needs' or 'excludes'")
        return self


def _rule_kind(value: object) -> str | None:
    keys = value if isinstance(value, Mapping) else vars(value) if isinstance(value, BaseModel) else ()
    return "<removal>" if "remove" in keys else "<tie>" if "if_chosen" in keys else None


RulePiece: TypeAlias = Annotated[
    Annotated[RemovalPiece, Tag("<removal>")] | Annotated[TiePiece, Tag("<tie>")],
    Discriminator(_rule_kind, custom_error_type="rule", custom_error_message="a rule needs 'remove' (it prunes) or 'if_chosen' (it ties)"),
]


class CostPiece(Piece):
    """What things cost, in the factory's own unit; minutes where only ``per_minute`` = 1 is given."""

    per_minute: Amount = 1.0
    per_kwh: Amount = 0.0
    per_wear: Annotated[Amount, Field(description="one unit of wear, as the history counts it")] = 0.0
    rework_fixed_min: Annotated[Amount, Field(description="minutes that each rework takes")] = 0.0
    rework_share: Annotated[Amount, Field(description="share of the operation's duration that a rework takes besides")] = 0.0
    per_scrap: Amount = 0.0
    risk_aversion: Annotated[Amount, Field(description="times (cost at the upper 90 % bound - expected cost)")] = 0.0


class RoutePiece(Piece):
    """A route in use."""

    id: Name
    product: Name
    alternatives: Annotated[tuple[Name, ...], Field(min_length=1)]


class NetworkFile(Piece):
    """The whole of network.json."""

    leadhand: Annotated[Literal["network/1"], Field(description="says what file this is")]
    name: Name
    features: Annotated[tuple[FeaturePiece, ...], Field(min_length=1)]
    operations: Annotated[tuple[OperationPiece, ...], Field(min_length=1)]
    network: NodePiece
    rules: tuple[RulePiece, ...] = ()
    cost: CostPiece = CostPiece()
    routes: tuple[RoutePiece, ...] = ()
    current: Annotated[dict[str, str], Field(description="by product: the id of the route it is made by now")] = Field(default_factory=dict)
