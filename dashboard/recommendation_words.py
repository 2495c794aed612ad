"""What recommendations say, in the reader's language: stages, reasons, what to watch, what evidence is missing."""

from __future__ import annotations

from dashboard.texts import Texts
from plant.recommendations import Answer, Declined, Missing, Stage, WatchPoint

LOOKS = {
    Stage.PROPOSED: "warning",
    Stage.APPROVED: "waiting",
    Stage.SENT: "waiting",
    Stage.ACCEPTED: "waiting",
    Stage.IN_DOUBT: "critical",
    Stage.REFUSED: "bad",
    Stage.ROLLED_BACK: "bad",
}
"""How stages look that are not normal: a proposal asks for somebody's decision."""


def stage_words(stage: str | None, t: Texts) -> str:
    """Return a stage in words; None: there is nothing to decide."""
    words = {
        Stage.PROPOSED: t("to decide"),
        Stage.APPROVED: t("approved"),
        Stage.DECLINED: t("declined"),
        Stage.SENT: t("sent"),
        Stage.ACCEPTED: t("accepted by the line"),
        Stage.REFUSED: t("refused by the line"),
        Stage.EXPIRED: t("expired"),
        Stage.IN_DOUBT: t("in doubt"),
        Stage.EXECUTED: t("in use"),
        Stage.MEASURED: t("measured"),
        Stage.ROLLED_BACK: t("rolled back"),
    }
    return t("nothing to decide") if stage is None else words[Stage(stage)]


def answer_words(answer: str, t: Texts) -> str:
    """Return what is said of a product in words."""
    words = {
        Answer.RECOMMENDED: t("another route is better"),
        Answer.KEEP_CURRENT: t("keep the current route"),
        Answer.NOT_ENOUGH_EVIDENCE: t("not enough evidence"),
    }
    return words[Answer(answer)]


def declined_words(reason: str, t: Texts) -> str:
    """Return why something was declined or ended, in words."""
    words = {
        Declined.CAPACITY: t("the work unit has no time for it"),
        Declined.NOT_READY: t("tool, program or fixture is not ready"),
        Declined.QUALITY: t("parts may become worse"),
        Declined.WRONG_FACTS: t("it rests on wrong facts"),
        Declined.NOT_WORTH_IT: t("the gain is not worth the change"),
        Declined.NOT_NOW: t("not now"),
        Declined.OTHER: t("another reason, as noted"),
        "superseded": t("a newer answer stands for it"),
        "time": t("its time was over"),
    }
    return words.get(reason, reason)


def against_words(against: str | None, t: Texts) -> str:
    """Return what a gain is against."""
    words = {
        "current": t("the current route"),
        "nearest": t("the nearest product's best route"),
        "proposed": t("the route proposed before"),
    }
    return words.get(against or "", against or "")


def pareto_words(label: str, t: Texts) -> str:
    """Return which of the routes that none beats one is."""
    words = {
        "recommended": t("recommended"),
        "cheapest": t("least cost"),
        "fastest": t("fastest"),
        "highest_yield": t("highest yield"),
        "least_energy": t("least energy"),
        "balanced": t("balanced"),
    }
    return words.get(label, label)


def watch_words(point: WatchPoint, t: Texts) -> str:
    """Return what to look at on the first parts; a point without words here says its own."""
    values = point.values
    try:
        if point.code == "wide_interval":
            return t(
                "{operation}: may take {low} to {high} minutes; time the first parts.",
                operation=point.operation,
                low=f"{float(values['low']):.1f}",
                high=f"{float(values['high']):.1f}",
            )
        if point.code == "low_yield":
            return t(
                "{operation}: {share} % are expected to pass at the first go; inspect each of the first parts.",
                operation=point.operation,
                share=f"{100 * float(values['first_pass']):.1f}",
            )
        if point.code == "few_rows":
            return t("{operation}: only {n} measurements.", operation=point.operation, n=f"{float(values['count']):.0f}")
        if point.code == "no_near_rows":
            return t("{operation}: none of the nearest products was made so.", operation=point.operation)
        if point.code == "near_window_edge":
            return t(
                "{operation}: {parameter} {value} is near the edge of its process window, {low} to {high}.",
                operation=point.operation,
                parameter=values["parameter"],
                value=f"{float(values['value']):g}",
                low=f"{float(values['low']):g}",
                high=f"{float(values['high']):g}",
            )
    except (KeyError, ValueError, TypeError):
        pass
    return point.text


def missing_words(one: Missing, t: Texts) -> str:
    """Return which evidence is missing."""
    words = {
        "no_alternative": t("rules and process windows leave no alternative"),
        "not_supported": t("its features lie outside of what was made"),
        "never_measured": t("none of its alternatives was ever measured"),
    }
    said = words.get(one.code)
    return one.text if said is None else f"{one.operation or t('Route')}: {said}"
