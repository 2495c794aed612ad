"""What differs between two sets of process windows, and one window written into the text of a set. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeAlias

from plant.errors import SettingsError
from plant.process_windows import ProcessWindow, WindowSet, parse_windows
from plant.toml_text import toml_key, toml_value

Limit: TypeAlias = float | str | None
_HEAD: Final = re.compile(r"^[ \t]*\[\[[ \t]*windows[ \t]*\]\]", re.MULTILINE)


class Differs(StrEnum):
    """What became of a window or of one of its limits."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


class Side(StrEnum):
    """Whether a change allows more or less than before."""

    WIDER = "wider"
    """More may be recommended than before: this is what an approver looks for."""
    NARROWER = "narrower"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class LimitChange:
    """One limit that is another one now."""

    of: str
    """``parameter``, ``joint_limit``, ``response`` or ``objective``."""
    name: str
    field: str
    """``low``, ``high``, ``step``, ...; empty where the whole of it came or went."""
    before: Limit
    after: Limit
    unit: str
    side: Side


@dataclass(frozen=True, slots=True)
class WindowChange:
    """What became of one window."""

    work_unit: str
    program: str
    job: str
    what: Differs
    version_before: int | None
    version_after: int | None
    limits: tuple[LimitChange, ...]

    @property
    def silent(self) -> bool:
        """Whether limits changed without a new version of the window: who checks versions would not see it."""
        return bool(self.limits) and self.version_before == self.version_after


def window_changes(before: WindowSet | None, after: WindowSet) -> tuple[WindowChange, ...]:
    """Return what differs, window by window in the order of the newer set; those that are gone come last."""
    old = {} if before is None else {key_of(one): one for one in before.windows}
    new = {key_of(one): one for one in after.windows}
    found = []
    for key, window in new.items():
        was = old.get(key)
        if was is None:
            found.append(WindowChange(*key, Differs.ADDED, None, window.version, ()))
            continue
        limits = tuple(_limits(was, window))
        if limits or was != window:
            found.append(WindowChange(*key, Differs.CHANGED, was.version, window.version, limits))
    found += [WindowChange(*key, Differs.REMOVED, was.version, None, ()) for key, was in old.items() if key not in new]
    return tuple(found)


def key_of(window: ProcessWindow) -> tuple[str, str, str]:
    """Return what a window is for: work unit, program and job; no two of a set have the same."""
    return window.work_unit, window.program, window.job


def _limits(was: ProcessWindow, window: ProcessWindow) -> Iterator[LimitChange]:
    pieces = (
        ("parameter", was.parameters, window.parameters, ("unit", "low", "high", "step", "rate", "dead_band")),
        ("joint_limit", was.joint_limits, window.joint_limits, ("unit", "low", "high", "formula", "efficiency", "of")),
        ("response", was.responses, window.responses, ("unit", "low", "high")),
    )
    for of, before, after, fields in pieces:
        old, new = {one.name: one for one in before}, {one.name: one for one in after}
        for name in [*old, *(each for each in new if each not in old)]:
            first, second = old.get(name), new.get(name)
            if first is None or second is None:
                side = Side.OTHER if of == "parameter" else Side.WIDER if second is None else Side.NARROWER
                unit = (first or second).unit  # type: ignore[union-attr]  # the name is in one of the two
                yield LimitChange(of, name, "", _span(first), _span(second), unit, side)
                continue
            for field in fields:
                then, now = _field(first, field), _field(second, field)
                if then != now:
                    yield LimitChange(of, name, field, then, now, second.unit, _side(field, then, now))
    if was.objective != window.objective:
        then, now = was.objective.scrap_max, window.objective.scrap_max
        yield LimitChange("objective", "scrap_max", "high", then, now, "1", _side("high", then, now))


def _field(piece: Any, field: str) -> Limit:
    if field == "of":  # what a joint limit is reckoned from
        return ", ".join(f"{name} x {weight:g}" for name, weight in piece.weights.items()) or ", ".join(piece.parameters)
    value: Limit = getattr(piece, field)
    return value


def _span(piece: Any) -> Limit:
    if piece is None:
        return None
    low, high = ("" if each is None else f"{each:g}" for each in (piece.low, piece.high))
    return f"{low} … {high}".strip()


def _side(field: str, before: Limit, after: Limit) -> Side:
    """Return what a change allows: no limit at all allows most."""
    if field not in ("low", "high", "step", "rate") or isinstance(before, str) or isinstance(after, str):
        return Side.OTHER
    if before is None or after is None:
        return Side.WIDER if after is None else Side.NARROWER
    up = after > before
    return Side.WIDER if up != (field == "low") else Side.NARROWER


def with_window(text: str, window: ProcessWindow) -> str:
    """Return the text of a set with one window in it, in the place of the one for the same work unit, program and job, else at the end.

    All else stays as its author wrote it, remarks too, as long as each window stands below a ``[[windows]]`` of its own; otherwise the
    whole text is written anew. Raises SettingsError where the result would not say what it should.
    """
    known = parse_windows(text).windows if text.strip() else ()
    at = next((number for number, one in enumerate(known) if key_of(one) == key_of(window)), None)
    wanted = (*known, window) if at is None else (*known[:at], window, *known[at + 1 :])
    spliced = _spliced(text, at, len(known), window_text(window))
    for found in (spliced, "\n".join(window_text(one) for one in wanted)):
        if found is not None and _says(found, wanted):
            return found
    raise SettingsError("the window cannot be written as TOML without loss")


def _spliced(text: str, at: int | None, known: int, piece: str) -> str | None:
    if at is None:
        return f"{text.rstrip()}\n\n{piece}".lstrip("\n")
    heads = [found.start() for found in _HEAD.finditer(text)]
    if len(heads) != known:
        return None
    end = heads[at + 1] if at + 1 < known else len(text)
    return f"{text[: heads[at]]}{piece}{'' if end == len(text) else chr(10)}{text[end:]}"


def _says(text: str, wanted: tuple[ProcessWindow, ...]) -> bool:
    try:
        return parse_windows(text).windows == wanted
    except SettingsError:
        return False


def window_text(window: ProcessWindow) -> str:
    """Return one window as it stands in ``windows.toml``."""
    told: dict[str, Any] = window.model_dump(mode="json", exclude_defaults=True, exclude_none=True)
    lines = ["[[windows]]", *_lines({key: value for key, value in told.items() if key in _PLAIN})]
    for name in ("parameters", "joint_limits", "responses"):
        for one in told.get(name, ()):
            lines += ["", f"[[windows.{name}]]", *_lines(one)]
    if told.get("objective"):
        lines += ["", "[windows.objective]", *_lines(told["objective"])]
    return "\n".join(lines) + "\n"


_PLAIN: Final = ("work_unit", "program", "job", "version", "author", "approver")


def _lines(told: Mapping[str, Any]) -> list[str]:
    return [f"{toml_key(key)} = {toml_value(value)}" for key, value in told.items()]
