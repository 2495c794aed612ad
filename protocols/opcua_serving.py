"""Our own OPC UA server, for controllers that come for their messages: what lies open for each work unit, and methods to answer.

Below ``Objects/Leadhand/WorkUnits`` each work unit is an object: the oldest open message as typed variables and as signed text, all open
ones as arrays of text, our heartbeat; methods Accept, Refuse, Report and Heartbeat; an event whenever a message is new. Below ``Results``
the latest tightening and inspection of each station. A controller sees the work units of its account and nothing of the others, by no
service.
"""

from __future__ import annotations

import copy
import hmac
import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.crypto.validator import CertificateValidator, CertificateValidatorOptions
from asyncua.server.user_managers import UserManager
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from plant.clock import Clock
from plant.deliveries import Quantity, SetPart, SignedMessage, Verdict
from plant.errors import Rejected, Unavailable
from protocols import pki
from protocols.opcua_door import Door, limits
from protocols.opcua_hosting import no_collecting
from protocols.opcua_isa95 import time_of
from protocols.opcua_serving_nodes import Nodes, node_id
from protocols.opcua_serving_values import METHODS, WrongArguments, argument, fits, parts_of, quantities, value_of, values_of, variant_of
from protocols.opcua_sessions import ServedServer

SERVER_URI: Final = "urn:leadhand:delivery:server"
NAMESPACE: Final = "urn:leadhand:delivery"
_POLICIES: Final = {
    "Aes256_Sha256_RsaPss": ua.SecurityPolicyType.Aes256Sha256RsaPss_SignAndEncrypt,
    "Basic256Sha256": ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt,
    "Aes128_Sha256_RsaOaep": ua.SecurityPolicyType.Aes128Sha256RsaOaep_SignAndEncrypt,
}
_REPORTED: Final = {"executed": Verdict.EXECUTED, "failed": Verdict.FAILED, "measured": Verdict.MEASURED}
_LONGEST: Final = 400
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Account:
    """A controller that may connect, by password or by certificate."""

    name: str
    sees: Callable[[str], bool]
    """Whether a work unit is its own."""
    password: str | None = None
    certificate: x509.Certificate | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """What a controller says of a message by a method."""

    account: str
    work_unit: str
    message_id: str
    verdict: Verdict
    reason: str = ""
    quantities: tuple[Quantity, ...] = ()
    parts: tuple[SetPart, ...] = ()


@dataclass(frozen=True, slots=True)
class HeardBeat:
    """A controller's sign of life."""

    account: str
    work_unit: str
    ai_off: bool
    counter: int
    state: str


@dataclass(frozen=True, slots=True)
class Listeners:
    """Who takes what controllers say."""

    answered: Callable[[Answered], Awaitable[str]]
    """Returns ``step``, ``again`` or ``refused``; raises Unavailable."""
    beat: Callable[[HeardBeat], None]


