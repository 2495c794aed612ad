"""The gate: the last look at a message before it leaves the house, as the bytes that would leave.

It shares no code with what made the message: not the check of process windows (``plant.process_windows.check``), not the reader of
messages (``plant.delivery_messages.read_message``), not floating point. It reads the text again by itself, subtracts as a person does, and
compares with what is known outside the message (``Standing``). What it refuses is never sent; nothing is clamped, rounded or mended.
"""

from __future__ import annotations

import hashlib
import hmac
import string
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Context, Decimal
from typing import Final

from delivery.gate_reading import Read, ReadQuantity, Unreadable, read
from delivery.gate_windows import of_offsets, of_window, swings, window_for
from delivery.gate_words import Refusal, Why
from plant.delivery_modes import Mode
from plant.process_windows import ProcessWindow

_EXACT: Final = Context(prec=700)
AHEAD_US: Final = 1_000_000
"""Two clocks of one house differ by less."""
LONGEST_US: Final = 7 * 86_400_000_000
SWING_MESSAGES: Final = 8
MOST_SWINGS: Final = 2
"""In a closed loop a parameter turns round so often at most in so many messages; what a person approved one by one may."""
OFFSETS: Final[dict[str, float]] = {"mm": 10.0, "deg": 5.0}
"""How far spindles may be moved either way, by unit, where nothing else is said."""
_PERSONLESS: Final = "closed loop"
"""Begins the actor of an approval that no person gave for this very message."""
_SHADOW: Final = "shadow"
"""Approves what is made to be looked at only."""
_HEX: Final = frozenset(string.hexdigits.lower())


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """All that is known of a work unit when a message would be sent to it; nothing of it comes from the message."""

    now_us: int
    work_unit: str
    """To whom it would go."""
    keys: Mapping[str, bytes]
    """Of its controller, by id."""
    mode: Mode
    mode_until_us: int | None = None
    """When a closed loop ends."""
    approved_by: str = ""
    """Who approved it: a person, or the two of a closed loop (``closed loop (name, name)``)."""
    ai_off: bool = False
    heard_us: int | None = None
    """When its controller was last heard."""
    silence_us: int | None = None
    """For how long it may be silent; None: no sign of life is expected of it."""
    inputs: str = ""
    """Why what recommendations rest on is not to be trusted now: bad, stale, gapped; empty: it is."""
    stale_us: int | None = None
    """Nothing goes out that rests on older measurements."""
    counter: int = 0
    """The highest that the work unit was ever sent, or says it has taken."""
    used: Container[str] = ()
    """Ids that were sent before."""
    windows: tuple[ProcessWindow, ...] = ()
    """Those in force now."""
    current: Mapping[str, tuple[float, str]] | None = None
    """Parameters in use with their units, read back or as last executed; None: nobody knows."""
    program: str = ""
    """The program that ``current`` belongs to; empty: that of the message."""
    changed_us: Mapping[str, int] = field(default_factory=dict)
    """When a parameter was last changed."""
    recent: Sequence[Mapping[str, float]] = ()
    """What was sent before for the program, oldest first."""
    programs: Container[str] | None = None
    """All that the work unit has; None: not known here."""
    parts: Container[tuple[str, str, str]] | None = None
    """Kind, name and version of all that may be switched on; None: not known here."""
    offsets: Mapping[str, float] = field(default_factory=lambda: OFFSETS)


def refusals(text: str, signature: str, standing: Standing) -> tuple[Refusal, ...]:
    """Return everything for which a message may not leave; nothing: it may."""
    if not _signed(text, signature, standing.keys):
        return (Refusal(Why.SIGNATURE),)
    try:
        told = read(text)
    except Unreadable as error:
        return (Refusal(Why.UNREADABLE, str(error)),)
    found = [*_of_mode(told, standing), *_of_controller(standing), *_of_time(told, standing), *_of_target(told, standing)]
    found += _of_inputs(told, standing)
    if told.kind == "offsets":
        found += of_offsets(told, standing.offsets)
    elif told.kind == "parameters" or (told.kind == "job" and told.parameters):
        found += _of_parameters(told, standing)
    elif told.parameters:
        found.append(Refusal(Why.KIND, told.kind))
    return tuple(found)


def _signed(text: str, signature: str, keys: Mapping[str, bytes]) -> bool:
    name, dot, digits = signature.partition(".")
    key = keys.get(name)
    if not dot or key is None or len(key) < 16 or len(digits) != 64 or not _HEX.issuperset(digits):
        return False
    try:
        mac = hmac.digest(key, text.encode("utf-8", "strict"), hashlib.sha256)
    except UnicodeEncodeError:
        return False
    return hmac.compare_digest(mac, bytes.fromhex(digits))


def _loops(standing: Standing) -> bool:
    """Whether a closed loop holds at this very moment."""
    return standing.mode == Mode.CLOSED_LOOP and standing.mode_until_us is not None and standing.now_us < standing.mode_until_us


def _by_a_person(standing: Standing) -> bool:
    return bool(standing.approved_by.strip()) and not standing.approved_by.startswith(_PERSONLESS)


