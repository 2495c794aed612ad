"""Each piece of a settings file, with the line it stands on and how much of the factory comes of it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

from dashboard.settings_text import places, without_secrets
from dashboard.site_files import SettingsText
from dashboard.views_settings import SettingsPartView
from plant.errors import SettingsError
from plant.patterns import expand, matches
from plant.site import Site
from plant.toml_text import toml_value

_NAMED_BY = ("name", "id", "path", "equipment", "code")
_LONGEST = 400


def parts_of(file: str, text: SettingsText, site: Site | None) -> list[SettingsPartView]:
    """Return the pieces of one file in their order, passwords hidden; ``site``: the factory they make, where it is one."""
    shown = without_secrets(text.content)
    try:
        tables = text.tables if text.tables is not None and shown == text.content else tomllib.loads(shown)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{file}: not TOML: {error}") from error
    lines = places(shown)
    found = []
    for kind, value in tables.items():
        for number, piece in enumerate(value if isinstance(value, list) and value and isinstance(value[0], dict) else [value]):
            line = lines.get(kind, [1])
            name, facts = _said(piece)
            gives = None if site is None or not isinstance(piece, dict) else _gives(kind, piece, site)
            found.append(SettingsPartView(kind, name, facts, gives, file, line[min(number, len(line) - 1)]))
    return sorted(found, key=lambda part: part.line)


def _said(piece: Any) -> tuple[str, str]:
    """Return what a piece is called, and its keys with their values on one line."""
    if not isinstance(piece, dict):
        return "", _value(piece)
    named = next((key for key in _NAMED_BY if isinstance(piece.get(key), str)), None)
    facts = ", ".join(f"{key} = {_value(value)}" for key, value in piece.items() if key != named)
    return ("" if named is None else str(piece[named])), facts if len(facts) <= _LONGEST else facts[:_LONGEST] + " …"


def _value(value: Any) -> str:
    try:
        return toml_value(value)
    except SettingsError:
        return str(value)  # dates and times


def _gives(kind: str, piece: dict[str, Any], site: Site) -> int | None:
    if kind == "equipment" and "path" in piece:
        return sum(1 for _ in expand(str(piece["path"])))
    if kind == "signals":
        return sum(1 for _ in _signals(piece, site))
    if kind == "sources":
        return sum(1 for signal in site.signals if signal.source == piece.get("id"))
    return None


def _signals(piece: dict[str, Any], site: Site) -> Iterator[str]:
    names = {str(name) for name in expand(str(piece.get("name", "")))}
    root = f"{site.path}/"
    for signal in site.signals:
        place, _, name = str(signal.path).rpartition("/")
        if name in names and signal.source == piece.get("source") and matches(str(piece.get("equipment", "")), place.removeprefix(root)):
            yield str(signal.path)
