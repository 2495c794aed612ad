"""What controllers and Leadhand say to each other beside messages: answers, signs of life, questions. As JSON texts, read strictly.

Each is signed as messages are (``plant.delivery_messages.sign``), with the key of the controller, over the exact bytes of its text.
An answer names its message and cannot be used for another one; a sign of life names the pulse that it follows, so that an old one that is
played again is known for what it is, whatever clocks say.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from plant.deliveries import Answer, Quantity, SetPart, Verdict
from plant.delivery_messages import LARGEST_BYTES, QuantityPiece, SetPartPiece, time_text
from plant.errors import SettingsError
from plant.strict_json import Piece, read_pieces

ANSWER: Final = "answer/1"
NOT_TAKEN: Final = "not_taken"
BEAT: Final = "beat/1"
PULSE: Final = "pulse/1"
ASK: Final = "ask/1"
READ: Final = "read/1"
VALUES: Final = "values/1"
_PAGE: Final = "docs/controllers.md"
WorkUnit = Annotated[str, Field(min_length=1, max_length=400)]
MessageId = Annotated[str, Field(pattern="^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", description="of the message")]
Quantities = Annotated[tuple[QuantityPiece, ...], Field(max_length=200)]
Parts = Annotated[tuple[SetPartPiece, ...], Field(max_length=20)]
Counter = Annotated[int | None, Field(strict=True, ge=0, description="the highest that the controller has taken for this work unit")]


class AnswerFile(Piece):
    """What a controller says of a message."""

    leadhand: Literal["answer/1"]
    id: MessageId
    work_unit: WorkUnit
    verdict: Annotated[
        Literal["accepted", "refused", "executed", "failed", "measured", "not_taken"],
        Field(description="not_taken only when asked: it has not taken the message, and remembers what it takes"),
    ]
    reason: Annotated[str, Field(max_length=2000, description="why refused or failed: a short word, then words for people")] = ""
    readback: Annotated[Quantities, Field(description="parameters in force after it acted, read and not repeated")] = ()
    parts: Annotated[Parts, Field(description="likewise, what is switched on")] = ()
    measured: Annotated[Quantities, Field(description="what came of it")] = ()
    counter: Counter = None


class BeatFile(Piece):
    """A sign of life of a controller for one work unit, in answer to a pulse or when something changed."""

    leadhand: Literal["beat/1"]
    work_unit: WorkUnit
    pulse: Annotated[int, Field(strict=True, ge=0, description="number of the newest pulse that came in")]
    counter: Counter = None
    state: Annotated[str, Field(max_length=80, description="in its own word; PackML's where it has them")] = ""
    ai_off: Annotated[bool, Field(strict=True, description="the switch at the machine: nothing is taken from outside")] = False


class ValuesFile(Piece):
    """What is in force at a controller, in answer to a question."""

    leadhand: Literal["values/1"]
    work_unit: WorkUnit
    parameters: Quantities = ()
    parts: Parts = ()


class PulseFile(Piece):
    """Leadhand's sign of life to one work unit."""

    leadhand: Literal["pulse/1"]
    work_unit: WorkUnit
    number: Annotated[int, Field(strict=True, ge=1, description="higher each time")]
    time: Annotated[str, Field(max_length=40, description="RFC 3339, UTC")]
    mode: Literal["off", "shadow", "advisory", "closed_loop"]


class AskFile(Piece):
    """Question what became of a message; the answer is an answer/1."""

    leadhand: Literal["ask/1"]
    id: MessageId
    work_unit: WorkUnit


class ReadFile(Piece):
    """Question what is in force; the answer is a values/1."""

    leadhand: Literal["read/1"]
    work_unit: WorkUnit
    names: Annotated[tuple[Annotated[str, Field(max_length=200)], ...], Field(max_length=200)] = ()


@dataclass(frozen=True, slots=True)
class NotTakenAnswer:
    """The controller remembers what it takes, and has not taken this message."""

    message_id: str
    work_unit: str
    counter: int | None


@dataclass(frozen=True, slots=True)
class BeatSaid:
    """What a sign of life says."""

    work_unit: str
    pulse: int
    counter: int | None
    state: str
    ai_off: bool


@dataclass(frozen=True, slots=True)
class ValuesSaid:
    """What a controller says is in force."""

    work_unit: str
    parameters: tuple[Quantity, ...]
    parts: tuple[SetPart, ...]


def answer_schema() -> dict[str, Any]:
    """Return the JSON schema of an answer."""
    return AnswerFile.model_json_schema(by_alias=True)


def heartbeat_schema() -> dict[str, Any]:
    """Return the JSON schema of signs of life, a controller's and ours."""
    return _either(BeatFile, PulseFile)


def question_schema() -> dict[str, Any]:
    """Return the JSON schema of questions and of the values that answer one."""
    return _either(AskFile, ReadFile, ValuesFile)


