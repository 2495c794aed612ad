"""Why an order gets hours when it does, and what rules and figures of sharing are called, in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from dashboard.texts import Texts
from dashboard.views_part_orders import ReasonView
from plant.sharing import ShareReason

SHARE_REASONS: Final[dict[str, str]] = {
    ShareReason.NO_CENTRE: "No centre can do it.",
    ShareReason.OWN_RESERVE: "{hours} h of it are in what {own} has reserved.",
    ShareReason.LENT: "{hours} h of it are lent by {factory}, which does not need them then.",
    ShareReason.PAID_BACK: "{hours} h of it are given back by {factory} for what it had borrowed before.",
    ShareReason.COMMON: "{hours} h of it are in what nobody has reserved.",
    ShareReason.NOT_RELEASED: "It may not begin before {period}.",
    ShareReason.OWN_FIRST: "It waits until {period}: {hours} h of its centre go to other orders of {own} first (orders: {count}).",
    ShareReason.OTHERS_RESERVE: "It waits until {period}: {hours} h of its centre are others' own reserve, most of it {factory}'s.",
    ShareReason.OTHERS_TURN: "It waits until {period}: {hours} h beyond the reserves go to others, most to {factory}, whose turn it is.",
    ShareReason.CLOSED: "It waits until {period}: its centre has no hours before.",
    ShareReason.OTHER_CENTRE: "It is done at {centre}; with the reserve of {own} alone it would be done elsewhere.",
    ShareReason.EARLIER: "It ends earlier than with the reserve of {own} alone; periods earlier: {count}.",
    ShareReason.AS_ALONE: "It ends when it would with the reserve of {own} alone.",
    ShareReason.LENT_AWAY: "It ends later than with the reserve of {own} alone, and in time: those hours are lent until {own} needs them "
    "(periods later: {count}).",
    ShareReason.ONLY_SHARED: "It ends in these periods; with the reserve of {own} alone it would not.",
    ShareReason.LATE: "It ends after it is due; periods late: {count}.",
    ShareReason.UNFINISHED: "{hours} h of it are left after the last period that is shared out.",
}
"""English, by code. ``{own}`` is the order's factory; the other values are those of ``plant.sharing``."""
_NO_PERIOD: Final[dict[str, str]] = {
    ShareReason.OWN_FIRST: "It waits to the end: {hours} h of its centre go to other orders of {own} first (orders: {count}).",
    ShareReason.OTHERS_RESERVE: "It waits to the end: {hours} h of its centre are others' own reserve, most of it {factory}'s.",
    ShareReason.OTHERS_TURN: "It waits to the end: {hours} h beyond the reserves go to others, most to {factory}, whose turn it is.",
    ShareReason.CLOSED: "It waits to the end: its centre has no hours.",
}
SHARE_WORDS: Final = frozenset({*SHARE_REASONS.values(), *_NO_PERIOD.values()})


def reason_views(reasons: Sequence[Mapping[str, Any]], own: str, zone: str, t: Texts) -> tuple[ReasonView, ...]:
    """Return reasons as they are kept, each as a sentence. One of a code that is not known here is told by its code."""
    return tuple(_reason(one, own, zone, t) for one in reasons)


def _reason(one: Mapping[str, Any], own: str, zone: str, t: Texts) -> ReasonView:
    code = str(one.get("code", ""))
    values = {key: value for key, value in one.items() if key != "code"}
    sentences = SHARE_REASONS if "period_us" in values else {**SHARE_REASONS, **_NO_PERIOD}
    shown = {
        "own": own,
        "hours": f"{float(values.get('hours', 0.0)):.2f}".rstrip("0").rstrip("."),
        "factory": values.get("factory", "\N{EN DASH}"),
        "centre": values.get("centre", "\N{EN DASH}"),
        "period": _period(values.get("period_us"), zone),
        "count": values.get("count", 0),
    }
    return ReasonView(code, values, t(sentences[code]).format(**shown) if code in sentences else code)


def _period(time_us: int | None, zone: str) -> str:
    if time_us is None:
        return "\N{EN DASH}"
    return datetime.fromtimestamp(time_us // 1_000_000, UTC).astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M")


def rule_words(rule: str, t: Texts) -> tuple[str, str]:
    """Return a rule's name, and what it does in two sentences."""
    if rule == "proportional":
        return t("proportional"), t(
            "Each factory gets the same part of what it needs. "
            "What it has reserved stays its own: no order that is wanted in these periods is late because of others."
        )
    return t("weighted max-min"), t(
        "Each factory gets as many hours for each hour it has reserved, and what one does not need goes to the others. "
        "What it has reserved stays its own: no order that is wanted in these periods is late because of others."
    )
