"""What versions of the plan, jobs of the planner and locks are called to people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dashboard.texts import Texts
from dashboard.views_plan import PlanJobView, PlanVersionView

_MOST_CAUSES = 3


def reason_words(reason: str, t: Texts) -> str:
    """Return why a version was made."""
    words = {
        "first": t("the first plan"),
        "orders": t("orders changed"),
        "shifted": t("shifted at once"),
        "repaired": t("repaired"),
        "improved": t("made better"),
        "edit": t("a person's edit"),
        "undo": t("an earlier plan holds again"),
        "what_if": t("what if"),
        "adopted": t("a what-if was taken over"),
        "replan": t("planned again"),
    }
    return words.get(reason, reason)


def cause_words(causes: Sequence[Mapping[str, Any]], t: Texts) -> str:
    """Return what brought a version about: the first few, by name."""
    told = [words for cause in causes if (words := _cause(cause, t))]
    more = [t("and {n} more", n=len(told) - _MOST_CAUSES)] if len(told) > _MOST_CAUSES else []
    return ", ".join([*told[:_MOST_CAUSES], *more])


def _cause(cause: Mapping[str, Any], t: Texts) -> str:
    what = cause.get("what")
    if what == "disturbance":
        return f"{disturbance_words(str(cause.get('kind', '')), t)} {cause.get('subject', '')}".strip()
    if what == "orders":
        counts = {name: len(cause.get(name) or ()) for name in ("added", "changed", "gone")}
        return t("orders: {added} new, {changed} changed, {gone} gone", **counts)
    if what == "edit":
        return t("edit of {part}", part=cause.get("job_order", ""))
    if what == "search":
        return t("{share} better", share=f"{cause.get('gain_percent', 0)} %")
    if what == "learned":
        return t("new measurements")
    return str(cause.get("words", "")) if what in {"refused", "left_out"} else ""


def disturbance_words(kind: str, t: Texts) -> str:
    """Return what a kind of disturbance is called."""
    words = {
        "breakdown": t("breakdown"),
        "slow_unit": t("works slower"),
        "queue": t("queue"),
        "quality_hold": t("part held"),
        "late_material": t("material late"),
        "design_changed": t("design changed"),
        "rush_job": t("rush order"),
        "absence": t("people away"),
        "cancelled": t("cancelled"),
    }
    return words.get(kind, kind.replace("_", " "))


def lock_words(lock: str, t: Texts) -> str:
    """Return why an operation stands fast; nothing where it does not."""
    return {"started": t("it has started"), "frozen": t("frozen zone"), "person": t("locked by a person")}.get(lock, "")


def job_words(job: PlanJobView, t: Texts) -> str:
    """Return what the planner is at."""
    words = {
        "plan": t("plans again"),
        "plan_undo": t("brings an earlier plan back"),
        "plan_what_if": t("tries what if: {name}", name=job.subject),
        "plan_adopt": t("takes a what-if over"),
    }
    return words.get(job.kind, job.kind)


def version_words(one: PlanVersionView, t: Texts) -> str:
    """Return what a version is called."""
    return one.name if one.kind == "what_if" else t("Plan {n}", n=one.id)
