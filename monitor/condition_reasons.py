"""Why a number is not as usual, as codes and numbers of which a page makes sentences in any language."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Final

from monitor.changes import APART, LEVEL, PAIR, Call
from monitor.step_features import DURATION
from plant.condition import Severity
from storage.condition import StreamKey

MOST_REASONS: Final = 3
_CODES: Final = {"mean": "level", "peak": "peak", "spread": "noise", "tilt": "tilt", DURATION: "duration"}
_LOGARITHMS: Final = frozenset({"spread", DURATION})
_CLEAR, _STRONG = 1.4, 2.0


def severity_of(ratio: float) -> Severity:
    """Return how much a number asks for that is so many times as far off as its limit."""
    return Severity.STRONG if ratio >= _STRONG else Severity.CLEAR if ratio >= _CLEAR else Severity.SLIGHT


def reasons_of(calls: Iterable[Call], streams: Sequence[StreamKey]) -> tuple[dict[str, Any], ...]:
    """Return the strongest reasons, one a signal."""
    found: dict[str, dict[str, Any]] = {}
    for call in sorted(calls, key=lambda one: -one.ratio):
        key = streams[call.number]
        if key.signal not in found:
            found[key.signal] = _reason(call, key, streams)
    return tuple(list(found.values())[:MOST_REASONS])


def _reason(call: Call, key: StreamKey, streams: Sequence[StreamKey]) -> dict[str, Any]:
    partner = streams[call.partner] if call.partner >= 0 else None
    return {
        "code": _code(call, key.feature),
        "signal": key.signal,
        "feature": key.feature,
        "partner": None if partner is None else partner.signal,
        "percent": _percent(call, key.feature),
        "deviations": round(call.deviations, 2),
        "level": _plain(call.level, key.feature),
        "usual": _plain(call.middle, key.feature),
        "parts": call.parts,
        "ratio": round(call.ratio, 3),
    }


def _code(call: Call, feature: str) -> str:
    if call.kind in {PAIR, APART}:
        return "apart"
    if call.kind != LEVEL:
        return "scatter" if call.deviations > 0 else "still"
    return f"{_CODES[feature]}_{'high' if call.deviations > 0 else 'low'}"


def _percent(call: Call, feature: str) -> float | None:
    """Return how far off in percent, None where a percentage would say nothing: of a difference, or of about zero."""
    if feature in _LOGARITHMS:
        return round(100 * math.expm1(min(call.level - call.middle, 20.0)), 1)
    if feature == "tilt" or abs(call.middle) < 1e-9 or abs(call.level) > 1e3 * abs(call.middle):
        return None
    return round(100 * (call.level - call.middle) / abs(call.middle), 1)


def _plain(value: float, feature: str) -> float:
    """Return a number in the signal's own unit."""
    return float(f"{math.exp(min(value, 700.0)) if feature in _LOGARITHMS else value:.5g}")
