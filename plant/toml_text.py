"""Values as TOML writes them. The library reads TOML and does not write it."""

from __future__ import annotations

import json
from typing import Any

from plant.errors import SettingsError


def toml_key(key: str) -> str:
    """Return a key as it stands in a file, in quotes where it needs them."""
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else json.dumps(key)


def toml_value(value: Any) -> str:
    """Return a value on one line. Raises SettingsError for a type that TOML has not."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{toml_key(key)} = {toml_value(item)}" for key, item in value.items()) + " }"
    raise SettingsError(f"a value of type {type(value).__name__} cannot be written")
