"""Reasons of shares as sentences in English; the dashboard has them in the languages of its readers."""

from __future__ import annotations

from typing import Final

from plant.sharing import NONE, Reason, ShareProblem, ShareReason

_WORDS: Final = {
    ShareReason.NO_CENTRE: "no centre can do it",
    ShareReason.OTHER_CENTRE: "it is done at {centre}, though alone it would be done elsewhere",
    ShareReason.OWN_RESERVE: "{hours} of it are its factory's own reserve",
    ShareReason.PAID_BACK: "{hours} of it {factory} gives back for what it had borrowed",
    ShareReason.LENT: "{hours} of it are lent by {factory}, which does not need them then",
    ShareReason.COMMON: "{hours} of it are hours that nobody has reserved",
    ShareReason.NOT_RELEASED: "it could not begin before period {period}",
    ShareReason.OWN_FIRST: "until {period}, {hours} of its centre went to {count} other orders of its own factory",
    ShareReason.OTHERS_RESERVE: "until {period}, {hours} of its centre went to other factories within their reserve, most to {factory}",
    ShareReason.OTHERS_TURN: "until {period}, {hours} of its centre beyond reserves went to other factories, most to {factory}: their turn",
    ShareReason.CLOSED: "until {period} its centre had no hours",
    ShareReason.EARLIER: "it ends {periods} earlier than alone",
    ShareReason.AS_ALONE: "it ends when it would alone",
    ShareReason.LENT_AWAY: "it ends {periods} later than alone, and in time: its factory's hours are lent until it needs them",
    ShareReason.ONLY_SHARED: "it ends in these periods; alone it would not",
    ShareReason.LATE: "it is {periods} late",
    ShareReason.UNFINISHED: "{hours} of it are left after the last period",
}


def reason_words(reason: Reason, problem: ShareProblem) -> str:
    """Return a reason as a sentence."""
    return _WORDS[reason.code].format(
        hours=f"{reason.hours:.2f} h",
        factory=problem.factories[reason.factory] if reason.factory != NONE else "",
        centre=problem.centres[reason.centre].name if reason.centre != NONE else "",
        period=problem.periods[reason.period].name if reason.period != NONE else "the last period",
        count=reason.count,
        periods="1 period" if reason.count == 1 else f"{reason.count} periods",
    )
