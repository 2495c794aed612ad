"""JSON read strictly into pieces: each thing wrong told with place, key and what to do."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from plant.errors import SettingsError

SHOWN = 50
"""As many problems are told at most."""


class Piece(BaseModel):
    """A frozen piece of a JSON file: unknown keys are refused, and so are NaN and what no database keeps."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*")
    @classmethod
    def _keepable(cls, value: object) -> object:
        if isinstance(value, str) and "\0" in value:
            raise ValueError("holds the character NUL, which no database keeps")
        return value


PieceT = TypeVar("PieceT", bound=Piece)


def read_pieces(text: str | bytes, place: str, form: str, piece: type[PieceT], page: str) -> PieceT:
    """Return what a text says; ``form`` is what its key ``leadhand`` must hold, ``page`` the documentation. Raises SettingsError."""
    try:
        told = text if isinstance(text, str) else text.decode("utf-8-sig")
        read = json.loads(told, object_pairs_hook=_once, parse_constant=_no_number)
    except UnicodeDecodeError as error:
        raise SettingsError(f"{place}: is no UTF-8 text: {error.reason} at byte {error.start}") from error
    except RecursionError as error:
        raise SettingsError(f"{place}: is nested too deeply") from error
    except ValueError as error:
        raise SettingsError(f"{place}: is no JSON: {error}") from error
    if not isinstance(read, dict) or read.get("leadhand") != form:
        found = json.dumps(read.get("leadhand"), default=str)[:60] if isinstance(read, dict) else "no object"
        raise SettingsError(f'{place}: leadhand: write "leadhand": "{form}", not {found}')
    try:
        return piece.model_validate(read)
    except ValidationError as error:
        problems = [f"{place}: {_key_path(e['loc'])}: {_what(e, page)}" for e in error.errors(include_url=False, include_context=False)]
        raise SettingsError(most(problems, place)) from error


def most(problems: list[str], place: str) -> list[str]:
    """Return as many problems as a person reads."""
    more = len(problems) - SHOWN
    return problems if more <= 0 else [*problems[:SHOWN], f"{place}: {more:,} further problems"]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {json.dumps(next(key for key in keys if keys.count(key) > 1))} is there twice in one object")
    return made


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no number of JSON; leave out what is not known")


def _key_path(location: tuple[int | str, ...]) -> str:
    words = ""
    for step in location:
        if isinstance(step, int):
            words += f"[{step + 1}]"
        elif step[:1].islower() and "[" not in step and step not in {"datetime", "str", "int", "float"}:
            words += f".{step}" if words else step
    return words or "the file"


def _what(error: Any, page: str) -> str:
    if error["type"] == "extra_forbidden":
        return f"unknown key; {page} lists the known ones"
    if error["type"] == "missing":
        return "is missing"
    message = str(error["msg"]).removeprefix("Value error, ")
    given = error.get("input")
    plain = isinstance(given, str | int | float | bool) or given is None
    return f"{message}, not {json.dumps(given, default=str)[:80]}" if plain and error["type"] != "value_error" else message
