"""Job orders as OPC 10031-4 encodes them: to bytes and back, and no bytes that take longer than they are long."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plant.deliveries import Kind, Message, Quantity, SetPart, SignedMessage, Verdict
from protocols.opcua_binary import Malformed
from protocols.opcua_isa95 import (
    NO_ERROR,
    UNABLE_TO_ACCEPT,
    JobOrder,
    JobResponse,
    JobState,
    Material,
    OrderAndState,
    Parameter,
    State,
    job_order_bytes,
    job_response_bytes,
    order_and_state_bytes,
    read_job_order,
    read_job_response,
    read_order_and_state,
)
from protocols.opcua_job_messages import REASON_BITS, job_order, parts_of, quantities_of, refusal, status_of, text_and_signature, verdict_of

TEXTS = st.text(max_size=20)
VALUES = st.one_of(st.booleans(), st.floats(allow_nan=False), st.integers(0, 2**64 - 1), TEXTS, st.lists(TEXTS, max_size=3).map(tuple))
PARAMETERS = st.builds(
    Parameter, TEXTS, VALUES, st.sampled_from(["", "N.m", "deg"]), st.lists(st.builds(Parameter, TEXTS, TEXTS), max_size=2).map(tuple)
)
ORDERS = st.builds(
    JobOrder,
    id=TEXTS,
    description=TEXTS,
    work_masters=st.lists(TEXTS, max_size=2).map(tuple),
    start_us=st.none() | st.integers(0, 2**52),
    end_us=st.none() | st.integers(0, 2**52),
    priority=st.none() | st.integers(-(2**15), 2**15 - 1),
    parameters=st.lists(PARAMETERS, max_size=3).map(tuple),
    equipment=st.lists(TEXTS, max_size=2).map(tuple),
    materials=st.lists(st.builds(Material, TEXTS, TEXTS, TEXTS, TEXTS), max_size=2).map(tuple),
)
STATES = st.lists(st.builds(State, st.integers(0, 6), TEXTS), max_size=2).map(tuple)


@settings(max_examples=40)
@given(ORDERS, STATES)
def test_what_is_written_is_read_again(order: JobOrder, states: tuple[State, ...]) -> None:
    assert read_job_order(job_order_bytes(order)) == order
    entry = OrderAndState(order, states)
    assert read_order_and_state(order_and_state_bytes(entry)) == entry
    response = JobResponse("r", order.id, states, order.parameters)
    assert read_job_response(job_response_bytes(response)) == response


def message(**more: object) -> SignedMessage:
    told = {
        "id": "5c9d5f3e-9d0c-4a8e-8a35-3a1a36bb5cd0",
        "kind": Kind.CHANGEOVER,
        "work_unit": "press-1",
        "counter": 7,
        "issued_us": 1_000_000,
        "expires_us": 2_000_000,
        "program": "P1",
        "product": "B-7",
        "serial": "0001",
        "parameters": (Quantity("torque", 12.5, "N.m"),),
        "parts": (SetPart("recipe", "R2", "4"),),
        "steps": ("drill", "press"),
        "window_version": 3,
    }
    return SignedMessage(1, Message(**{**told, **more}), '{"text": "ä"}', "key.00")  # type: ignore[arg-type]


def test_a_message_travels_in_a_job_order_with_its_exact_text() -> None:
    order = read_job_order(job_order_bytes(job_order(message())))
    assert text_and_signature(order) == ('{"text": "ä"}', "key.00")
    assert (order.id, order.equipment, order.work_masters) == (message().message.id, ("press-1",), ("P1",))
    assert Parameter("torque", 12.5, "N.m") in order.parameters
    assert order.materials == (Material("B-7", "", "0001", ""),)
    response = JobResponse("", order.id, (State(5),), order.parameters)
    assert quantities_of(response) == (Quantity("torque", 12.5, "N.m"),)
    assert parts_of(response) == (SetPart("recipe", "R2", "4"),)


def test_a_return_status_tells_why_it_refuses() -> None:
    assert refusal(NO_ERROR) == ""
    assert refusal(UNABLE_TO_ACCEPT) == "unable_to_accept"
    assert refusal(0) == "status 0x0"
    assert all(refusal(status_of(reason)) == reason for reason in REASON_BITS)
    assert max(REASON_BITS.values()) < 64
    assert verdict_of(JobState.ENDED) is Verdict.EXECUTED
    assert verdict_of(JobState.ENDED, (Parameter("JobResult", 2),)) is Verdict.FAILED
    assert verdict_of(JobState.ABORTED, (Parameter("Leadhand.Said", "refused"),)) is Verdict.REFUSED
    assert verdict_of(JobState.ABORTED) is Verdict.FAILED
    assert {verdict_of(one) for one in (1, 2, 3, 4, 0, 99)} == {Verdict.ACCEPTED}


def test_bytes_that_were_changed_are_refused_or_read_and_never_hang() -> None:
    choose = random.Random(7)  # noqa: S311 - changes, not secrets
    whole = job_order_bytes(job_order(message()))
    refused = 0
    for _ in range(3000):
        changed = bytearray(whole[: choose.randrange(1, len(whole) + 1)])
        for _ in range(choose.randrange(0, 4)):
            changed[choose.randrange(len(changed))] = choose.choice((0, 0x7F, 0x80, 0xFF, choose.randrange(256)))
        try:
            read_job_order(bytes(changed))
        except Malformed:
            refused += 1
    assert refused > 2000


def test_nested_parameters_end() -> None:
    deep = Parameter("a", "b")
    for _ in range(40):
        deep = Parameter("a", "b", parts=(deep,))
    with pytest.raises(Malformed, match="deep"):
        read_job_order(job_order_bytes(JobOrder("x", parameters=(deep,))))
