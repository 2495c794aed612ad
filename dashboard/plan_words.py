"""What versions of the plan, jobs of the planner and locks are called to people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dashboard.texts import Texts
from dashboard.views_plan import PlanJobView, PlanVersionView


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
    told = []
    for cause in causes[:3]:
        kind, what = str(cause.get("kind", "")), str(cause.get("what", ""))
        subject = str(cause.get("subject") or cause.get("number") or cause.get("operation") or "")
        word = disturbance_words(kind, t) if kind else {"order": t("Order"), "edit": t("Edit")}.get(what, what)
        told.append(f"{word} {subject}".strip())
    if len(causes) > len(told):
        told.append(t("and {n} more", n=len(causes) - len(told)))
    return ", ".join(word for word in told if word)


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
