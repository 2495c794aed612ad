"""Simulated line controllers behind an OPC UA server with a job order receiver, as OPC 10031-4 and OPC 40001-3 name it.

One server stands for one PLC with one or many work units: ``JobManagement/JobOrderControl`` takes the orders of all of them, each order
names its work unit as equipment. What is in force, the counter, the state and the switch 'AI off' are variables; Leadhand writes its
heartbeat to one.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from asyncua import ua
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.server import Server
from asyncua.server.user_managers import UserManager
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes

from plant.clock import Clock
from plant.errors import Unavailable
from protocols.opcua_binary import Malformed
from protocols.opcua_hosting import end_connections, no_collecting
from protocols.opcua_isa95 import (
    INVALID_REQUEST,
    INVALID_STATUS,
    JOB_ORDER_AND_STATE,
    JOB_RESPONSE,
    MACHINERY_JOBS,
    NAMESPACE,
    NO_ERROR,
    PROVIDER_TYPE,
    RECEIVER_TYPES,
    STATE_NAMES,
    UNKNOWN_JOB_ORDER,
    JobOrder,
    JobResponse,
    JobState,
    OrderAndState,
    Parameter,
    State,
    job_response_bytes,
    order_and_state_bytes,
    read_job_order,
    structure,
)
from protocols.opcua_job_messages import PART, REASON, SAID, VERSION, status_of, text_and_signature
from protocols.opcua_serving_nodes import Nodes, node_id
from protocols.ports import free_port
from simulators.controller import Controller
from simulators.controller_rules import Behaviour, Report, Said
from simulators.opcua_server import Protection
from simulators.opcua_values import time_of

OWN: Final = "urn:leadhand:simulated-controller"
_TICK_SECONDS: Final = 0.005
_IDLE_TICKS: Final = 40
_STATES: Final = {
    Said.ACCEPTED: JobState.RUNNING,
    Said.EXECUTED: JobState.ENDED,
    Said.REFUSED: JobState.ABORTED,
    Said.FAILED: JobState.ABORTED,
    Said.ROLLED_BACK: JobState.ABORTED,
}
_EMPTY: Final[dict[ua.VariantType, Any]] = {
    ua.VariantType.UInt64: 0,
    ua.VariantType.Boolean: False,
    ua.VariantType.String: "",
    ua.VariantType.Double: 0.0,
}
_DUMB: Final = frozenset({Behaviour.DEAF, Behaviour.SILENT})


@dataclass(slots=True)
class _Entry:
    """An order that is on the list."""

    order: JobOrder
    unit: str
    state: JobState
    data: tuple[Parameter, ...] = ()


class OpcUaControllers:
    """Controllers by work unit, behind one server that is open from ``start`` to ``stop``."""

    def __init__(
        self, controllers: Mapping[str, Controller], clock: Clock, *, protection: Protection, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self.controllers = dict(controllers)
        self._clock = clock
        self._protection = protection
        self._host, self._port = host, port
        self._server: Server | None = None
        self._entries: dict[str, _Entry] = {}
        self._busy: set[str] = set()
        self._changed = False
        self._list: Any = None
        self._space = 0
        self._ticking: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where Leadhand connects."""
        return f"opc.tcp://{self._host}:{self._port}/"

    async def start(self) -> None:
        """Build the address space and listen. Raises Unavailable where the port is taken."""
        self._port = self._port or free_port(self._host)
        server = self._server = Server(user_manager=_Users(self._protection))
        with no_collecting():
            await server.init()
        server.set_endpoint(self.url)
        server.set_server_name("Leadhand simulated controller")
        server.disable_clock()
        await server.set_application_uri("urn:leadhand:simulator")
        await self._protect(server)
        with no_collecting():
            await self._build(server)
        try:
            await server.start()
        except OSError as error:
            raise Unavailable(f"cannot listen on {self.url}: {error}; give another port") from error
        self._ticking = asyncio.create_task(self._tick_forever())

    async def stop(self) -> None:
        """Close all connections and listen no more."""
        if self._ticking is not None:
            self._ticking.cancel()
            await asyncio.gather(self._ticking, return_exceptions=True)
        server, self._server = self._server, None
        if server is not None:
            if server.bserver is not None:
                await end_connections(server.bserver)
            await server.stop()

    def drop_connections(self) -> None:
        """Cut all connections without a word."""
        if self._server is not None:
            for transport in list(self._server.iserver.asyncio_transports):
                transport.abort()

    async def _protect(self, server: Server) -> None:
        if self._protection.insecure:
            server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
            server.set_identity_tokens([ua.AnonymousIdentityToken])
            return
        if self._protection.certificate is None or self._protection.private_key is None or not self._protection.users:
            raise ValueError("a protected server needs a certificate, its key and at least one user")
        await server.load_certificate(self._protection.certificate)
        await server.load_private_key(self._protection.private_key)
        server.set_security_policy([ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt])
        server.set_identity_tokens([ua.UserNameIdentityToken])

    # --- the address space ------------------------------------------------------------------------------------------------------------

    async def _build(self, server: Server) -> None:
        space = self._space = await server.register_namespace(NAMESPACE)
        jobs, own = await server.register_namespace(MACHINERY_JOBS), await server.register_namespace(OWN)
        types = server.nodes.base_object_type
        receiver_type = await types.add_object_type(node_id(RECEIVER_TYPES[0], space), _name("ISA95JobOrderReceiverObjectType", space))
        provider_type = await types.add_object_type(node_id(PROVIDER_TYPE, space), _name("ISA95JobResponseProviderObjectType", space))
        machine = await server.nodes.objects.add_object(node_id("machine", own), _name("Machine", own))
        management = await machine.add_object(node_id("jobs", own), _name("JobManagement", jobs))
        control = await management.add_object(node_id("control", own), _name("JobOrderControl", jobs), receiver_type.nodeid)
        results = await management.add_object(node_id("results", own), _name("JobOrderResults", jobs), provider_type.nodeid)
        data_type = node_id(3015, space)
        nothing = ua.Variant([], ua.VariantType.ExtensionObject, is_array=True)
        self._list = (await control.add_variable(node_id("list", own), _name("JobOrderList", space), nothing, datatype=data_type)).nodeid
        order, comment = _argument("JobOrder", node_id(3008, space)), _argument("Comment", node_id(21), array=True)
        named, status = _argument("JobOrderID", node_id(12)), _argument("ReturnStatus", node_id(9))
        for method, callback, given in (
            ("StoreAndStart", self._store_and_start, order),
            ("Abort", self._abort, named),
            ("Clear", self._clear, named),
        ):
            await control.add_method(node_id(f"control/{method}", own), _name(method, space), callback, [given, comment], [status])
        ask = "RequestJobResponseByJobOrderID"
        response = _argument("JobResponse", node_id(3013, space))
        await results.add_method(node_id(f"results/{ask}", own), _name(ask, space), self._response, [named], [response, status])
        nodes = Nodes(server.iserver.aspace, own)
        for unit, controller in self.controllers.items():
            self._add_unit(nodes, unit, controller)
        server.iserver.set_attribute_value_callback(node_id(ObjectIds.Server_ServerStatus_CurrentTime), self._time)

    def _add_unit(self, nodes: Nodes, unit: str, controller: Controller) -> None:
        folder = nodes.add_object(unit, nodes.own("machine"), unit, node_id(ObjectIds.FolderType))
        internal = self._server_now().iserver

        def add(name: str, kind: ua.VariantType, read: Callable[[], Any], *, array: bool = False) -> None:
            empty = ua.Variant([], kind, is_array=True) if array else ua.Variant(_EMPTY[kind], kind)
            variable = nodes.add_variable(f"{unit}/{name}", folder, name, empty)

            def value(_node: Any, _attribute: Any) -> ua.DataValue:
                now = time_of(self._clock.now_us())
                found = read()
                code = StatusCodes.Good if found is not None else StatusCodes.BadNoCommunication
                given = ua.Variant(found, kind, is_array=array) if found is not None else None
                return ua.DataValue(given, ua.StatusCode(code), now, now)  # type: ignore[arg-type]

            internal.set_attribute_value_callback(variable, value)

        def life(name: str) -> Callable[[], Any]:
            return lambda: getattr(controller.life(self._clock.now_us()), name, None)

        add("counter", ua.VariantType.UInt64, life("counter"))
        add("ai_off", ua.VariantType.Boolean, life("ai_off"))
        add("state", ua.VariantType.String, life("state"))
        for name in controller.values():
            add(name, ua.VariantType.Double, lambda name=name: controller.values()[name].value)  # type: ignore[misc]
        for kind in controller.parts:
            add(f"parts/{kind}", ua.VariantType.String, lambda kind=kind: list(controller.parts[kind]), array=True)  # type: ignore[misc]
        nothing = ua.Variant(0, ua.VariantType.UInt32)
        heartbeat = nodes.add_variable(f"{unit}/heartbeat", folder, "heartbeat", nothing, writable=True)

        def beat(node: Any, attribute: Any, value: ua.DataValue) -> None:
            node.attributes[attribute].value = value
            controller.pulse(self._clock.now_us())

        internal.set_attribute_value_setter(heartbeat, beat)

    def _server_now(self) -> Server:
        if self._server is None:
            raise Unavailable("the simulated controller is not running")
        return self._server

    def _time(self, _node: Any, _attribute: Any) -> ua.DataValue:
        now = time_of(self._clock.now_us())
        return ua.DataValue(ua.Variant(now), SourceTimestamp=now, ServerTimestamp=now)

    # --- methods ----------------------------------------------------------------------------------------------------------------------

    async def _store_and_start(self, _parent: Any, order: ua.Variant, _comment: ua.Variant | None = None) -> Any:
        try:
            taken = read_job_order(order.Value.Body)
        except (AttributeError, TypeError, IndexError, Malformed):
            return ua.StatusCode(StatusCodes.BadInvalidArgument)  # type: ignore[arg-type]
        unit = taken.equipment[0] if taken.equipment else ""
        controller = self.controllers.get(unit)
        if controller is None:
            return [_status(status_of("other_unit"))]
        now_us = self._clock.now_us()
        report = controller.take(*text_and_signature(taken), now_us)
        if not controller.powered or controller.behaviour in _DUMB:
            self._busy.add(unit)
            return ua.StatusCode(StatusCodes.BadTimeout)  # type: ignore[arg-type]
        if report is not None and report.said is Said.REFUSED:
            return [_status(status_of(report.reason))]
        if taken.id not in self._entries:
            self._entries[taken.id] = _Entry(taken, unit, JobState.ALLOWED_TO_START)
        if report is not None:
            self._apply(report)
        self._busy.add(unit)
        self._tick(unit)
        self._changed = True
        return [_status(NO_ERROR)]

    async def _abort(self, _parent: Any, job: ua.Variant, _comment: ua.Variant | None = None) -> Any:
        entry = self._entries.get(job.Value)
        # what runs here cannot be stopped: it is done before anybody could say so
        return [_status(UNKNOWN_JOB_ORDER if entry is None else INVALID_STATUS)]

    async def _clear(self, _parent: Any, job: ua.Variant, _comment: ua.Variant | None = None) -> Any:
        entry = self._entries.get(job.Value)
        if entry is None:
            return [_status(UNKNOWN_JOB_ORDER)]
        if entry.state not in (JobState.ENDED, JobState.ABORTED):
            return [_status(INVALID_STATUS)]
        del self._entries[job.Value]
        self._changed = True
        return [_status(NO_ERROR)]

    async def _response(self, _parent: Any, job: ua.Variant) -> Any:
        if not isinstance(job.Value, str):
            return [ua.Variant(), _status(INVALID_REQUEST)]
        entry = self._entries.get(job.Value) or self._remembered(job.Value)
        if entry is None:
            return [ua.Variant(), _status(UNKNOWN_JOB_ORDER)]
        response = JobResponse(job.Value, job.Value, _states(entry.state), entry.data)
        body = structure(self._space, JOB_RESPONSE, job_response_bytes(response))
        return [ua.Variant(body, ua.VariantType.ExtensionObject), _status(NO_ERROR)]

    def _remembered(self, job: str) -> _Entry | None:
        """Return what a controller kept through a loss of power."""
        for unit, controller in self.controllers.items():
            report = controller.what_of(job, self._clock.now_us()) if controller.powered else None
            if report is not None and report.said in _STATES:
                return _Entry(JobOrder(job), unit, _STATES[report.said], _data(report))
        return None

    # --- time -------------------------------------------------------------------------------------------------------------------------

    async def _tick_forever(self) -> None:
        ticks = 0
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            ticks += 1
            for unit in list(self.controllers) if ticks % _IDLE_TICKS == 0 else list(self._busy):
                self._tick(unit)
            if self._changed:
                self._changed = False
                await self._show()

    def _tick(self, unit: str) -> None:
        controller = self.controllers[unit]
        was_on = controller.powered
        for report in controller.tick(self._clock.now_us()):
            self._apply(report)
        if was_on and not controller.powered:
            # its list went with its power
            self._entries = {job: entry for job, entry in self._entries.items() if entry.unit != unit}
            self._changed = True
        if not any(entry.unit == unit and entry.state not in (JobState.ENDED, JobState.ABORTED) for entry in self._entries.values()):
            self._busy.discard(unit)

    def _apply(self, report: Report) -> None:
        entry = self._entries.get(report.message_id)
        if entry is None or report.said not in _STATES:
            return
        if entry.state not in (JobState.ENDED, JobState.ABORTED):
            entry.state, entry.data = _STATES[report.said], _data(report)
            self._changed = True

    async def _show(self) -> None:
        entries = [OrderAndState(entry.order, _states(entry.state)) for entry in self._entries.values()]
        bodies = [structure(self._space, JOB_ORDER_AND_STATE, order_and_state_bytes(one)) for one in entries]
        now = time_of(self._clock.now_us())
        value = ua.DataValue(ua.Variant(bodies, ua.VariantType.ExtensionObject, is_array=True), SourceTimestamp=now)
        with contextlib.suppress(Unavailable):
            await self._server_now().write_attribute_value(self._list, value)


