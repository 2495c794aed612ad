"""Settings files of a factory: which there are, how one is put in place, and drafts of sources as TOML and back."""

from __future__ import annotations

import os
import re
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from dashboard.drafts import SourceDraft
from plant.errors import SettingsError
from plant.settings import OpenProtocolSourceSettings, SiteFile
from plant.toml_text import toml_key, toml_value

INCLUDE_LINE = 'include = ["sources.d/*.toml"]\n\n'
NOTE = """# Each source made on the dashboard stands here in a file of its own, named by its id.
# You may edit them; the dashboard reads them anew each time. This file keeps the folder known to site.toml.
"""


def draft_to_toml(draft: SourceDraft, password_file: str | None) -> str:
    """Return the file of a source. Raises SettingsError where it would not say the same when read again."""
    source = draft.source
    if not isinstance(source, OpenProtocolSourceSettings) and password_file != source.password_file:
        source = source.model_copy(update={"password_file": password_file})
    tables = {
        "equipment": [_plain(e) for e in draft.equipment],
        "sources": [{"protocol": source.protocol, **_plain(source)}],
        "signals": [_plain(s) for s in draft.signals],
    }
    lines = ["# Made on the dashboard."]
    for name, entries in tables.items():
        for entry in entries:
            lines += ["", f"[[{name}]]", *(f"{toml_key(key)} = {toml_value(value)}" for key, value in entry.items())]
    content = "\n".join(lines) + "\n"
    said = SiteFile.model_validate(tomllib.loads(content))
    if said != SiteFile(equipment=draft.equipment, sources=(source,), signals=draft.signals):
        raise SettingsError(f"{draft.source.id}: cannot be written as TOML without loss")
    return content


def read_draft(path: Path) -> SourceDraft:
    """Return what a source's file says. Raises SettingsError where it holds anything else than one source with its signals."""
    try:
        file = SiteFile.model_validate(tomllib.loads(path.read_text("utf-8")))
    except (OSError, ValueError, ValidationError) as error:
        raise SettingsError(f"{path}: {error}") from error
    if len(file.sources) != 1 or file.sources[0].id != path.stem or file.include or file.site is not None:
        raise SettingsError(f"{path}: holds more than the one source '{path.stem}': edit it by hand")
    return SourceDraft(source=file.sources[0], equipment=file.equipment, signals=file.signals)


def draft_without_secrets(draft: SourceDraft) -> dict[str, Any]:
    """Return a draft as JSON for the audit."""
    content: dict[str, Any] = draft.model_dump(mode="json", exclude={"password"}, exclude_defaults=True)
    return content | ({"password": "changed"} if draft.password is not None else {})


@dataclass(frozen=True, slots=True)
class SettingsText:
    """A settings file as it was read."""

    path: Path
    content: str
    tables: Mapping[str, Any] | None
    """What it says; None where it is no TOML, which ``load_site`` tells of."""


def read_settings(path: Path) -> SettingsText:
    """Return what a settings file holds. Raises SettingsError for one that cannot be read."""
    try:
        content = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read: {error}") from error
    try:
        return SettingsText(path, content, tomllib.loads(content))
    except tomllib.TOMLDecodeError:
        return SettingsText(path, content, None)


def settings_files(site_file: Path) -> Iterator[SettingsText]:
    """Yield the site file and all files it includes. Raises SettingsError for one that cannot be read or lies outside its folder."""
    waiting, seen = [site_file], set[Path]()
    while waiting:
        path = waiting.pop(0)
        if path in seen:
            continue
        seen.add(path)
        if not path.resolve().is_relative_to(site_file.parent.resolve()):
            raise SettingsError(
                f"{path}: lies outside {site_file.parent}: settings can be changed here only where all of them lie within it"
            )
        text = read_settings(path)
        yield text
        patterns = [] if text.tables is None else text.tables.get("include", [])
        for pattern in patterns if isinstance(patterns, list) else []:
            if isinstance(pattern, str) and pattern and not pattern.startswith("/") and not re.search(r"(^|/)\.\.(/|$)", pattern):
                waiting.extend(sorted(path.parent.glob(pattern)))


def write_durable(path: Path, content: str, mode: int = 0o600) -> None:
    """Put a file in place at once, durable: who reads it sees the old or the new one, whole."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", suffix=".new", delete=False) as file:
        try:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _plain(model: BaseModel) -> dict[str, Any]:
    return model.model_dump(mode="json", exclude_defaults=True, exclude_none=True)