class DeliveryServer:
    """Our server, open from ``start`` to ``stop``."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        folder: Path,
        policies: Sequence[str],
        allow_none: bool,
        accounts: Sequence[Account],
        clock: Clock,
        listeners: Listeners,
    ) -> None:
        self._host, self._port = host, port
        self._folder = folder
        self._policies = [_POLICIES[name] for name in policies]
        self._allow_none = allow_none
        self._accounts = {one.name: one for one in accounts}
        self._clock = clock
        self._listeners = listeners
        self._server: ServedServer | None = None
        self._nodes: Nodes | None = None
        self._units: dict[str, _Unit] = {}
        self._by_object: dict[ua.NodeId, str] = {}
        self._owners: dict[ua.NodeId, str] = {}
        self._methods: dict[ua.NodeId, str] = {}
        self._stations: dict[str, dict[str, ua.NodeId]] = {}
        self._event: Any = None

    @property
    def url(self) -> str:
        """Where controllers connect."""
        return f"opc.tcp://{self._host}:{self._port}/"

    @property
    def trusted(self) -> Path:
        """The folder of the certificates of controllers that may connect."""
        return self._folder / "trusted"

    async def start(self, free_port: Callable[[str], int]) -> None:
        """Build the address space and listen. Raises Unavailable where the port is taken."""
        self._port = self._port or free_port(self._host)
        self.trusted.mkdir(mode=0o700, parents=True, exist_ok=True)
        certificate, key = pki.ensure_own_certificate(self._folder / "own", SERVER_URI, self._clock)
        server = self._server = ServedServer(_Users(self._accounts), self._hidden, self._call)
        server.limits = limits()
        with no_collecting():
            await server.init()
        server.disable_clock()
        server.set_endpoint(self.url)
        server.set_server_name("Leadhand")
        server.product_uri = "urn:leadhand"
        await server.set_application_uri(SERVER_URI)
        await server.set_build_info("urn:leadhand", "Leadhand", "Leadhand", "1", "1", time_of(self._clock.now_us()))
        await server.load_certificate(certificate)
        await server.load_private_key(key)
        none = [ua.SecurityPolicyType.NoSecurity] if self._allow_none else []
        server.set_security_policy([*self._policies, *none])
        tokens: list[type] = [ua.UserNameIdentityToken]
        if any(one.certificate is not None for one in self._accounts.values()):
            tokens += [ua.X509IdentityToken, ua.AnonymousIdentityToken]
        server.set_identity_tokens(tokens)
        server.set_certificate_validator(self._validate)
        with no_collecting():
            await self._build(server)
        server.make_door = lambda *arguments: Door(*arguments, allow_none=self._allow_none)
        try:
            await server.start()
        except OSError as error:
            self._server = None
            raise Unavailable(f"cannot listen on {self.url}: {error}; give another port") from error

    async def stop(self) -> None:
        """Close all connections and listen no more."""
        server, self._server = self._server, None
        if server is not None:
            await server.stop()

    @property
    def connected(self) -> frozenset[str]:
        """The accounts that have a session now."""
        return frozenset() if self._server is None else self._server.accounts_now()

    # --- what lies open ---------------------------------------------------------------------------------------------------------------

    async def show(self, work_unit: str, offered: Sequence[SignedMessage], *, new: SignedMessage | None = None) -> None:
        """Let a work unit's open messages be these, the oldest first; tell of ``new`` by an event."""
        await self._write(self._unit(work_unit).nodes, values_of(offered))
        if new is not None:
            await self._tell(work_unit, new)

    async def show_pulse(self, work_unit: str, number: int, mode: str) -> None:
        """Let a work unit's controller see that we are alive."""
        unit = self._unit(work_unit)
        unit.pulse, unit.mode = number & 0xFFFFFFFF, mode
        given = {"Pulse": ua.Variant(unit.pulse, ua.VariantType.UInt32), "Mode": ua.Variant(mode, ua.VariantType.String)}
        await self._write(unit.nodes, given)

    async def show_result(self, station: str, kind: str, values: Mapping[str, Any]) -> None:
        """Let the latest result of a station be this one; its account's controllers see it. Lists are of text, tuples of numbers."""
        nodes = self._nodes
        if nodes is None:
            return
        given = {name: variant_of(value) for name, value in values.items()}
        path = f"Results/{station}/{kind}"
        if path not in self._stations:
            parent = nodes.own(f"Results/{station}")
            base = node_id(ObjectIds.BaseObjectType)
            if not any(one.startswith(f"Results/{station}/") for one in self._stations):
                self._owners[nodes.add_object(f"Results/{station}", nodes.own("Results"), station, base)] = station
            place = nodes.add_object(path, parent, kind, base, organized=False)
            self._owners[place] = station
            self._stations[path] = {name: nodes.add_variable(f"{path}/{name}", place, name, value) for name, value in given.items()}
            self._owners |= dict.fromkeys(self._stations[path].values(), station)
        await self._write(self._stations[path], given)

    async def _write(self, nodes: Mapping[str, ua.NodeId], values: Mapping[str, ua.Variant]) -> None:
        server = self._server
        if server is None:
            raise Unavailable("our OPC UA server is closed")
        now = time_of(self._clock.now_us())
        for name, value in values.items():
            if name in nodes and server.read_attribute_value(nodes[name]).Value != value:
                await server.write_attribute_value(nodes[name], ua.DataValue(value, SourceTimestamp=now, ServerTimestamp=now))

    async def _tell(self, work_unit: str, new: SignedMessage) -> None:
        server = self._server
        if server is None or self._event is None:
            return
        event, message = copy.copy(self._event), new.message
        now = time_of(self._clock.now_us())
        event.EventId = uuid.uuid4().bytes
        event.Time = event.ReceiveTime = now
        event.SourceNode, event.SourceName = self._unit(work_unit).node, work_unit
        event.Message = ua.LocalizedText(f"{message.kind} for {work_unit}")
        event.Severity = 500
        event.WorkUnit, event.Id, event.Kind, event.Counter = work_unit, message.id, message.kind.value, message.counter
        await server.tell(event, self._unit(work_unit).node)

    # --- the address space ------------------------------------------------------------------------------------------------------------

    async def _build(self, server: ServedServer) -> None:
        space = await server.register_namespace(NAMESPACE)
        nodes = self._nodes = Nodes(server.iserver.aspace, space)
        kind = await server.nodes.base_object_type.add_object_type(nodes.own("WorkUnitType"), ua.QualifiedName("WorkUnitType", space))
        for name, (inputs, outputs) in METHODS.items():
            method = await kind.add_method(
                nodes.own(f"WorkUnitType/{name}"),
                ua.QualifiedName(name, space),
                _never,
                [argument(*one) for one in inputs],
                [argument(*one) for one in outputs],
            )
            self._methods[method.nodeid] = name
        fields = [("WorkUnit", ua.VariantType.String), ("Id", ua.VariantType.String), ("Kind", ua.VariantType.String)]
        fields.append(("Counter", ua.VariantType.UInt64))
        told = await server.create_custom_event_type(space, "MessageOfferedEventType", properties=fields)
        self._event = (await server.get_event_generator(told, ObjectIds.Server)).event
        folder = node_id(ObjectIds.FolderType)
        top = nodes.add_object("Leadhand", node_id(ObjectIds.ObjectsFolder), "Leadhand", folder)
        nodes.add_object("WorkUnits", top, "WorkUnits", folder)
        nodes.add_object("Results", top, "Results", folder)

        def now(_node: Any, _attribute: Any) -> ua.DataValue:
            time = time_of(self._clock.now_us())
            return ua.DataValue(ua.Variant(time), SourceTimestamp=time, ServerTimestamp=time)

        server.iserver.set_attribute_value_callback(node_id(ObjectIds.Server_ServerStatus_CurrentTime), now)

    def _unit(self, work_unit: str) -> _Unit:
        """Return a work unit's nodes; they are made when it is met first."""
        found = self._units.get(work_unit)
        if found is not None:
            return found
        nodes = self._nodes
        if nodes is None:
            raise Unavailable("our OPC UA server is closed")
        path = f"WorkUnits/{work_unit}"
        place = nodes.add_object(path, nodes.own("WorkUnits"), work_unit, nodes.own("WorkUnitType"), events=True)
        variables = values_of(()) | {"Pulse": ua.Variant(0, ua.VariantType.UInt32), "Mode": ua.Variant("", ua.VariantType.String)}
        unit = _Unit(place, {name: nodes.add_variable(f"{path}/{name}", place, name, value) for name, value in variables.items()})
        for method in self._methods:
            nodes.share(place, method)
        self._units[work_unit] = unit
        self._by_object[place] = work_unit
        self._owners |= dict.fromkeys((place, *unit.nodes.values()), work_unit)
        return unit

    # --- who comes --------------------------------------------------------------------------------------------------------------------

    async def _validate(self, certificate: x509.Certificate, client: ua.ApplicationDescription) -> None:
        """Raise ServiceError unless a client's certificate is good and trusted: it lies in the folder, or is that of an account."""
        known = pki.trust_list(None, self.trusted)
        pinned = pki.TrustList([one.certificate for one in self._accounts.values() if one.certificate is not None])
        trusted = pinned if certificate in [one.certificate for one in self._accounts.values()] else known
        await trusted.load()
        options = CertificateValidatorOptions.TRUSTED_VALIDATION | CertificateValidatorOptions.PEER_CLIENT
        try:
            await CertificateValidator(options, trusted).validate(certificate, client)
        except ServiceError as error:
            kept = pki.keep_refused(self.trusted, certificate) if error.code == StatusCodes.BadCertificateUntrusted else None
            where = f"; to trust it, move '{kept}' into '{self.trusted}'" if kept is not None else ""
            said = ua.StatusCode(ua.UInt32(error.code)).name
            _log.warning("a client's certificate (%s) is refused: %s%s", pki.describe(certificate), said, where)
            raise
        except Rejected as error:
            _log.warning("a certificate in '%s' cannot be read: %s", self.trusted, error)
            raise ServiceError(StatusCodes.BadCertificateUntrusted) from error

    def _hidden(self, account: str, node: ua.NodeId) -> bool:
        """Whether an account may not know of a node."""
        owner = self._owners.get(node)
        if owner is None:
            return False
        known = self._accounts.get(account)
        return known is None or not known.sees(owner)

    # --- what they say ----------------------------------------------------------------------------------------------------------------

    async def _call(self, account: str, asked: ua.CallMethodRequest) -> ua.CallMethodResult:
        """Carry out a method of a work unit."""
        work_unit, name = self._by_object.get(asked.ObjectId), self._methods.get(asked.MethodId)
        if work_unit is None or self._hidden(account, asked.ObjectId):
            return _failed(StatusCodes.BadNodeIdUnknown)
        if name is None:
            return _failed(StatusCodes.BadMethodInvalid)
        given = asked.InputArguments or []
        wanted = METHODS[name][0]
        if len(given) != len(wanted):
            return _failed(StatusCodes.BadArgumentsMissing if len(given) < len(wanted) else StatusCodes.BadTooManyArguments)
        matches = [fits(one, kind, array=array) for one, (_, kind, array) in zip(given, wanted, strict=True)]
        values = {key: value_of(one, array=array) for one, (key, _, array) in zip(given, wanted, strict=True)}
        if not all(matches):
            return _failed(StatusCodes.BadInvalidArgument, matches)
        try:
            outputs = await self._answer(account, work_unit, name, values)
        except WrongArguments:
            return _failed(StatusCodes.BadInvalidArgument)
        except Unavailable:
            return _failed(StatusCodes.BadResourceUnavailable)
        return ua.CallMethodResult(ua.StatusCode(), [ua.StatusCode() for _ in matches], [], outputs)

    async def _answer(self, account: str, work_unit: str, name: str, values: Mapping[str, Any]) -> list[ua.Variant]:
        if name == "Heartbeat":
            self._listeners.beat(HeardBeat(account, work_unit, values["AiOff"], values["Counter"], values["State"][:_LONGEST]))
            unit = self._unit(work_unit)
            now = ua.Variant(time_of(self._clock.now_us()), ua.VariantType.DateTime)
            return [ua.Variant(unit.pulse, ua.VariantType.UInt32), ua.Variant(unit.mode, ua.VariantType.String), now]
        verdict = {"Accept": Verdict.ACCEPTED, "Refuse": Verdict.REFUSED}.get(name) or _REPORTED.get(values["Result"])
        if verdict is None:
            raise WrongArguments
        said = await self._listeners.answered(
            Answered(
                account,
                work_unit,
                values["Id"],
                verdict,
                values.get("Reason", "")[:_LONGEST],
                quantities(values) if name == "Report" else (),
                parts_of(values["Parts"]) if name == "Report" else (),
            )
        )
        return [ua.Variant(said, ua.VariantType.String)]


