"""Sessions with OPC UA servers: opened with a new client object each time, secured by default, watched by our own watchdog.

asyncua's own reconnecting and watchdogs are not used: they lose samples without a word, and one of them ends at its first failure.
A session here lives until ``lost``; whoever uses it then opens a new one, and all addresses are resolved anew.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import MutableMapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import UaError, UaStatusCodeError

from plant.errors import Rejected, Unavailable
from plant.signals import DataType
from protocols import opcua_resolving, opcua_security, opcua_subscription
from protocols.opcua_connection import SerialisedRequest, exchange
from protocols.opcua_endpoint import OpcUaEndpoint
from protocols.opcua_link import Link, ServerLimits, ServiceFailed, limit_of, read_request, status_name
from protocols.opcua_profiles import Profile, profile_named, profile_of
from protocols.opcua_reading import Reading
from protocols.opcua_resolving import ResolvedNode, UnresolvedNode
from protocols.opcua_subscription import Handover, Subscription, SubscriptionLost, Wish
from protocols.opcua_values import NOT_SCALAR, ReadColumns

__all__ = [
    "NOT_SCALAR",
    "Handover",
    "OpcUaEndpoint",
    "OpcUaSession",
    "ReadColumns",
    "Reading",
    "ResolvedNode",
    "Subscription",
    "SubscriptionLost",
    "UnresolvedNode",
    "Wish",
    "open_session",
]

_SERVER_STATE: Final = ua.NodeId(2259)  # type: ignore[arg-type]
_READ_RESPONSE: Final = 634
_LIMITS: Final = (11705, 11710, 11712, 11714)
"""MaxNodesPerRead, MaxNodesPerBrowse, MaxNodesPerTranslateBrowsePathsToNodeIds, MaxMonitoredItemsPerCall of its OperationLimits."""
_BUILD_INFO: Final = (ua.NodeId(2263), ua.NodeId(2261))  # type: ignore[arg-type]
"""ManufacturerName and ProductName."""
_TICK_SECONDS: Final = 0.5
_IDLE_SECONDS: Final = 0.75
_SILENCE_SECONDS: Final = 1.7
"""With the tick and the idle time: a server that fell silent is given up within 3 s."""
_CLOSING_SECONDS: Final = 1.0

_REFUSALS: Final = frozenset(
    int(code)
    for name, code in vars(StatusCodes).items()
    if name.startswith(("BadCertificate", "BadIdentityToken"))
    or name in {"BadSecurityChecksFailed", "BadUserAccessDenied", "BadSecurityPolicyRejected", "BadSecurityModeRejected"}
    or name in {"BadUserSignatureInvalid", "BadApplicationSignatureInvalid"}
)
"""What a server answers to one whom it will not let in; trying again changes nothing."""


class OpcUaSession:
    """One session with one server, good until ``lost`` is set; then open a new one."""

    def __init__(self, link: Link, namespaces: tuple[str, ...], profile: Profile | None = None) -> None:
        self.profile = profile
        """What is published about this kind of controller, None where nothing is known."""
        self.namespaces = namespaces
        """The server's namespace URIs, by index, as read last."""
        self.insecure = link.endpoint.policy == "None"
        """Whether the connection is neither signed nor encrypted."""
        self._link = link
        self._tasks = [asyncio.create_task(self._watch()), asyncio.create_task(self._renew_keys())]

    @property
    def lost(self) -> asyncio.Event:
        """Set at once when the connection breaks, and within about 3 s when the server falls silent."""
        return self._link.lost

    @property
    def lost_reason(self) -> str:
        """Why, for a person; empty while the session lives."""
        return self._link.lost_reason

    @property
    def link(self) -> Link:
        """The connection, for what is built on it."""
        return self._link

    async def resolve(
        self, addresses: Sequence[str], types: Sequence[DataType], names: MutableMapping[str, str] | None = None
    ) -> list[ResolvedNode | UnresolvedNode]:
        """Return, in the order of the addresses, what the server knows of each.

        ``names``: browse names met before, by address; a node that bears another one now is not read. May be asked again at any time in
        a session, e.g. for nodes that were unknown; the namespaces are read anew each time. Raises Unavailable.
        """
        self.namespaces = await opcua_resolving.read_namespaces(self._link)
        return await opcua_resolving.resolve(self._link, self.namespaces, addresses, types, names)

    async def prepare(self, nodes: Sequence[ResolvedNode]) -> Reading:
        """Return a cyclic read of these nodes. Raises Unavailable when the session is lost."""
        self._link.check_alive()
        return Reading(self._link, nodes)

    async def subscribe(self, wish: Wish) -> Subscription:
        """Return a new subscription, without items yet. Raises Unavailable."""
        return await opcua_subscription.subscribe(self._link, wish)

    async def take_over(self, before: Handover) -> Subscription | None:
        """Return a lost session's subscription with what waited for us, or None where the server does not hand it over."""
        return await opcua_subscription.take_over(self._link, before)

    async def close(self) -> None:
        """End the session and the connection; never raises, and may be called twice."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await _close(self._link, "closed by us")

    async def _watch(self) -> None:
        """Give the session up when nothing is heard any more, though something was asked."""
        link = self._link
        socket = link.client.socket
        silence = max(_SILENCE_SECONDS, 0.425 * link.endpoint.timeout_seconds)
        probe = SerialisedRequest(read_request([(_SERVER_STATE, AttributeIds.Value)]), socket, silence)
        while not link.lost.is_set():
            await asyncio.sleep(_TICK_SECONDS)
            if time.monotonic() - socket.heard_at < _IDLE_SECONDS:
                continue
            asked_at = time.monotonic()
            try:
                link.body_of(await exchange(socket, probe, silence), _READ_RESPONSE)
            except ServiceFailed:
                continue
            except Unavailable:
                if socket.heard_at < asked_at:
                    link.give_up(f"the server has been silent for {time.monotonic() - socket.heard_at:.1f} s")

    async def _renew_keys(self) -> None:
        """Agree on new keys before the old ones end."""
        link = self._link
        while not link.lost.is_set():
            await asyncio.sleep(max(0.1, 0.75 * link.client.secure_channel_timeout / 1000))
            try:
                await link.client.open_secure_channel(renew=True)
                link.client.uaclient.revolve_security_token()
            except Exception as error:  # noqa: BLE001 - asyncua raises what it likes here
                link.give_up(f"the keys could not be renewed: {error!r}")


async def open_session(endpoint: OpcUaEndpoint) -> OpcUaSession:
    """Return a new session. Raises Unavailable (try again later) or Rejected (settings or trust must change first)."""
    opcua_security.check_endpoint(endpoint)
    link = Link(endpoint)
    try:
        async with asyncio.timeout(3 * endpoint.timeout_seconds):
            await _connect(link)
            namespaces = await opcua_resolving.read_namespaces(link)
            profile = await _profile(link)
            link.limits = await _read_limits(link, profile)
        return OpcUaSession(link, namespaces, profile)
    except BaseException as error:
        await _close(link, "the session could not be opened")
        if isinstance(error, Exception):
            raise _said_our_way(error, endpoint) from error
        raise


async def _connect(link: Link) -> None:
    client, endpoint = link.client, link.endpoint
    client.name = client.description = "Leadhand"
    client.application_uri = endpoint.application_uri
    client.product_uri = "urn:leadhand"
    client.secure_channel_timeout = int(endpoint.channel_lifetime_seconds * 1000)
    client.session_timeout = int(endpoint.session_timeout_seconds * 1000)
    await opcua_security.secure(client, endpoint)
    await client.connect_socket()
    await client.send_hello()
    await client.open_secure_channel()
    await client.create_session()
    opcua_security.check_password_path(client, endpoint)
    await client.activate_session(username=endpoint.username, password=endpoint.password)


async def _profile(link: Link) -> Profile | None:
    """Return the profile that the settings name, or that fits what the server says of itself."""
    if link.endpoint.profile is not None:
        return profile_named(link.endpoint.profile)
    said = [(await link.read_attributes([(node, AttributeIds.Value)]))[0].value for node in _BUILD_INFO]
    return profile_of(*(text if isinstance(text, str) else "" for text in said))


async def _read_limits(link: Link, profile: Profile | None) -> ServerLimits:
    """Return how many operations the server takes at once. One at a time is asked: that is within any limit."""
    limits = []
    for identifier in _LIMITS:
        node = ua.NodeId(identifier)  # type: ignore[arg-type]
        limits.append(limit_of((await link.read_attributes([(node, AttributeIds.Value)]))[0]))
    announced = ServerLimits(*limits)
    if profile is None:
        return announced
    most = profile.nodes_per_call or max(limits)
    return replace(
        announced,
        nodes_per_read=min(announced.nodes_per_read, most),
        monitored_items_per_call=min(announced.monitored_items_per_call, most),
        requests_at_once=profile.requests_at_once or announced.requests_at_once,
    )


async def _close(link: Link, reason: str) -> None:
    """Take leave where the server still listens, and break the connection in any case."""
    if not link.lost.is_set() and link.client.uaclient.has_session:
        with suppress(Exception):
            async with asyncio.timeout(_CLOSING_SECONDS):
                await link.client.close_session()
                await link.client.close_secure_channel()
    link.give_up(reason)


def _said_our_way(error: Exception, endpoint: OpcUaEndpoint) -> Exception:
    """Return the error as one of ours."""
    if isinstance(error, Unavailable | Rejected):
        return error
    if isinstance(error, TimeoutError):
        return Unavailable(f"{endpoint.url}: no answer in time; check that this is an OPC UA server's port, and the network up to it")
    if isinstance(error, OSError):
        return Unavailable(f"{endpoint.url}: not reached ({_why(error)}); check host, port and firewall, and that the server runs")
    if isinstance(error, ServiceError | UaStatusCodeError):
        code = int(error.code)
        text = f"{endpoint.url}: the server says {status_name(code)}".removesuffix(".")
        if code in _REFUSALS:
            user = f"the user '{endpoint.username}'" if endpoint.username else "the user (none was given)"
            return Rejected(f"{text}; check {user}, and whether the server trusts our certificate '{endpoint.own_certificate}'")
        return Unavailable(text)
    if isinstance(error, UaError) and "No matching endpoints" in str(error):
        return Rejected(f"{endpoint.url}: the server does not offer {endpoint.policy}/{endpoint.mode}")
    return Unavailable(f"{endpoint.url}: {error or type(error).__name__}")


def _why(error: OSError) -> str:
    """Return the reason without the address, which is told already; a name with several addresses has no one reason."""
    if error.errno is None:
        return "none of its addresses answers"
    return os.strerror(error.errno) if error.errno > 0 else str(error.strerror)