def read_answer(text: str | bytes, time_us: int, place: str = "answer", actor: str = "") -> Answer | NotTakenAnswer:
    """Return what a controller says of a message. Raises SettingsError for what is no such text."""
    file = _read(text, place, ANSWER, AnswerFile)
    if file.verdict == NOT_TAKEN:
        return NotTakenAnswer(file.id, file.work_unit, file.counter)
    return Answer(
        message_id=file.id,
        work_unit=file.work_unit,
        verdict=Verdict(file.verdict),
        time_us=time_us,
        reason=file.reason,
        readback=quantities_of(file.readback),
        parts=parts_of(file.parts),
        measured=quantities_of(file.measured),
        actor=actor,
    )


def read_beat(text: str | bytes, place: str = "beat") -> BeatSaid:
    """Return what a sign of life says. Raises SettingsError."""
    file = _read(text, place, BEAT, BeatFile)
    return BeatSaid(file.work_unit, file.pulse, file.counter, file.state, file.ai_off)


def read_values(text: str | bytes, place: str = "values") -> ValuesSaid:
    """Return what is in force at a controller. Raises SettingsError."""
    file = _read(text, place, VALUES, ValuesFile)
    return ValuesSaid(file.work_unit, quantities_of(file.parameters), parts_of(file.parts))


def answer_text(
    message_id: str,
    work_unit: str,
    verdict: str,
    *,
    reason: str = "",
    readback: Sequence[Quantity] = (),
    parts: Sequence[SetPart] = (),
    measured: Sequence[Quantity] = (),
    counter: int | None = None,
) -> str:
    """Return an answer as JSON; what is empty is left out."""
    return _text(
        {
            "leadhand": ANSWER,
            "id": message_id,
            "work_unit": work_unit,
            "verdict": verdict,
            "reason": reason,
            "readback": _quantities(readback),
            "parts": _parts(parts),
            "measured": _quantities(measured),
            "counter": counter,
        }
    )


def beat_text(work_unit: str, pulse: int, *, counter: int | None = None, state: str = "", ai_off: bool = False) -> str:
    """Return a controller's sign of life as JSON."""
    return _text({"leadhand": BEAT, "work_unit": work_unit, "pulse": pulse, "counter": counter, "state": state, "ai_off": ai_off})


def values_text(work_unit: str, parameters: Sequence[Quantity], parts: Sequence[SetPart] = ()) -> str:
    """Return what is in force as JSON."""
    return _text({"leadhand": VALUES, "work_unit": work_unit, "parameters": _quantities(parameters), "parts": _parts(parts)})


def pulse_text(work_unit: str, number: int, time_us: int, mode: str) -> str:
    """Return our sign of life as JSON."""
    return _text({"leadhand": PULSE, "work_unit": work_unit, "number": number, "time": time_text(time_us), "mode": mode})


def ask_text(message_id: str, work_unit: str) -> str:
    """Return the question what became of a message."""
    return _text({"leadhand": ASK, "id": message_id, "work_unit": work_unit})


def read_text(work_unit: str, names: Sequence[str]) -> str:
    """Return the question what is in force."""
    return _text({"leadhand": READ, "work_unit": work_unit, "names": list(names)})


def quantities_of(pieces: Sequence[QuantityPiece]) -> tuple[Quantity, ...]:
    """Return values of pieces."""
    return tuple(Quantity(one.name, float(one.value), one.unit) for one in pieces)


def parts_of(pieces: Sequence[SetPartPiece]) -> tuple[SetPart, ...]:
    """Return values of pieces."""
    return tuple(SetPart(one.kind, one.name, one.version) for one in pieces)


def _read(text: str | bytes, place: str, form: str, piece: type[Any]) -> Any:
    if len(text) > LARGEST_BYTES:
        raise SettingsError(f"{place}: is longer than {LARGEST_BYTES:,} bytes")
    return read_pieces(text, place, form, piece, _PAGE)


def _text(told: dict[str, Any]) -> str:
    kept = {key: value for key, value in told.items() if value not in ("", [], None)}
    return json.dumps(kept, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _quantities(told: Sequence[Quantity]) -> list[dict[str, Any]]:
    return [{"name": one.name, "value": one.value, "unit": one.unit} for one in told]


def _parts(told: Sequence[SetPart]) -> list[dict[str, Any]]:
    return [{"kind": one.kind, "name": one.name, "version": one.version} for one in told]


def _either(*pieces: type[Piece]) -> dict[str, Any]:
    schemas = [piece.model_json_schema(by_alias=True) for piece in pieces]
    definitions = {name: made for schema in schemas for name, made in schema.pop("$defs", {}).items()}
    return {"oneOf": schemas, "$defs": definitions}
