"""What an answer of a controller means for a delivery: a pure function of the stage it is in and what was said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from delivery.ways import Taken
from plant.deliveries import Verdict
from plant.recommendations import Stage

READ_BACK: Final = "read_back"
"""Why a delivery is in doubt: the controller says executed, and what is in force is another."""
NO_ANSWER: Final = "no_answer"
NOT_DONE: Final = "not_done"
SEND: Final = "send"
"""Why a delivery is in doubt: nobody knows whether it arrived."""
NOT_SENT: Final = "not_sent"
"""Why a delivery expired: it surely did not arrive."""
NOT_TAKEN: Final = "not_taken"
"""Why a delivery expired: its controller says so, and can take it no more."""
_AFTER_ACCEPTED: Final = frozenset({READ_BACK, NOT_DONE})
_ENDED: Final = frozenset({Stage.DECLINED, Stage.REFUSED, Stage.EXPIRED})
_DONE: Final = frozenset({Stage.EXECUTED, Stage.MEASURED})


@dataclass(frozen=True, slots=True)
class Turn:
    """One step of a delivery that an answer brings."""

    stage: Stage
    reason: str = ""
    note: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Meaning:
    """What follows from an answer."""

    taken: Taken
    turns: tuple[Turn, ...] = ()
    unlike: bool = False
    """What is in force is not what was asked for: the mode drops."""
    contradicts: bool = False
    """It tells of something that by all we know cannot have happened: a person must look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What is to be weighed of an answer; read-backs are compared by then."""

    verdict: Verdict
    reason: str = ""
    unlike: tuple[str, ...] = ()
    """Sentences: what was read back and is not as asked for."""
    read: bool = False
    """Whether we read it ourselves; else the controller says what is in force."""
    detail: Mapping[str, Any] = field(default_factory=dict)


def meaning(stage: Stage, doubt: str, said: Said) -> Meaning:
    """Return what an answer means for a delivery in a stage; ``doubt`` is the reason where it is in doubt."""
    if said.verdict is Verdict.ACCEPTED:
        return _accepted(stage, doubt, said)
    if said.verdict is Verdict.REFUSED:
        return _refused(stage, doubt, said)
    if said.verdict is Verdict.EXECUTED:
        return _executed(stage, doubt, said)
    if said.verdict is Verdict.FAILED:
        return _failed(stage, said)
    return _measured(stage, said)


def _accepted(stage: Stage, doubt: str, said: Said) -> Meaning:
    if stage is Stage.SENT or (stage is Stage.IN_DOUBT and doubt not in _AFTER_ACCEPTED):
        return Meaning(Taken.STEP, (Turn(Stage.ACCEPTED, said.reason, detail=said.detail),))
    if stage in (Stage.ACCEPTED, Stage.IN_DOUBT, Stage.EXECUTED, Stage.MEASURED, Stage.ROLLED_BACK):
        return Meaning(Taken.AGAIN)
    return Meaning(Taken.REFUSED, contradicts=True)


def _refused(stage: Stage, doubt: str, said: Said) -> Meaning:
    if stage in (Stage.SENT, Stage.ACCEPTED) or (stage is Stage.IN_DOUBT and doubt != READ_BACK):
        return Meaning(Taken.STEP, (Turn(Stage.REFUSED, said.reason or "controller", detail=said.detail),))
    if stage in _ENDED:
        return Meaning(Taken.AGAIN)
    return Meaning(Taken.REFUSED, contradicts=stage is not Stage.ROLLED_BACK)


def _executed(stage: Stage, doubt: str, said: Said) -> Meaning:
    if stage in _DONE:
        return Meaning(Taken.AGAIN)
    if stage not in (Stage.SENT, Stage.ACCEPTED, Stage.IN_DOUBT):
        return Meaning(Taken.REFUSED, contradicts=True)
    before = (Turn(Stage.ACCEPTED),) if stage is Stage.SENT else ()
    if stage is Stage.IN_DOUBT and doubt == READ_BACK and not said.unlike and not said.read:
        # its word stands against what was read: a person settles it, or what we read ourselves
        return Meaning(Taken.AGAIN)
    if not said.unlike:
        return Meaning(Taken.STEP, (*before, Turn(Stage.EXECUTED, said.reason, detail=said.detail)))
    if stage is Stage.IN_DOUBT and doubt == READ_BACK:
        return Meaning(Taken.AGAIN, unlike=True)
    note = "; ".join(said.unlike)
    if stage is Stage.IN_DOUBT:
        # it is in doubt already, for another reason: being taken is certain by now, being in force is not
        before = (Turn(Stage.ACCEPTED),)
    return Meaning(Taken.STEP, (*before, Turn(Stage.IN_DOUBT, READ_BACK, note, said.detail)), unlike=True)


def _failed(stage: Stage, said: Said) -> Meaning:
    turn = Turn(Stage.ROLLED_BACK, said.reason or "controller", detail=said.detail)
    if stage is Stage.SENT:
        return Meaning(Taken.STEP, (Turn(Stage.ACCEPTED), turn))
    if stage in (Stage.ACCEPTED, Stage.IN_DOUBT, Stage.EXECUTED, Stage.MEASURED):
        return Meaning(Taken.STEP, (turn,))
    return Meaning(Taken.AGAIN) if stage is Stage.ROLLED_BACK else Meaning(Taken.REFUSED, contradicts=True)


def _measured(stage: Stage, said: Said) -> Meaning:
    if stage is Stage.EXECUTED:
        return Meaning(Taken.STEP, (Turn(Stage.MEASURED, said.reason, detail=said.detail),))
    if stage is Stage.MEASURED:
        return Meaning(Taken.AGAIN)
    return Meaning(Taken.REFUSED)