@dataclass(slots=True)
class _Unit:
    node: ua.NodeId
    nodes: dict[str, ua.NodeId]
    pulse: int = 0
    mode: str = ""


class _Users(UserManager):
    """Lets in the accounts, each by what it was given: its password, or its certificate, as a user's or as the application's."""

    def __init__(self, accounts: Mapping[str, Account]) -> None:
        self._accounts = accounts

    def get_user(self, iserver: Any, username: str | None = None, password: str | None = None, certificate: Any = None) -> User | None:  # noqa: ARG002
        if username is not None:
            known = self._accounts.get(username)
            expected = None if known is None else known.password
            same = hmac.compare_digest((expected or "\0").encode(), (password or "").encode())
            if expected is None or not same:
                _log.warning("a controller was refused: no such account, or not its password")
                return None
            return User(role=UserRole.User, name=username)
        for one in self._accounts.values():
            if one.certificate is not None and certificate and _der(one.certificate) == bytes(certificate):
                return User(role=UserRole.User, name=one.name)
        return None


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


async def _never(_parent: Any, *_arguments: Any) -> Any:
    """Methods are carried out by the session, which knows whose they are."""
    return ua.StatusCode(ua.UInt32(StatusCodes.BadNotExecutable))


def _failed(status: int, matches: Sequence[bool] = ()) -> ua.CallMethodResult:
    each = [ua.StatusCode(ua.UInt32(0 if fit else StatusCodes.BadTypeMismatch)) for fit in matches]
    return ua.CallMethodResult(ua.StatusCode(ua.UInt32(status)), each, [], [])
