"""What becomes of a delivery whose controller says nothing: pure functions. Nothing is ever sent again under the same id."""

from __future__ import annotations

from typing import Final

from delivery.answers import NO_ANSWER, NOT_DONE, NOT_TAKEN, Turn
from delivery.flights import Flight
from delivery.ways import NotTaken
from plant.recommendations import Stage
from plant.settings_delivery import Controller

ALLOWANCE_US: Final = 5_000_000
"""A controller's clock may be so much behind ours: it is sure that a message is void only then."""
ASK_SECONDS: Final = 5.0
"""Between two questions about the same message."""
DOUBT_ASK_SECONDS: Final = 30.0
_MICRO: Final = 1_000_000


def due(flight: Flight, controller: Controller | None, now_us: int, begun_us: int = 0) -> bool:
    """Return whether a controller should have said by now what it makes of a message.

    ``begun_us``: when this process began. What an earlier one sent is not in doubt before its controller could be asked.
    """
    if flight.stage is Stage.IN_DOUBT:
        return True
    if controller is None:
        return True
    seconds = controller.answer_seconds if flight.stage is Stage.SENT else controller.done_seconds
    return now_us >= max(flight.stage_us + seconds * _MICRO, begun_us + (0 if flight.handed else controller.answer_seconds * _MICRO))


def without_answer(flight: Flight, said: NotTaken | None, now_us: int, *, is_due: bool) -> Turn | None:
    """Return the step that silence brings; None: it is waited for.

    ``said``: None where nobody can tell what became of it. That it was surely not taken is certain when the controller says so and can
    take it no more: it is void by the controller's own clock, or a later message was taken.
    """
    message = flight.message
    if flight.stage in (Stage.SENT, Stage.IN_DOUBT) and said is not None and flight.doubt in ("", NO_ANSWER, "send"):
        passed = said.counter is not None and said.counter > message.counter
        if passed or now_us >= message.expires_us + ALLOWANCE_US:
            return Turn(Stage.EXPIRED, NOT_TAKEN, "its controller says so")
        return None
    if not is_due or flight.stage is Stage.IN_DOUBT:
        return None
    if flight.stage is Stage.SENT:
        return Turn(Stage.IN_DOUBT, NO_ANSWER)
    return Turn(Stage.IN_DOUBT, NOT_DONE, "its controller does not know it any more" if said is not None else "")
