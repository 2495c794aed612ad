"""A controller's job order receiver (OPC 10031-4; JobOrderControl of OPC 40001-3) as one session sees it: found, called, asked, watched.

A call that left and was not answered is ``Unanswered``: nobody knows whether it was carried out. Everything else is certain.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes

from plant.errors import Rejected, Unavailable
from protocols.opcua_attributes import variant_at
from protocols.opcua_binary import HAS_VALUE, Malformed, after, after_data_value, after_diagnostic_info, after_variant, int32_at
from protocols.opcua_client import OpcUaSession, SubscriptionLost, Wish
from protocols.opcua_connection import SerialisedRequest
from protocols.opcua_isa95 import (
    JOB_ORDER,
    MACHINERY_JOBS,
    NAMESPACE,
    PROVIDER_TYPE,
    RECEIVER_TYPES,
    UNKNOWN_JOB_ORDER,
    JobOrder,
    JobResponse,
    OrderAndState,
    job_order_bytes,
    read_job_response,
    read_order_and_state,
    structure,
    structures_at,
)
from protocols.opcua_link import TOO_MUCH, Link, ServiceFailed, read_request, status_name
from protocols.opcua_nodes import Child, NodeBook, children, follow, parent

_CALL_RESPONSE: Final = int(ObjectIds.CallResponse_Encoding_DefaultBinary)
_READ_RESPONSE: Final = int(ObjectIds.ReadResponse_Encoding_DefaultBinary)
_OBJECTS: Final = ua.NodeId(85)  # type: ignore[arg-type]
_SERVER: Final = ua.NodeId(2253)  # type: ignore[arg-type]
_MOST_OBJECTS: Final = 20_000
_METHODS: Final = ("Store", "StoreAndStart", "Start", "Stop", "Cancel", "Clear", "Abort")
_LIST: Final = "JobOrderList"
_ASK: Final = "RequestJobResponseByJobOrderID"
_WATCH_MS: Final = 50.0

_SURELY_NOT: Final = frozenset(
    int(getattr(StatusCodes, name))
    for name in (
        *("BadServiceUnsupported", "BadTooManyOperations", "BadNothingToDo", "BadUserAccessDenied", "BadDecodingError"),
        *("BadRequestTooLarge", "BadEncodingLimitsExceeded", "BadServerHalted", "BadTcpServerTooBusy", "BadTcpMessageTooLarge"),
        *("BadSessionIdInvalid", "BadSessionClosed", "BadSessionNotActivated", "BadSecureChannelIdInvalid", "BadRequestHeaderInvalid"),
    )
)
"""A whole request that is answered so was not carried out."""
_NOT_CARRIED_OUT: Final = frozenset(
    int(getattr(StatusCodes, name))
    for name in (
        *("BadMethodInvalid", "BadNodeIdUnknown", "BadNodeIdInvalid", "BadArgumentsMissing", "BadTooManyArguments", "BadInvalidArgument"),
        *("BadUserAccessDenied", "BadNotExecutable", "BadTypeMismatch", "BadNotSupported", "BadNotImplemented", "BadInvalidState"),
        *("BadSecurityModeInsufficient", "BadNothingToDo"),
    )
)
"""A method that ends with one of these did nothing."""


class Unanswered(Exception):
    """A call left, and nobody knows whether it was carried out."""


class CallRefused(Exception):
    """The server says that it did not carry a method out."""


@dataclass(frozen=True, slots=True)
class Called:
    """What a method gave back: whole replies are kept, arguments are places in them."""

    reply: bytes
    outputs: tuple[int, ...]

    def value(self, number: int) -> Any:
        """Return an output argument that is a single value, or None."""
        return variant_at(self.reply, self.outputs[number]) if number < len(self.outputs) else None


@dataclass(frozen=True, slots=True)
class _Receiver:
    """Where things are on a server, in this session only."""

    node: Any
    methods: dict[str, Any]
    orders: Any
    provider: Any | None
    ask: Any | None


class JobReceiver:
    """One job order receiver in one session."""

    def __init__(self, session: OpcUaSession, nodes: _Receiver, namespace: int) -> None:
        self._link = session.link
        self._session = session
        self._nodes = nodes
        self._namespace = namespace
        self._asks_along = True
        """Whether what became of an order is asked for in the same request that stores it: one way back and forth less."""

    @property
    def answers_by_id(self) -> bool:
        """Whether it can be asked for one job; else its whole list is read."""
        return self._nodes.ask is not None

    async def store_and_start(self, order: JobOrder) -> tuple[int, JobResponse | None]:
        """Have an order stored and started; return the ReturnStatus, and what became of it by then where the server says so at once.

        Raises Unavailable (surely not), CallRefused or Unanswered.
        """
        nodes = self._nodes
        calls = [(nodes.node, nodes.methods["StoreAndStart"], [_order(self._namespace, order), _comment()])]
        if self._asks_along and nodes.ask is not None:
            calls.append((nodes.provider, nodes.ask, [ua.Variant(order.id, ua.VariantType.String)]))
        try:
            first, *rest = await call_all(self._link, calls)
        except ServiceFailed as failure:
            if failure.code not in TOO_MUCH or len(calls) == 1:
                raise
            # the server takes one call at a time, and has carried out none of these
            self._asks_along = False
            return await self.store_and_start(order)
        if isinstance(first, Exception):
            raise first
        response = None
        if rest and isinstance(rest[0], Called):
            with contextlib.suppress(Unavailable):
                response = self._response_in(rest[0])
        return _status_in(first, "StoreAndStart"), response

    async def act(self, method: str, job_order: str) -> int:
        """Have something done with an order (Start, Stop, Cancel, Clear, Abort); as ``store_and_start``."""
        return await self._act(method, ua.Variant(job_order, ua.VariantType.String))

    async def _act(self, method: str, argument: ua.Variant) -> int:
        node = self._nodes.methods.get(method)
        if node is None:
            raise CallRefused(f"its job order receiver has no method {method}")
        return _status_in(await call(self._link, self._nodes.node, node, [argument, _comment()]), method)

    async def response(self, job_order: str) -> JobResponse | None:
        """Return what became of an order; None where the controller does not know it. Raises Unavailable."""
        if self._nodes.ask is None or self._nodes.provider is None:
            found = next((one for one in await self.orders() if one.order.id == job_order), None)
            return None if found is None else JobResponse("", job_order, found.states)
        try:
            called = await call(self._link, self._nodes.provider, self._nodes.ask, [ua.Variant(job_order, ua.VariantType.String)])
        except (Unanswered, CallRefused) as error:
            raise Unavailable(str(error)) from error
        return self._response_in(called)

    def _response_in(self, called: Called) -> JobResponse | None:
        status = called.value(1)
        if isinstance(status, int) and status & UNKNOWN_JOB_ORDER:
            return None
        try:
            bodies = structures_at(called.reply, called.outputs[0])
            return read_job_response(bodies[0]) if bodies and bodies[0] else None
        except (Malformed, IndexError) as error:
            raise Unavailable(f"{self._link.endpoint.url}: the job response is malformed: {error}") from error

    async def orders(self) -> list[OrderAndState]:
        """Return all orders that the controller keeps, with their states. Raises Unavailable."""
        reply, body = await self._link.call(read_request([(self._nodes.orders, AttributeIds.Value)]), _READ_RESPONSE)
        try:
            if int32_at(reply, body) != 1:
                raise Malformed("not one value")  # noqa: TRY301 - one way to refuse
            after_data_value(reply, body + 4)
            bodies = structures_at(reply, body + 5) if reply[body + 4] & HAS_VALUE else []
            return [read_order_and_state(one) for one in bodies]
        except (Malformed, IndexError) as error:
            raise Unavailable(f"{self._link.endpoint.url}: the list of job orders is malformed: {error}") from error

    async def watch(self, changed: Callable[[], None]) -> None:
        """Call ``changed`` whenever the list of orders changes, until the session ends or the server no longer tells it: then return."""
        try:
            subscription = await self._session.subscribe(Wish(publishing_ms=_WATCH_MS, sampling_ms=_WATCH_MS, outage_seconds=1.0))
        except Unavailable:
            return
        try:
            if await subscription.add({0: self._nodes.orders}, with_time=False):
                return
            while True:
                if any((await subscription.receive()).changes):
                    changed()
        except (SubscriptionLost, Unavailable):
            return
        finally:
            subscription.stop()


async def find_receiver(session: OpcUaSession, address: str) -> JobReceiver:
    """Return the job order receiver at an address, or the only one of the server where none is given.

    Raises Rejected where there is none, or several, and Unavailable.
    """
    if NAMESPACE not in session.namespaces:
        raise Rejected(f"{session.link.endpoint.url}: the server has no job orders: its namespaces are {', '.join(session.namespaces)}")
    space = session.namespaces.index(NAMESPACE)
    if address:
        node = await NodeBook(session).node(address)
        near = await children(session.link, [await parent(session.link, node)])
        provider = next((one.node for one in near if one.type == (space, PROVIDER_TYPE)), None)
    else:
        node, provider = await _search(session, space)
    names = [*((node, name) for name in (_LIST, *_METHODS)), *([(provider, _ASK)] if provider is not None else [])]
    found = await follow(session.link, [(start, (ua.QualifiedName(name, space),)) for start, name in names])
    known = {name: one for (_, name), one in zip(names, found, strict=True) if one is not None}
    if _LIST not in known or "StoreAndStart" not in known:
        raise Rejected(
            f"{session.link.endpoint.url}: '{address or node}' is no job order receiver: it has no JobOrderList, or no StoreAndStart"
        )
    methods: dict[str, Any] = {}
    methods |= {name: known[name] for name in _METHODS if name in known}
    return JobReceiver(session, _Receiver(node, methods, known[_LIST], provider, known.get(_ASK)), space)


async def _search(session: OpcUaSession, space: int) -> tuple[Any, Any | None]:
    """Return the one job order receiver below Objects, and the job response provider beside it."""
    machinery = session.namespaces.index(MACHINERY_JOBS) if MACHINERY_JOBS in session.namespaces else -1
    types = {(space, one) for one in RECEIVER_TYPES}
    receivers: list[Child] = []
    providers: dict[Any, Any] = {}
    seen, level = {_OBJECTS}, [_OBJECTS]
    while level and len(seen) < _MOST_OBJECTS:
        below = []
        for child in await children(session.link, level):
            if child.type in types or child.name == (machinery, "JobOrderControl"):
                receivers.append(child)
            elif child.type == (space, PROVIDER_TYPE):
                providers[child.parent] = child.node
            elif child.node not in seen and child.node != _SERVER:
                seen.add(child.node)
                below.append(child.node)
        level = below
    url = session.link.endpoint.url
    if not receivers:
        raise Rejected(f"{url}: the server has no job order receiver below its Objects; name its node in 'receiver'")
    if len(receivers) > 1:
        raise Rejected(f"{url}: the server has {len(receivers)} job order receivers; name the node of one in 'receiver'")
    only = next(iter(providers.values())) if len(providers) == 1 else None
    return receivers[0].node, providers.get(receivers[0].parent, only)


def _order(namespace: int, order: JobOrder) -> ua.Variant:
    return ua.Variant(structure(namespace, JOB_ORDER, job_order_bytes(order)), ua.VariantType.ExtensionObject)


def _comment() -> ua.Variant:
    return ua.Variant([], ua.VariantType.LocalizedText, is_array=True)


def _status_in(called: Called, method: str) -> int:
    status = called.value(0)
    if not isinstance(status, int):
        raise Unanswered(f"{method} gave no ReturnStatus back")
    return status


async def call(link: Link, node: Any, method: Any, arguments: list[ua.Variant]) -> Called:
    """Call a method. Raises Unavailable (it surely was not carried out), CallRefused (nor, and the server says why) or Unanswered."""
    (result,) = await call_all(link, [(node, method, arguments)])
    if isinstance(result, Exception):
        raise result
    return result


async def call_all(link: Link, calls: Sequence[tuple[Any, Any, list[ua.Variant]]]) -> list[Called | CallRefused | Unanswered]:
    """Call methods in one request; return what each gave back. Raises Unavailable (surely none was carried out) or Unanswered."""
    link.check_alive()
    request = ua.CallRequest()
    request.Parameters.MethodsToCall = [ua.CallMethodRequest(node, method, arguments) for node, method, arguments in calls]
    seconds = link.endpoint.timeout_seconds
    socket = link.client.socket
    request_id, future = socket.send_raw(SerialisedRequest(request, socket, seconds))
    try:
        reply = await socket.reply_to(request_id, future, asyncio.get_running_loop().time() + seconds)
        body = link.body_of(reply, _CALL_RESPONSE)
    except ServiceFailed as failure:
        if failure.code in _SURELY_NOT:
            raise
        raise Unanswered(str(failure)) from failure
    except Unavailable as error:
        raise Unanswered(str(error)) from error
    try:
        return _results(reply, body, len(calls))
    except (Malformed, IndexError) as error:
        raise Unanswered(f"the answer to a call is malformed: {error}") from error


def _results(reply: bytes, start: int, count: int) -> list[Called | CallRefused | Unanswered]:
    """Return what each method gave back. Raises Malformed."""
    if int32_at(reply, start) != count:
        raise Malformed(f"{int32_at(reply, start)} results for {count} calls")
    results: list[Called | CallRefused | Unanswered] = []
    place = start + 4
    for _ in range(count):
        status, outputs, place = _one_result(reply, place)
        if status < 0x80000000:
            results.append(Called(reply, outputs))
        else:
            said = f"the server says {status_name(status)}"
            results.append(CallRefused(said) if status in _NOT_CARRIED_OUT else Unanswered(said))
    return results


def _one_result(reply: bytes, start: int) -> tuple[int, tuple[int, ...], int]:
    """Return a method's StatusCode, where its output arguments stand, and where the next result begins. Raises Malformed."""
    status = int32_at(reply, start) & 0xFFFFFFFF
    place = start + 4
    place = after(reply, place + 4, 4 * max(int32_at(reply, place), 0))
    count, place = int32_at(reply, place), place + 4
    for _ in range(max(count, 0)):
        place = after_diagnostic_info(reply, place)
    count, place = int32_at(reply, place), place + 4
    outputs: deque[int] = deque()
    for _ in range(max(count, 0)):
        outputs.append(place)
        place = after_variant(reply, place)
    return status, tuple(outputs), place
