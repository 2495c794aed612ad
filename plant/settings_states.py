"""What ``[[states]]`` and ``[[reasons]]`` in ``site.toml`` may say: which signals tell the state of equipment, its counts and its times."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from plant.states import MACHINERY_STATES, EquipmentState, Loss, MicroStops, OperationMode
from plant.strict import Strict

_REASON = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*")


def state_named(word: str) -> EquipmentState:
    """Return the state that a word of PackML or OPC 40001-1 means, however it is written. Raises ValueError."""
    plain = re.sub(r"(?<=[a-z])(?=[A-Z])|[\s-]+", "_", word.strip()).lower()
    if plain in MACHINERY_STATES:
        return MACHINERY_STATES[plain]
    if plain == EquipmentState.UNKNOWN or plain not in set(EquipmentState):
        known = [state.value for state in EquipmentState if state is not EquipmentState.UNKNOWN]
        raise ValueError(f"'{word}' is no state; PackML has {', '.join(known)}; OPC 40001-1 has {', '.join(MACHINERY_STATES)}")
    return EquipmentState(plain)


class ReasonSettings(Strict):
    """One reason, or a whole branch, of the tree of reasons."""

    path: Annotated[str, Field(description="its place in the tree, as breakdown/hydraulics/hose")]
    names: Annotated[dict[str, str], Field(description="shown name by language", default_factory=dict)]
    loss: Annotated[
        Loss | None, Field(description="what time with it counts as; of the reason above, or of the state, where not given")
    ] = None

    @field_validator("path")
    @classmethod
    def _legal(cls, value: str) -> str:
        if not _REASON.fullmatch(value):
            raise ValueError(f"'{value}' is no reason: words of letters, digits, '-' and '_', divided by '/'")
        return value

    @field_validator("loss")
    @classmethod
    def _not_unknown(cls, value: Loss | None) -> Loss | None:
        if value in {Loss.UNKNOWN, Loss.MINOR_STOP}:
            raise ValueError(f"'{value}' cannot be chosen: it follows from missing samples or from the length of a stop")
        return value


class ConditionSettings(Strict):
    """A question to one signal of the equipment; exactly one of texts, equals, above, below, rises_within_seconds."""

    signal: Annotated[str, Field(description="name of a signal of the same equipment")]
    texts: Annotated[tuple[str, ...] | None, Field(description="globs: one fits the text")] = None
    equals: Annotated[tuple[float, ...] | None, Field(description="numbers: the value is one of them")] = None
    above: float | None = None
    below: float | None = None
    rises_within_seconds: Annotated[float | None, Field(gt=0, le=86_400, description="the value rose within so long")] = None

    @model_validator(mode="after")
    def _one_test(self) -> ConditionSettings:
        given = [name for name in ("texts", "equals", "above", "below", "rises_within_seconds") if getattr(self, name) is not None]
        if len(given) != 1:
            words = " and ".join(given) or "none"
            raise ValueError(f"give exactly one of texts, equals, above, below, rises_within_seconds, not {words}")
        if self.texts == () or self.equals == ():
            raise ValueError(f"'{given[0]}' names nothing")
        return self


class RuleSettings(ConditionSettings):
    """One rule: where its conditions hold, this is the state. The first rule that holds decides."""

    state: Annotated[str, Field(description="a state of PackML or of OPC 40001-1")]
    mode: OperationMode = OperationMode.PROCESSING
    reason: str = ""
    reason_signal: Annotated[str | None, Field(description="signal whose text or number names the reason")] = None
    reason_of: Annotated[dict[str, str], Field(description="reason by what 'reason_signal' says", default_factory=dict)]
    also: Annotated[tuple[ConditionSettings, ...], Field(description="conditions that must hold as well")] = ()
    may_be_missing: Annotated[bool, Field(description="where the signal says nothing, ask the next rule; else the state is unknown")] = (
        False
    )

    @field_validator("state")
    @classmethod
    def _known_state(cls, value: str) -> str:
        return state_named(value).value

    @model_validator(mode="after")
    def _reasons_by_signal(self) -> RuleSettings:
        if self.reason_of and self.reason_signal is None:
            raise ValueError("'reason_of' needs 'reason_signal'")
        return self


class OtherwiseSettings(Strict):
    """What holds where all signals say something and no rule holds."""

    state: str
    mode: OperationMode = OperationMode.PROCESSING
    reason: str = ""

    @field_validator("state")
    @classmethod
    def _known_state(cls, value: str) -> str:
        return state_named(value).value


class CounterSettings(Strict):
    """A counter of pieces."""

    signal: str
    rollover: Annotated[int | None, Field(gt=1, description="it goes on from 0 after one less than this")] = None
    most: Annotated[float, Field(gt=0, description="a larger rise at once is not counted but noted")] = 1000.0
    worth: Annotated[int, Field(ge=1, le=100_000, description="pieces for each count")] = 1


class RunTimeSettings(Strict):
    """Planned run time per item (PRI) of some products."""

    product: Annotated[str, Field(description="glob over products")] = "*"
    seconds: Annotated[float, Field(gt=0, le=10_000_000)]


class StateSettings(Strict):
    """How the state of some equipment is told. Of several entries the last one that fits an equipment holds."""

    equipment: Annotated[str, Field(description="glob over equipment paths below the site; * stays within a segment, ** does not")]
    rules: Annotated[tuple[RuleSettings, ...], Field(min_length=1)]
    otherwise: OtherwiseSettings | None = None
    hold_seconds: Annotated[float, Field(ge=0, le=3600, description="how long the last value stands while samples are missing")] = 5.0
    silent_seconds: Annotated[
        float | None, Field(gt=0, le=86_400, description="without a sample for so long a signal says nothing; it stands where not given")
    ] = None
    micro_stop_seconds: Annotated[float, Field(ge=0, le=3600, description="a stop below this is a minor stop; 0: none is")] = 0.0
    micro_stops: Annotated[MicroStops, Field(description="which factor minor stops lower; ISO 22400-2: availability")] = (
        MicroStops.AVAILABILITY
    )
    good: tuple[CounterSettings, ...] = ()
    scrap: tuple[CounterSettings, ...] = ()
    rework: tuple[CounterSettings, ...] = ()
    produced: Annotated[tuple[CounterSettings, ...], Field(description="pieces of any quality; the good ones are the rest")] = ()
    count_tightenings: Annotated[bool, Field(description="each tightening at the equipment is a piece, good where it is OK")] = False
    product: Annotated[str | None, Field(description="signal that names what is made")] = None
    order: Annotated[str | None, Field(description="signal that names the job order")] = None
    part: Annotated[str | None, Field(description="signal that names the piece")] = None
    planned_run_time: Annotated[tuple[RunTimeSettings, ...], Field(description="planned run time per item by product")] = ()

    @model_validator(mode="after")
    def _one_way_to_count(self) -> StateSettings:
        if self.good and self.produced:
            raise ValueError("count 'good' or 'produced', not both: good ones are what is left of 'produced' after 'scrap' and 'rework'")
        if self.count_tightenings and (self.good or self.scrap or self.rework or self.produced):
            raise ValueError("'count_tightenings' counts already: leave out good, scrap, rework and produced")
        return self
