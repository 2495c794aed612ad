"""Whether what is in force at a controller is what a message asked for: pure functions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Final

from delivery.ways import ReadBack
from plant.deliveries import Kind, Message, Quantity
from plant.settings_delivery import ToleranceSettings

_READ_BACK: Final = frozenset({Kind.PARAMETERS, Kind.OFFSETS, Kind.CHANGEOVER})
_SINGLE: Final = 2.0**-23
"""Controllers keep a REAL in 32 bits: 8.9 comes back as 8.899999619."""


def is_read_back(message: Message) -> bool:
    """Return whether a message asks for something that can be read back."""
    return message.kind in _READ_BACK and bool(message.parameters or message.parts)


def unlike(message: Message, read: ReadBack, tolerances: Sequence[ToleranceSettings]) -> list[str]:
    """Return a sentence for each thing that is not as asked for; none: it is in force."""
    return [*_parameters(message, read.parameters, tolerances), *_parts(message, read)]


def _parameters(message: Message, read: Iterable[Quantity], tolerances: Sequence[ToleranceSettings]) -> Iterable[str]:
    found = {one.name: one for one in read}
    for asked in message.parameters:
        is_ = found.get(asked.name)
        if is_ is None:
            yield f"{asked.name} was not read back"
        elif is_.unit != asked.unit:
            yield f"{asked.name} is {is_.value:.9g} {is_.unit}, asked for was {asked.value:.9g} {asked.unit}"
        elif not abs(is_.value - asked.value) <= _allowed(asked, tolerances):
            yield f"{asked.name} is {is_.value:.9g} {is_.unit}, not {asked.value:.9g}"


def _allowed(asked: Quantity, tolerances: Sequence[ToleranceSettings]) -> float:
    single = abs(asked.value) * _SINGLE
    for one in tolerances:
        if fnmatchcase(asked.name, one.name):
            return max(one.absolute, one.share * abs(asked.value), single)
    return single if math.isfinite(single) else 0.0


def _parts(message: Message, read: ReadBack) -> Iterable[str]:
    found = {one.kind: one for one in read.parts}
    for asked in message.parts:
        is_ = found.get(asked.kind)
        words = asked.kind.replace("_", " ")
        if is_ is None:
            yield f"{words} was not read back"
        elif (is_.name, is_.version) != (asked.name, asked.version):
            yield f"{words} is {is_.name} {is_.version}, not {asked.name} {asked.version}"