class _Users(UserManager):
    def __init__(self, protection: Protection) -> None:
        self._protection = protection

    def get_user(self, iserver: Any, username: str | None = None, password: str | None = None, certificate: Any = None) -> User | None:  # noqa: ARG002
        if self._protection.insecure:
            return User(role=UserRole.User, name="anonymous")
        known = self._protection.users.get(username or "")
        if known is None or not hmac.compare_digest(known.encode(), (password or "").encode()):
            return None
        return User(role=UserRole.User, name=username)


def _data(report: Report) -> tuple[Parameter, ...]:
    values = [Parameter(one.name, one.value, one.unit) for one in report.values]
    parts = [Parameter(f"{PART}{one.kind}", one.name, parts=(Parameter(VERSION, one.version),)) for one in report.parts]
    reason = [Parameter(REASON, report.reason)] if report.reason else []
    return (Parameter(SAID, report.said.value), *values, *parts, *reason)


def _states(state: JobState) -> tuple[State, ...]:
    return (State(int(state), STATE_NAMES[state]),)


def _status(bits: int) -> ua.Variant:
    return ua.Variant(bits, ua.VariantType.UInt64)


def _name(text: str, space: int) -> ua.QualifiedName:
    return ua.QualifiedName(text, space)


def _argument(name: str, data_type: ua.NodeId, *, array: bool = False) -> ua.Argument:
    argument = ua.Argument()
    argument.Name = name
    argument.DataType = data_type
    argument.ValueRank = 1 if array else -1
    argument.ArrayDimensions = []
    return argument
