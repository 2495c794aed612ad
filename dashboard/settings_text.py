"""Changes of single values in the text of a settings file, so that its comments and order stay; and what of a text may be shown.

A change made in text is read again and compared with what was meant: where they are not the same, nothing is changed.
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dashboard.views_settings import DifferenceLine
from plant.errors import SettingsError
from plant.toml_text import toml_value

_HEADER = re.compile(r"^[ \t]*\[\[?[ \t]*([A-Za-z0-9_-]+)", re.MULTILINE)
_TOP_KEY = re.compile(r"^[ \t]*([A-Za-z0-9_-]+)[ \t]*=", re.MULTILINE)
_LIMITS = re.compile(r"^([ \t]*)limits[ \t]*=[ \t]*\{[^}\n]*\}[ \t]*(#[^\n]*)?\n?", re.MULTILINE)
_IN_ADDRESS = re.compile(r"(://[^\s/\"':@]*:)[^\s/\"'@]+(@)")
_IN_KEY = re.compile(r"^([ \t]*(?:[\w-]*(?:password|secret|token)|[\w-]*_key)[ \t]*=[ \t]*)(\"[^\"\n]*\"|'[^'\n]*')", re.MULTILINE)
_HIDDEN = "•••"


def without_secrets(content: str) -> str:
    """Return a text with the passwords in it hidden."""
    return _IN_KEY.sub(rf'\1"{_HIDDEN}"', _IN_ADDRESS.sub(rf"\1{_HIDDEN}\2", content))


def holds_secret(content: str) -> bool:
    """Return whether a text holds a password."""
    return without_secrets(content) != content


def difference(before: str, after: str) -> tuple[DifferenceLine, ...]:
    """Return the lines that go and come, each with three lines around it."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=3, lineterm="")
    kinds = {"+": "in", "-": "out", "@": "place", " ": "same"}
    return tuple(
        DifferenceLine(kinds[line[0]], line[1:] if line[0] != "@" else line)  # type: ignore[arg-type]  # one of the four
        for n, line in enumerate(lines)
        if n >= 2
    )


def places(content: str) -> dict[str, list[int]]:
    """Return the lines, from 1, on which each top-level table begins and each top-level key stands, by name."""
    found: dict[str, list[int]] = {}
    for match in _HEADER.finditer(content):
        if not content[match.end() :].lstrip(" \t").startswith("."):
            found.setdefault(match[1], []).append(content.count("\n", 0, match.start()) + 1)
    first = _HEADER.search(content)
    for match in _TOP_KEY.finditer(content, 0, first.start() if first else len(content)):
        found.setdefault(match[1], []).append(content.count("\n", 0, match.start()) + 1)
    return found


def with_limits(content: str, rule: int, limits: Mapping[str, float]) -> str:
    """Return the text with other limits of one ``[[signals]]``, counted from 1. Raises SettingsError where it cannot be changed so."""
    begin, end = _span(content, "signals", rule)
    line = f"limits = {toml_value(dict(limits))}" if limits else ""

    def change(table: str) -> str:
        found = _LIMITS.search(table)
        if found is None:
            return f"{table.rstrip()}\n{line}\n" + table[len(table.rstrip()) :].lstrip("\n").join(["\n", ""]) if line else table
        note = f"  {found[2]}" if found[2] and line else ""
        return table[: found.start()] + (f"{found[1]}{line}{note}\n" if line else "") + table[found.end() :]

    def meant(file: dict[str, Any]) -> None:
        file["signals"][rule - 1].pop("limits", None)
        if limits:
            file["signals"][rule - 1]["limits"] = dict(limits)

    return _checked(content, content[:begin] + change(content[begin:end]) + content[end:], meant)


def with_shift(content: str, calendar: int, shift: str, *, begin: str, end: str, days: tuple[str, ...]) -> str:
    """Return the text with another begin, end and days of a shift of one ``[[calendars]]``. Raises SettingsError likewise."""
    first, past = _span(content, "calendars", calendar)
    table = content[first:past]
    at, to = _shift_span(table, shift)
    changed = table[at:to]
    for key, value in (("from", begin), ("to", end), ("days", list(days))):
        pattern = re.compile(rf"(?<![\w-]){key}[ \t]*=[ \t]*(\"[^\"\n]*\"|'[^'\n]*'|\[[^\]]*\])")
        found = pattern.search(changed)
        if found is not None:
            changed = changed[: found.start()] + f"{key} = {toml_value(value)}" + changed[found.end() :]
        elif key == "days" and list(days) != ["mon", "tue", "wed", "thu", "fri"]:
            changed = changed.replace("{", "{ days = " + toml_value(value) + ",", 1)

    def meant(file: dict[str, Any]) -> None:
        wanted = next(one for one in file["calendars"][calendar - 1]["shifts"] if one["name"] == shift)
        given = "days" in wanted or list(days) != ["mon", "tue", "wed", "thu", "fri"]
        wanted.update({"from": begin, "to": end} | ({"days": list(days)} if given else {}))

    return _checked(content, content[:first] + table[:at] + changed + table[to:] + content[past:], meant)


def _span(content: str, table: str, number: int) -> tuple[int, int]:
    """Return where the text of one table of an array stands, its header and tables below it included."""
    begins = list(re.finditer(rf"^[ \t]*\[\[[ \t]*{table}[ \t]*\]\]", content, re.MULTILINE))
    if number > len(begins):
        raise SettingsError(f"there is no [[{table}]] number {number}: load the page again, or change the text")
    begin = begins[number - 1].start()
    own = re.compile(rf"[ \t]*\[\[?[ \t]*{table}[ \t]*\.")
    headers = re.finditer(r"^[ \t]*\[(?=[\[\w\"])[^\n]*\]", content[begins[number - 1].end() :], re.MULTILINE)
    past = next((begins[number - 1].end() + one.start() for one in headers if not own.match(one[0])), len(content))
    return begin, past


def _shift_span(table: str, shift: str) -> tuple[int, int]:
    """Return where the inline table of a shift stands."""
    named = re.compile(rf"(?<![\w-])name[ \t]*=[ \t]*(?:{re.escape(json.dumps(shift, ensure_ascii=False))}|'{re.escape(shift)}')")
    for begin, end in _inline_tables(table):
        if named.search(table, begin, end):
            return begin, end
    raise SettingsError(f"shift '{shift}' is not written as {{ name = ... }}: change the text of the file")


def _inline_tables(text: str) -> Iterator[tuple[int, int]]:
    """Yield where each outermost ``{...}`` begins and ends."""
    depth = begin = 0
    for match in re.finditer(r"\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'|#[^\n]*|[{}]", text):
        if match[0] == "{":
            begin = match.start() if depth == 0 else begin
            depth += 1
        elif match[0] == "}":
            depth -= 1
            if depth == 0:
                yield begin, match.end()


def _checked(before: str, after: str, meant: Callable[[dict[str, Any]], None]) -> str:
    """Return the changed text where it says what was meant and nothing else."""
    wanted = tomllib.loads(before)
    try:
        meant(wanted)
        said = tomllib.loads(after)
    except (tomllib.TOMLDecodeError, KeyError, IndexError, StopIteration) as error:
        raise SettingsError("this cannot be changed by the form: change the text of the file") from error
    if said != wanted:
        raise SettingsError("this cannot be changed by the form: change the text of the file")
    return after
