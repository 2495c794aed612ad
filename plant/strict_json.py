"""JSON read strictly into pieces: each thing wrong told with place, key and what to do."""

from __future__ import annotations

import json
import re
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from plant.errors import SettingsError

_NO_KEY: Final = re.compile(r"^<|\[|Piece$|^(datetime|date|str|int|float)$")
"""What pydantic puts into a place for the kind of a value, which nobody wrote."""
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


PieceT = TypeVar("PieceT", bound=BaseModel)


def parsed(text: str | bytes, place: str) -> object:
    """Return what a text holds as JSON; ``place`` names it in errors. Raises SettingsError."""
    return parsed_by(text, place, object_pairs_hook=_once, parse_constant=_no_number)


def parsed_by(text: str | bytes, place: str, **hooks: Any) -> Any:
    """Return what a text holds as JSON, with hooks of json.loads that decide what to do with what is wrong. Raises SettingsError."""
    try:
        told = text if isinstance(text, str) else text.decode("utf-8-sig")
        return json.loads(told, **hooks)
    except UnicodeDecodeError as error:
        raise SettingsError(f"{place}: is no UTF-8 text: {error.reason} at byte {error.start}") from error
    except RecursionError as error:
        raise SettingsError(f"{place}: is nested too deeply") from error
    except ValueError as error:
        raise SettingsError(f"{place}: is no JSON: {error}") from error


def pieces_of(read: object, place: str, form: str, piece: type[PieceT], page: str) -> PieceT:
    """Return what parsed JSON says; ``form`` is what its key ``leadhand`` must hold, ``page`` the documentation. Raises SettingsError."""
    if not isinstance(read, dict):
        raise SettingsError(f"{place}: the file: must be an object, not {json.dumps(read, default=str)[:60]}")
    if read.get("leadhand") != form:
        raise SettingsError(f'{place}: leadhand: write "leadhand": "{form}", not {json.dumps(read.get("leadhand"), default=str)[:60]}')
    try:
        return piece.model_validate(read)
    except ValidationError as error:
        problems = [f"{place}: {problem}" for problem in problems_of(error, page)]
        raise SettingsError(most(problems, place)) from error
    except RecursionError as error:
        raise SettingsError(f"{place}: is nested too deeply") from error


def problems_of(error: ValidationError, page: str, whole: str = "the file") -> list[str]:
    """Return a sentence for each thing that pydantic found wrong: its key, or ``whole``, and what to do."""
    return [f"{_key_path(e['loc']) or whole}: {_what(e, page)}" for e in error.errors(include_url=False, include_context=False)]


def read_pieces(text: str | bytes, place: str, form: str, piece: type[PieceT], page: str) -> PieceT:
    """Return what a text says: ``pieces_of`` what is ``parsed``."""
    return pieces_of(parsed(text, place), place, form, piece, page)


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
        elif not _NO_KEY.search(step):
            words += f".{step}" if words else step
    return words


def _what(error: Any, page: str) -> str:
    if error["type"] == "extra_forbidden":
        return f"unknown key; {page} lists the known ones"
    if error["type"] == "missing":
        return "is missing"
    message = str(error["msg"]).removeprefix("Value error, ")
    given = error.get("input")
    plain = isinstance(given, str | int | float | bool) or given is None
    return f"{message}, not {json.dumps(given, default=str)[:80]}" if plain and error["type"] != "value_error" else message
