"""What fine-tuning says, in the reader's language: why a trial is proposed, why none is, what became of it."""

from __future__ import annotations

from dashboard.texts import Texts
from plant.tuning import Outcome, Purpose, Refused


def purpose_words(purpose: str, t: Texts) -> str:
    """Return why a point is proposed."""
    return {
        Purpose.LEARN: t("a small step that tells more"),
        Purpose.IMPROVE: t("the best point that is safe beyond doubt"),
        Purpose.CONFIRM: t("the accepted recipe once more, to be surer of it"),
        Purpose.RETURN: t("back to the accepted recipe"),
    }[Purpose(purpose)]


def refused_words(reason: str, t: Texts) -> str:
    """Return why nothing is proposed."""
    return {
        Refused.NO_WINDOW: t("There is no process window for this program."),
        Refused.NO_BASELINE: t("The accepted recipe has not been measured yet."),
        Refused.BASELINE_OUTSIDE: t("What is in use lies outside of its process window."),
        Refused.NOTHING_SAFE: t("No point within reach is safe beyond doubt."),
        Refused.NO_GAIN: t("No point is expected to be better by what is worth a trial: the accepted recipe stays."),
        Refused.BUDGET: t("The trials that were allowed are used up."),
        Refused.ROLLED_BACK: t("The accepted recipe itself has become worse: look at material, tool and fixture first."),
    }[Refused(reason)]


def outcome_words(outcome: str | None, t: Texts) -> str:
    """Return what became of a trial."""
    if outcome is None:
        return t("accepted recipe")
    return {Outcome.BETTER: t("better"), Outcome.SAME: t("as good"), Outcome.WORSE: t("worse, rolled back")}[Outcome(outcome)]