def _of_mode(told: Read, standing: Standing) -> list[Refusal]:
    if standing.mode == Mode.OFF:
        return [Refusal(Why.MODE_OFF)]
    if standing.mode == Mode.SHADOW:
        return [Refusal(Why.MODE_SHADOW)]
    if _loops(standing) or (_by_a_person(standing) and standing.approved_by != _SHADOW):
        return []
    if standing.mode == Mode.CLOSED_LOOP:
        return [Refusal(Why.LOOP_ENDED)]
    # to keep a part where it is needs nobody's leave
    return [] if told.kind == "hold" else [Refusal(Why.NOT_APPROVED)]


def _of_controller(standing: Standing) -> list[Refusal]:
    found = []
    if standing.ai_off:
        found.append(Refusal(Why.AI_OFF))
    if standing.silence_us is not None and (standing.heard_us is None or standing.now_us - standing.heard_us > standing.silence_us):
        silent = "" if standing.heard_us is None else f"{(standing.now_us - standing.heard_us) / 1e6:.1f}"
        found.append(Refusal(Why.HEARTBEAT, value=silent, limit=f"{standing.silence_us / 1e6:g}", unit="s"))
    return found


def _of_time(told: Read, standing: Standing) -> list[Refusal]:
    found = []
    if told.issued_us > standing.now_us + AHEAD_US:
        found.append(Refusal(Why.FUTURE))
    if standing.now_us >= told.expires_us:
        found.append(Refusal(Why.EXPIRED))
    if not 0 < told.expires_us - told.issued_us <= LONGEST_US:
        found.append(Refusal(Why.LIFETIME))
    if told.counter <= standing.counter:
        found.append(Refusal(Why.COUNTER, value=str(told.counter), limit=str(standing.counter)))
    if told.id in standing.used:
        found.append(Refusal(Why.REPLAYED, told.id))
    return found


def _of_target(told: Read, standing: Standing) -> list[Refusal]:
    found = []
    if told.work_unit != standing.work_unit:
        found.append(Refusal(Why.OTHER_UNIT, told.work_unit, limit=standing.work_unit))
    if told.program and standing.programs is not None and told.program not in standing.programs:
        found.append(Refusal(Why.NO_PROGRAM, told.program))
    if told.kind == "changeover":
        kinds = [kind for kind, _, _ in told.parts]
        if not kinds or len(set(kinds)) != len(kinds):
            found.append(Refusal(Why.PARTS))
        found += [Refusal(Why.NO_PART, " ".join(one)) for one in told.parts if standing.parts is not None and one not in standing.parts]
    elif told.parts:
        found.append(Refusal(Why.KIND, told.kind))
    if told.kind in ("hold", "release") and not told.serial:
        found.append(Refusal(Why.NO_SERIAL))
    return found


def _of_inputs(told: Read, standing: Standing) -> list[Refusal]:
    if told.basis_to_us is not None and told.basis_to_us > standing.now_us + AHEAD_US:
        return [Refusal(Why.FUTURE, "basis")]
    if told.kind in ("hold", "release", "changeover", "design_change"):
        return []
    if standing.inputs:
        return [Refusal(Why.INPUTS, standing.inputs)]
    if told.basis_to_us is None:
        alone = told.kind in ("parameters", "offsets") and not _by_a_person(standing)
        return [Refusal(Why.NO_BASIS)] if alone else []
    age = standing.now_us - told.basis_to_us
    if standing.stale_us is not None and age > standing.stale_us:
        return [Refusal(Why.STALE, value=f"{age / 1e6:.0f}", limit=f"{standing.stale_us / 1e6:.0f}", unit="s")]
    return []


def _of_parameters(told: Read, standing: Standing) -> list[Refusal]:
    if not told.parameters:
        return [Refusal(Why.MISSING, "parameters")]
    if not told.program:
        return [Refusal(Why.MISSING, "program")]
    window = window_for(standing.windows, standing.work_unit, told.program, told.job)
    if window is None:
        return [Refusal(Why.NO_WINDOW, told.program)]
    found = []
    if told.window_version != window.version:
        said = "none" if told.window_version is None else str(told.window_version)
        found.append(Refusal(Why.WINDOW, value=said, limit=str(window.version)))
    current = _current(standing, told)
    found += of_window(told.parameters, window, current, standing.changed_us, standing.now_us)
    if standing.current is not None and standing.program not in ("", told.program):
        found.append(Refusal(Why.OTHER_PROGRAM, told.program, limit=standing.program))
    if not _by_a_person(standing):
        if current is None:
            found.append(Refusal(Why.NOT_READ_BACK))
        found += _of_swings(told.parameters, window, standing)
    return found


def _current(standing: Standing, told: Read) -> dict[str, tuple[Decimal, str]] | None:
    if standing.current is None:
        return None
    names = {one.name for one in told.parameters}
    return {name: (_EXACT.create_decimal(repr(float(value))), unit) for name, (value, unit) in standing.current.items() if name in names}


def _of_swings(parameters: tuple[ReadQuantity, ...], window: ProcessWindow, standing: Standing) -> list[Refusal]:
    """Back and forth: a loop that is closed and does not settle."""
    bands = {one.name: _EXACT.create_decimal(repr(float(one.dead_band))) for one in window.parameters}
    found = []
    for one in parameters:
        before = [_EXACT.create_decimal(repr(float(sent[one.name]))) for sent in standing.recent if one.name in sent]
        turned = swings([*before[-SWING_MESSAGES + 1 :], one.value], bands.get(one.name, Decimal(0)))
        if turned > MOST_SWINGS:
            found.append(Refusal(Why.SWINGS, one.name, str(turned), str(MOST_SWINGS)))
    return found
