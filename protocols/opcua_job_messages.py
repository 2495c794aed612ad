"""A message to a controller as a job order of ISA-95, and what the controller says of it as states and job response data.

The exact text and its signature travel as two parameters of the order; beside them stand the same values as typed parameters, for
controllers that have no reader of JSON. A controller that checks the signature goes by the text.
"""

from __future__ import annotations

from typing import Final

from plant.deliveries import Kind, Message, Quantity, SetPart, SignedMessage, Verdict
from protocols.opcua_isa95 import (
    INVALID_REQUEST,
    INVALID_STATUS,
    NO_ERROR,
    UNABLE_TO_ACCEPT,
    UNKNOWN_JOB_ORDER,
    JobOrder,
    JobResponse,
    JobState,
    Material,
    Parameter,
    time_of,
)

TEXT: Final = "Leadhand.Message"
SIGNATURE: Final = "Leadhand.Signature"
KIND: Final = "Leadhand.Kind"
COUNTER: Final = "Leadhand.Counter"
EXPIRES: Final = "Leadhand.Expires"
WINDOW: Final = "Leadhand.WindowVersion"
STEPS: Final = "Leadhand.Steps"
PART: Final = "Leadhand.Part."
"""Before the kind of a part that is to be switched on."""
VERSION: Final = "Version"
SAID: Final = "Leadhand.Said"
REASON: Final = "Leadhand.Reason"
JOB_RESULT: Final = "JobResult"
"""Of OPC 40001-3: 0 unknown, 1 successful, 2 unsuccessful."""
_OURS: Final = "Leadhand."
_UNSUCCESSFUL: Final = 2

REASON_BITS: Final[dict[str, int]] = {
    word: 33 + position
    for position, word in enumerate(
        (
            *("signature", "unreadable", "other_unit", "ai_off", "local", "counter", "expired", "future", "lifetime", "kind", "program"),
            *("window", "count", "unknown", "unit", "no_number", "below", "above", "step", "dead_band", "rate", "joint_limit", "part"),
            "not_ready",
        )
    )
}
"""Why a message was refused, as bits of the ReturnStatus that OPC 10031-4 leaves to the implementation."""
_STANDARD: Final = {
    UNKNOWN_JOB_ORDER: "unknown_job_order",
    INVALID_STATUS: "invalid_job_order_status",
    UNABLE_TO_ACCEPT: "unable_to_accept",
    INVALID_REQUEST: "invalid_request",
}


def job_order(signed: SignedMessage) -> JobOrder:
    """Return a message as the job order whose id is the message's."""
    message = signed.message
    return JobOrder(
        id=message.id,
        description=message.reason,
        work_masters=(message.program,) if message.program else (),
        parameters=(
            Parameter(TEXT, signed.text),
            Parameter(SIGNATURE, signed.signature),
            Parameter(KIND, message.kind.value),
            Parameter(COUNTER, message.counter),
            Parameter(EXPIRES, time_of(message.expires_us)),
            *(() if message.window_version is None else (Parameter(WINDOW, message.window_version),)),
            *(() if not message.steps else (Parameter(STEPS, message.steps),)),
            *(Parameter(one.name, float(one.value), one.unit) for one in message.parameters),
            *(Parameter(f"{PART}{one.kind}", one.name, parts=(Parameter(VERSION, one.version),)) for one in message.parts),
        ),
        equipment=(message.work_unit,),
        materials=_materials(message),
    )


def _materials(message: Message) -> tuple[Material, ...]:
    if not message.product and not message.serial:
        return ()
    use = "Material Produced" if message.kind is Kind.JOB else "By-product Produced" if message.kind is Kind.HOLD else ""
    return (Material(definition=message.product, sublot=message.serial, use=use),)


def text_and_signature(order: JobOrder) -> tuple[str, str]:
    """Return the exact text of a message and its signature; empty where the order bears none."""
    found = {one.id: one.value for one in order.parameters if isinstance(one.value, str)}
    return found.get(TEXT, ""), found.get(SIGNATURE, "")


def refusal(status: int) -> str:
    """Return why a ReturnStatus refuses, as words; empty where it does not."""
    if status & NO_ERROR:
        return ""
    words = [word for word, bit in REASON_BITS.items() if status & 1 << bit]
    words = words or [word for bit, word in _STANDARD.items() if status & bit]
    return ", ".join(words) or f"status {status:#x}"


def status_of(reason: str) -> int:
    """Return the ReturnStatus that refuses for a reason."""
    bit = REASON_BITS.get(reason)
    return UNABLE_TO_ACCEPT | (0 if bit is None else 1 << bit)


def verdict_of(state: int, data: tuple[Parameter, ...] = ()) -> Verdict:
    """Return what the state of a job order says of the message in it, with its response data where there are any."""
    said = {one.id: one.value for one in data}
    if state == JobState.ENDED:
        return Verdict.FAILED if said.get(JOB_RESULT) == _UNSUCCESSFUL else Verdict.EXECUTED
    if state == JobState.ABORTED:
        return Verdict.REFUSED if said.get(SAID) == Verdict.REFUSED.value else Verdict.FAILED
    return Verdict.ACCEPTED


def reason_of(data: tuple[Parameter, ...]) -> str:
    """Return the controller's reason in its response data; empty where it gives none."""
    return next((one.value for one in data if one.id == REASON and isinstance(one.value, str)), "")


def quantities_of(response: JobResponse) -> tuple[Quantity, ...]:
    """Return what the controller says is in force."""
    return tuple(
        Quantity(one.id, float(one.value), one.unit or "1")
        for one in response.data
        if isinstance(one.value, int | float) and not isinstance(one.value, bool) and one.id != JOB_RESULT and not one.id.startswith(_OURS)
    )


def parts_of(response: JobResponse) -> tuple[SetPart, ...]:
    """Return what the controller says is switched on."""
    return tuple(
        SetPart(one.id.removeprefix(PART), one.value, next((str(part.value) for part in one.parts if part.id == VERSION), ""))
        for one in response.data
        if one.id.startswith(PART) and isinstance(one.value, str)
    )
