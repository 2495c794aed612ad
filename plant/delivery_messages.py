"""A message to a controller as text, and its signature.

The signature is HMAC-SHA256 (RFC 2104) over the exact bytes of the text, which is JSON (RFC 8259) with RFC 3339 times: whoever reads it
checks the bytes as they came and parses them afterwards, so that no two ways of writing a number or a key can differ.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import Field, field_validator

from plant.deliveries import Kind, Message, Quantity, SetPart
from plant.errors import SettingsError
from plant.strict_json import Piece, read_pieces

FORMAT: Final = "delivery/1"
LARGEST_BYTES: Final = 64_000
_PAGE: Final = "docs/controllers.md"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\Z")
_KEY: Final = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
Text = Annotated[str, Field(max_length=400)]
Time = Annotated[str, Field(pattern=_TIME.pattern.replace(r"\Z", "$"), description="RFC 3339, UTC, six digits of a second")]


class QuantityPiece(Piece):
    """A value with its unit."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    value: Annotated[float, Field(allow_inf_nan=False)]
    unit: Annotated[str, Field(min_length=1, max_length=40, description="UCUM code, 1 where there is none")]

    @field_validator("value", mode="before")
    @classmethod
    def _number(cls, value: object) -> object:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError("must be a number")  # noqa: TRY004 - pydantic tells ValueError with its key
        return value


class SetPartPiece(Piece):
    """A part of a changeover."""

    kind: Literal["recipe", "torque_program", "vision_recipe", "robot_program", "fixture"]
    name: Annotated[str, Field(min_length=1, max_length=200)]
    version: Annotated[str, Field(min_length=1, max_length=80)]


class BasisPiece(Piece):
    """The measurements that a message rests on."""

    begin: Annotated[Time, Field(alias="from")]
    end: Annotated[Time, Field(alias="to")]


class MessageFile(Piece):
    """A message to a controller."""

    leadhand: Literal["delivery/1"]
    id: Annotated[str, Field(pattern="^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", description="UUID; an answer names it")]
    kind: Kind
    work_unit: Annotated[str, Field(min_length=1, max_length=400)]
    counter: Annotated[int, Field(strict=True, ge=1, description="higher than that of every message before to this work unit")]
    issued: Time
    expires: Annotated[Time, Field(description="refuse it from then on")]
    job: Text = ""
    program: Text = ""
    product: Text = ""
    serial: Text = ""
    parameters: Annotated[tuple[QuantityPiece, ...], Field(max_length=200)] = ()
    parts: Annotated[tuple[SetPartPiece, ...], Field(max_length=20)] = ()
    steps: Annotated[tuple[Text, ...], Field(max_length=500)] = ()
    reason: Annotated[str, Field(max_length=2000)] = ""
    window_version: Annotated[int | None, Field(strict=True, ge=1, description="of the process window; refuse any other than yours")] = None
    basis: Annotated[BasisPiece | None, Field(description="the measurements that it rests on")] = None


def message_schema() -> dict[str, Any]:
    """Return the JSON schema of a message."""
    return MessageFile.model_json_schema(by_alias=True)


def message_text(message: Message) -> str:
    """Return a message as JSON without spaces, keys as in the schema; what is empty is left out. Raises ValueError for no finite number."""
    if not all(math.isfinite(one.value) for one in message.parameters):
        raise ValueError("a parameter is no finite number")
    told: dict[str, Any] = {
        "leadhand": FORMAT,
        "id": message.id,
        "kind": message.kind.value,
        "work_unit": message.work_unit,
        "counter": message.counter,
        "issued": time_text(message.issued_us),
        "expires": time_text(message.expires_us),
        "job": message.job,
        "program": message.program,
        "product": message.product,
        "serial": message.serial,
        "parameters": [{"name": one.name, "value": one.value, "unit": one.unit} for one in message.parameters],
        "parts": [{"kind": one.kind, "name": one.name, "version": one.version} for one in message.parts],
        "steps": list(message.steps),
        "reason": message.reason,
        "window_version": message.window_version,
    }
    if message.basis_from_us is not None and message.basis_to_us is not None:
        told["basis"] = {"from": time_text(message.basis_from_us), "to": time_text(message.basis_to_us)}
    kept = {key: value for key, value in told.items() if value not in ("", [], None)}
    return json.dumps(kept, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def read_message(text: str | bytes, place: str = "message") -> Message:
    """Return what a text says. Raises SettingsError for what is no such message; who wrote it is not looked at here."""
    if len(text) > LARGEST_BYTES:
        raise SettingsError(f"{place}: is longer than {LARGEST_BYTES:,} bytes")
    file = read_pieces(text, place, FORMAT, MessageFile, _PAGE)
    return Message(
        id=file.id,
        kind=file.kind,
        work_unit=file.work_unit,
        counter=file.counter,
        issued_us=_time(file.issued, place),
        expires_us=_time(file.expires, place),
        job=file.job,
        program=file.program,
        product=file.product,
        serial=file.serial,
        parameters=tuple(Quantity(one.name, float(one.value), one.unit) for one in file.parameters),
        parts=tuple(SetPart(one.kind, one.name, one.version) for one in file.parts),
        steps=file.steps,
        reason=file.reason,
        window_version=file.window_version,
        basis_from_us=None if file.basis is None else _time(file.basis.begin, place),
        basis_to_us=None if file.basis is None else _time(file.basis.end, place),
    )


def sign(text: str, key_id: str, key: bytes) -> str:
    """Return the signature of a text: the key's id, a dot, and 64 hexadecimal digits."""
    if not _KEY.match(key_id):
        raise ValueError(f"'{key_id}' is no id of a key: letters, digits, - and _ only, at most 64")
    return f"{key_id}.{hmac.new(key, text.encode(), hashlib.sha256).hexdigest()}"


def signature_holds(text: str, signature: str, keys: Mapping[str, bytes]) -> bool:
    """Return whether a signature is that of a text by one of the keys."""
    key_id, _, digits = signature.partition(".")
    key = keys.get(key_id)
    if key is None or not digits.isascii():
        return False
    return hmac.compare_digest(hmac.new(key, text.encode(), hashlib.sha256).hexdigest(), digits)


def time_text(time_us: int) -> str:
    """Return a time as messages bear it: RFC 3339, UTC, six digits of a second."""
    return (_EPOCH + timedelta(microseconds=time_us)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _time(text: str, place: str) -> int:
    try:
        told = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise SettingsError(f"{place}: '{text}' is no time: {error}") from error
    return (told - _EPOCH) // timedelta(microseconds=1)
