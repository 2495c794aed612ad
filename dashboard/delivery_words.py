"""What deliveries and modes say, in the reader's language: kinds, stages, modes, reasons, and where a delivery comes from."""

from __future__ import annotations

from dashboard.texts import Texts
from dashboard.views_deliveries import DeliveryLine
from plant.deliveries import CLOSED_LOOP, Kind
from plant.delivery_modes import Dropped, Mode
from plant.recommendations import Declined, Stage

LOOKS = {
    Stage.PROPOSED: "warning",
    Stage.APPROVED: "waiting",
    Stage.SENT: "waiting",
    Stage.ACCEPTED: "waiting",
    Stage.IN_DOUBT: "critical",
    Stage.REFUSED: "bad",
    Stage.ROLLED_BACK: "bad",
}
"""How stages look that are not normal; only what waits for a person has a strong colour."""
MODE_LOOKS = {Mode.OFF: "stale", Mode.SHADOW: "stale"}


def kind_words(kind: str, t: Texts) -> str:
    """Return what a message asks for."""
    words = {
        Kind.PARAMETERS: t("parameters"),
        Kind.JOB: t("job"),
        Kind.ROUTE: t("route"),
        Kind.CHANGEOVER: t("changeover"),
        Kind.HOLD: t("hold"),
        Kind.RELEASE: t("release"),
        Kind.OFFSETS: t("offsets"),
        Kind.DESIGN_CHANGE: t("design change"),
    }
    return words[Kind(kind)]


def delivery_stage_words(stage: str, t: Texts) -> str:
    """Return how far a delivery has come, in words."""
    words = {
        Stage.PROPOSED: t("to decide"),
        Stage.APPROVED: t("approved, not yet sent"),
        Stage.DECLINED: t("declined"),
        Stage.SENT: t("sent"),
        Stage.ACCEPTED: t("accepted by the line"),
        Stage.REFUSED: t("refused"),
        Stage.EXPIRED: t("expired"),
        Stage.IN_DOUBT: t("in doubt"),
        Stage.EXECUTED: t("carried out"),
        Stage.MEASURED: t("measured"),
        Stage.ROLLED_BACK: t("rolled back"),
    }
    return words[Stage(stage)]


def step_words(stage: str, t: Texts) -> str:
    """Return a step that was taken, in words."""
    return t("proposed") if stage == Stage.PROPOSED else t("approved") if stage == Stage.APPROVED else delivery_stage_words(stage, t)


def mode_words(mode: str, t: Texts) -> str:
    """Return a mode in words."""
    return {
        Mode.OFF: t("off"),
        Mode.SHADOW: t("shadow"),
        Mode.ADVISORY: t("advisory"),
        Mode.CLOSED_LOOP: t("closed loop"),
    }[Mode(mode)]


def dropped_words(reason: str, t: Texts) -> str:
    """Return why a mode fell back by itself."""
    words = {
        Dropped.HEARTBEAT: t("nothing was heard of the controller"),
        Dropped.READ_BACK: t("what was read back was not what had been sent"),
        Dropped.EXPIRED: t("its time was over"),
        Dropped.INPUTS: t("measurements were bad, stale or missing"),
        Dropped.GATE: t("the last check refused a message"),
        Dropped.AI_OFF: t("the switch at the machine was turned to AI off"),
        Dropped.COUNTER: t("the controller counts otherwise"),
        Dropped.RESTART: t("the delivery process was away"),
    }
    return words.get(Dropped(reason), reason) if reason in set(Dropped) else reason


def actor_words(actor: str, t: Texts) -> str:
    """Return who took a step: a person's or controller's name, or the part of Leadhand in words."""
    if actor.startswith(CLOSED_LOOP):
        return actor.replace(CLOSED_LOOP, t("closed loop"), 1)
    words = {"gate": t("the last check"), "delivery": t("the delivery process"), "optimizer": t("the optimizer"), "shadow": t("shadow")}
    return words.get(actor, actor)


def reason_words(reason: str, t: Texts) -> str:
    """Return why a step was taken; what a controller said stays as it said it."""
    words = {
        **{each.value: mean for each, mean in _declined(t).items()},
        "superseded": t("a newer message stands for it"),
        "settled": t("found at the machine"),
        "no_answer": t("no answer in time"),
        "not_done": t("accepted, and nothing more was heard in time"),
        "not_taken": t("its controller never took it"),
        "not_sent": t("it could not leave in time"),
        "send": t("whether it arrived is not known"),
        "read_back": t("what was read back is not what was sent"),
        "no_controller": t("no controller of the settings takes it"),
        "released": t("released again"),
        "controller": t("the controller said no more"),
        "mode_off": t("the mode is off"),
        "mode_shadow": t("the mode is shadow: checked, not sent"),
        "loop_ended": t("the closed loop had ended"),
        "ai_off": t("the switch at the machine is at AI off"),
        "heartbeat": t("nothing was heard of the controller"),
        "inputs": t("measurements were bad, stale or missing"),
        "stale": t("what it rests on is too old"),
        "no_window": t("there is no process window for it"),
        "window": t("the process window is another version"),
        "below": t("below the process window"),
        "above": t("above the process window"),
        "step": t("a larger step than the window allows"),
        "rate": t("a faster change than the window allows"),
        "dead_band": t("a smaller change than the dead band"),
        "joint_limit": t("a limit of several parameters together"),
        "expired": t("its time was over"),
        "counter": t("its counter is not above the last one"),
    }
    return words.get(reason, reason.replace("_", " "))


def _declined(t: Texts) -> dict[Declined, str]:
    return {
        Declined.CAPACITY: t("the work unit has no time for it"),
        Declined.NOT_READY: t("tool, program or fixture is not ready"),
        Declined.QUALITY: t("parts may become worse"),
        Declined.WRONG_FACTS: t("it rests on wrong facts"),
        Declined.NOT_WORTH_IT: t("the gain is not worth the change"),
        Declined.NOT_NOW: t("not now"),
        Declined.OTHER: t("another reason, as noted"),
    }


def subject_words(one: DeliveryLine) -> str:
    """Return what a message is about: a program, job, product or part."""
    by_kind = {
        Kind.PARAMETERS: (one.program, one.job),
        Kind.JOB: (one.job, one.program),
        Kind.ROUTE: (one.product,),
        Kind.CHANGEOVER: (one.product, one.job),
        Kind.DESIGN_CHANGE: (one.product, one.serial),
    }
    words = by_kind.get(Kind(one.kind), (one.serial, one.job, one.product))
    return " · ".join(word for word in words if word) or one.program or one.source


def origin_of(source: str, t: Texts) -> tuple[str, str]:
    """Return what a delivery comes from, in words, and the address of the page that shows it; empty where none does."""
    kind, _, rest = source.partition(":")
    number = rest.partition(":")[0]
    if not number.isdigit():
        number = ""
    places = {
        "tuning": (t("tuning proposal {n}", n=number), "/tuning"),
        "recommendation": (t("recommendation {n}", n=number), f"/recommendations?id={number}"),
        "job": (t("the plan"), "/schedule"),
        "withdrawn": (t("the plan"), "/schedule"),
        "changeover": (t("changeovers of the plan"), "/changeovers"),
        "inspection": (t("inspection {n}", n=number), "/welds"),
        "label": (t("review of a picture"), "/review"),
        "joint": (t("joints"), "/joints"),
        "offsets": (t("look at the bolts"), "/joints"),
        "hold": (t("hold, delivery {n}", n=number), f"/deliveries?id={number}"),
        "design_change": (t("design change {n}", n=number), f"/design-changes?id={number}"),
    }
    return places.get(kind, (source, ""))
