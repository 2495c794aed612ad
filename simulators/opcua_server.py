"""An OPC UA server as strict as a controller, on top of asyncua's, which is too kind (and too slow) to stand in for one.

Different from asyncua's own server: Reads are answered from one scan as a whole, operation limits are enforced, the timestamps asked for
are the ones returned, monitored items have a sampling interval and a queue that overflows (``opcua_items``), and results are encoded by
numpy (``opcua_connections``, ``opcua_encoding``).
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.internal_server import InternalServer
from asyncua.server.internal_session import InternalSession
from asyncua.server.server import Server
from asyncua.server.user_managers import UserManager
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes

from plant.clock import Clock
from plant.errors import Unavailable
from protocols.opcua_hosting import no_collecting
from protocols.ports import free_port
from simulators.device_limits import DeviceLimits
from simulators.feed import Feed
from simulators.opcua_conditions import DeviceAlarm, DeviceConditions
from simulators.opcua_connections import DeviceConnections
from simulators.opcua_items import DeviceSubscriptions
from simulators.opcua_values import DeviceNodes, node_id, time_of


@dataclass(frozen=True, slots=True)
class Protection:
    """How connections are protected; ``insecure`` offers security policy None to anybody, so it listens on loopback only."""

    insecure: bool = False
    certificate: Path | None = None
    private_key: Path | None = None
    users: dict[str, str] = field(default_factory=dict)
    """Passwords by user name."""


class SimulatedServer:
    """A device's OPC UA server that is open from ``start`` to ``stop``.

    ``namespaces`` is the order of the namespace array after the server's own; the variables lie in ``namespace``, which must be among them.
    Faults are switched on its ``nodes``: ``silent`` (requests stay unanswered), ``frozen`` (values and times stand still), ``bad`` (status
    by identifier), ``retype`` (a node has another type), and those of its subscriptions; ``remove``, ``drop_connections``,
    ``end_subscriptions`` and ``forget_items`` here.
    """

    def __init__(
        self,
        feed: Feed,
        clock: Clock,
        *,
        namespace: str,
        namespaces: Sequence[str] = (),
        name: str = "Leadhand simulator",
        host: str = "127.0.0.1",
        port: int = 0,
        protection: Protection,
        limits: DeviceLimits | None = None,
    ) -> None:
        if protection.insecure and not host.startswith("127.") and host not in ("localhost", "::1"):
            raise ValueError(f"a server without security listens on loopback only, not on {host}")
        self.nodes = DeviceNodes(feed, clock)
        self.limits = limits or DeviceLimits()
        self._namespace = namespace
        self._namespaces = list(namespaces) or [namespace]
        self._name = name
        self._host = host
        self._port = port
        self._protection = protection
        self._server: _Server | None = None
        self._conditions: DeviceConditions | None = None
        self._tells = False

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"opc.tcp://{self._host}:{self._port}/"

    @property
    def port(self) -> int:
        """The port listened on; known after ``start`` where 0 was asked for."""
        return self._port

    @property
    def sessions(self) -> int:
        """How many connections are open."""
        return 0 if self._server is None or self._server.bserver is None else len(self._server.bserver.clients)

    async def start(self) -> None:
        """Build the address space and listen. Raises Unavailable where the port is taken."""
        if self._port == 0:
            self._port = free_port(self._host)
        server = self._server = _Server(self.nodes, self.limits, _Users(self._protection))
        with no_collecting():
            await server.init()
        server.tell_the_time(self.nodes)
        server.set_endpoint(self.url)
        server.set_server_name(self._name)
        await server.set_application_uri("urn:leadhand:simulator")
        await self._protect(server)
        for uri in self._namespaces:
            await server.register_namespace(uri)
        await self._say_limits(server)
        namespace = await server.get_namespace_index(self._namespace)
        await self.nodes.add_to(server, namespace)
        self._conditions = DeviceConditions(server, namespace)
        try:
            await server.start()
        except OSError as error:
            raise Unavailable(f"cannot listen on {self.url}: {error}; give another port") from error

    async def tell(self, alarms: Sequence[DeviceAlarm]) -> None:
        """Tell those who listen to events how alarms stand now."""
        if self._conditions is not None:
            if not self._tells:
                await self._conditions.start()
                self._tells = True
            for alarm in alarms:
                await self._conditions.tell(alarm)

    async def stop(self) -> None:
        """Close all connections and listen no more."""
        if self._server is not None:
            server, self._server = self._server, None
            await server.stop()

    def drop_connections(self) -> None:
        """Cut all connections without a word, as a controller does that is switched off."""
        if self._server is not None:
            for transport in list(self._server.iserver.asyncio_transports):
                transport.abort()

    async def remove(self, identifier: str) -> None:
        """Take one node out of the address space: from now on it is unknown."""
        if self._server is not None:
            await self.nodes.remove(self._server, identifier)

    async def end_subscriptions(self, status: int) -> None:
        """Tell all clients that their subscriptions are over, with a StatusCode."""
        if self._server is not None:
            await self._server.subscriptions.end_all(status)

    def forget_items(self, count: int) -> None:
        """Lose so many monitored items of each subscription without a word."""
        if self._server is not None:
            self._server.subscriptions.forget_items(count)

    async def _protect(self, server: _Server) -> None:
        if self._protection.insecure:
            server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
            server.set_identity_tokens([ua.AnonymousIdentityToken])
            return
        if self._protection.certificate is None or self._protection.private_key is None or not self._protection.users:
            raise ValueError("a protected server needs a certificate, its key and at least one user")
        await server.load_certificate(self._protection.certificate)
        await server.load_private_key(self._protection.private_key)
        server.set_security_policy([ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt, ua.SecurityPolicyType.Basic256Sha256_Sign])
        server.set_identity_tokens([ua.UserNameIdentityToken])

    async def _say_limits(self, server: _Server) -> None:
        for node, value in (
            (ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead, self.limits.max_nodes_per_read),
            (ObjectIds.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall, self.limits.max_monitored_items_per_call),
        ):
            await server.get_node(node_id(node)).write_value(ua.Variant(value, ua.VariantType.UInt32))
        interval = server.get_node(node_id(ObjectIds.Server_ServerCapabilities_MinSupportedSampleRate))
        await interval.write_value(ua.Variant(self.limits.min_sampling_us / 1000, ua.VariantType.Double))


class _Users(UserManager):
    """Lets in the named users; nobody else, unless the server is insecure by name."""

    def __init__(self, protection: Protection) -> None:
        self._protection = protection

    def get_user(
        self,
        iserver: InternalServer,  # noqa: ARG002
        username: str | None = None,
        password: str | None = None,
        certificate: Any = None,  # noqa: ARG002
    ) -> User | None:
        if self._protection.insecure:
            return User(role=UserRole.User, name="anonymous")
        known = self._protection.users.get(username or "")
        if known is None or not hmac.compare_digest(known.encode(), (password or "").encode()):
            return None
        return User(role=UserRole.User, name=username)


class _Server(Server):
    """asyncua's server with our sessions, subscriptions and connections."""

    def __init__(self, nodes: DeviceNodes, limits: DeviceLimits, users: UserManager) -> None:
        internal = _InternalServer(nodes, limits, users)
        super().__init__(iserver=internal)
        self._device = nodes
        self._max_nodes = limits.max_nodes_per_read
        self.subscriptions = internal.device_subscriptions

    def tell_the_time(self, nodes: DeviceNodes) -> None:
        """Answer what time it is when asked; asyncua writes it down once a second instead, and stopping waits for that second."""
        self.disable_clock()

        def now(_node: Any, _attribute: Any) -> ua.DataValue:
            time = time_of(nodes.clock.now_us())
            return ua.DataValue(ua.Variant(time), SourceTimestamp=time, ServerTimestamp=time)

        self.iserver.set_attribute_value_callback(node_id(ObjectIds.Server_ServerStatus_CurrentTime), now)

    async def start(self) -> None:
        await self._setup_server_nodes()
        await self.iserver.start()
        self.bserver = DeviceConnections(
            self._device, self._max_nodes, self.iserver, self.endpoint.hostname or "", self.endpoint.port or 0, self.limits
        )
        self.bserver.set_policies(self._policies)
        try:
            await self.bserver.start()
        except OSError:
            await self.iserver.stop()
            raise


class _InternalServer(InternalServer):
    def __init__(self, nodes: DeviceNodes, limits: DeviceLimits, users: UserManager) -> None:
        self.device = nodes
        self.device_limits = limits
        super().__init__(user_manager=users)
        self.subscription_service = self.device_subscriptions = DeviceSubscriptions(self.aspace, self, nodes, limits)
        self.isession.subscription_service = self.device_subscriptions
        self.allow_remote_admin = False
        self.max_connections = 100

    def create_session(self, name: str, user: User = User(role=UserRole.Anonymous), external: bool = False) -> InternalSession:  # noqa: B008
        return _Session(self, self.aspace, self.subscription_service, name, user=user, external=external)


class _Session(InternalSession):
    """A session whose Reads obey the limits and are answered from one scan."""

    async def read(self, params: ua.ReadParameters) -> list[ua.DataValue]:
        server = self.iserver
        assert isinstance(server, _InternalServer)  # noqa: S101  # our own sessions are made by our own server only
        if not params.NodesToRead:
            raise ServiceError(StatusCodes.BadNothingToDo)
        if len(params.NodesToRead) > server.device_limits.max_nodes_per_read:
            raise ServiceError(StatusCodes.BadTooManyOperations)
        return server.device.read(params, self.session_id)

    async def close_session(self, delete_subs: bool = True) -> None:
        await super().close_session(delete_subs)
        server = self.iserver
        assert isinstance(server, _InternalServer)  # noqa: S101
        server.device.feed.forget(self.session_id)
