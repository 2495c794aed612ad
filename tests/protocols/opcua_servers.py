"""Real OPC UA servers in processes of their own, which tests start, change, freeze and kill.

Run as a module it is asyncua's server: it prints one line when ready, and does what lines on its standard input say.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, cast

from asyncua.server.server import Server
from asyncua.ua.attribute_ids import AttributeIds
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from protocols import pki
from protocols.opcua_hosting import end_connections
from tests.ports import free_port

REPOSITORY = Path(__file__).resolve().parents[2]
SERVER_URI = "urn:test:server"
CLIENT_URI = "urn:test:client"
TYPES: dict[str, bool | int | float | str] = {
    "boolean": True,
    "sbyte": -5,
    "byte": 250,
    "int16": -30000,
    "uint16": 60000,
    "int32": -2_000_000_000,
    "uint32": 4_000_000_000,
    "int64": -9_007_199_254_740_993,
    "uint64": 18_446_744_073_709_551_615,
    "float": 1.5,
    "double": 3.141592653589793,
    "string": "Grüße 你好",
}


class ServerProcess:
    """A server in a process of its own."""

    def __init__(self, command: list[str], port: int, *, environment: dict[str, str] | None = None) -> None:
        self.port = port
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY, env={**os.environ, **(environment or {})}
        )
        try:
            line = ""
            while '"ready"' not in line:  # node-opcua greets in words first
                line = self._line()
        except BaseException:
            self.kill()
            raise
        self.ready = json.loads(line)

    def _line(self) -> str:
        line = cast(IO[str], self.process.stdout).readline()
        if not line:
            raise RuntimeError(f"the server ended with {self.process.wait()}")
        return line

    @property
    def url(self) -> str:
        return f"opc.tcp://127.0.0.1:{self.port}/"

    def tell(self, act: str, **facts: Any) -> Any:
        """Have the server do something and return its answer."""
        pipe = cast(IO[str], self.process.stdin)
        pipe.write(json.dumps({"act": act, **facts}) + "\n")
        pipe.flush()
        return json.loads(self._line())

    def freeze(self) -> None:
        """Make it hold still with its connections open, as a machine does whose network cable was pulled."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)

    def kill(self) -> None:
        """End it without a farewell."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


@contextmanager
def asyncua_server(*arguments: str, port: int | None = None) -> Iterator[ServerProcess]:
    """Give asyncua's server; it is gone afterwards."""
    chosen = free_port() if port is None else port
    server = ServerProcess([sys.executable, "-m", "tests.protocols.opcua_servers", "--port", str(chosen), *arguments], chosen)
    try:
        yield server
    finally:
        server.kill()


@asynccontextmanager
async def started(server: Server) -> AsyncIterator[None]:
    """Keep asyncua's server running in this loop while the block runs; no connection is left open afterwards."""
    await server.start()
    try:
        yield
    finally:
        if server.bserver is not None:
            await end_connections(server.bserver)
        await server.stop()


def make_identity(folder: Path, uri: str, *, from_days: float = -1, to_days: float = 365) -> tuple[Path, Path]:
    """Return the files of a new certificate and key, valid between so many days from now."""
    folder.mkdir(parents=True, exist_ok=True)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    now = datetime.now(UTC)
    certificate = pki.make_certificate(key, uri, now + timedelta(days=from_days), now + timedelta(days=to_days))
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(pem)
    (folder / "certificate.der").write_bytes(certificate.public_bytes(serialization.Encoding.DER))
    return folder / "certificate.der", folder / "key.pem"


def _say(facts: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


async def _serve(options: argparse.Namespace) -> None:
    ua: Any = importlib.import_module("asyncua.ua")
    from asyncua.crypto.permission_rules import SimpleRoleRuleset, User, UserRole
    from asyncua.crypto.truststore import TrustStore
    from asyncua.crypto.validator import CertificateValidator, CertificateValidatorOptions

    class OneUser:
        def get_user(self, iserver: Any, username: str | None = None, password: str | None = None, certificate: Any = None) -> User | None:
            del iserver, certificate
            if username is None and not options.password:
                return User(role=UserRole.User)
            return User(role=UserRole.User) if (username, password) == ("lead", options.password) else None

    server = Server(user_manager=cast(Any, OneUser()))
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{options.port}/")
    server.set_server_name("test server")
    await server.set_application_uri(SERVER_URI)
    server.iserver.min_session_timeout_ms = 500
    policies = {
        "None": ua.SecurityPolicyType.NoSecurity,
        "Basic256Sha256": ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt,
        "Basic256Sha256-Sign": ua.SecurityPolicyType.Basic256Sha256_Sign,
        "Aes256_Sha256_RsaPss": ua.SecurityPolicyType.Aes256Sha256RsaPss_SignAndEncrypt,
        "Aes128_Sha256_RsaOaep": ua.SecurityPolicyType.Aes128Sha256RsaOaep_SignAndEncrypt,
    }
    server.set_security_policy([policies[name] for name in options.policies.split(",")], permission_ruleset=cast(Any, SimpleRoleRuleset)())
    if options.certificate:
        await server.load_certificate(options.certificate)
        await server.load_private_key(options.key)
    if options.trusted:
        store = TrustStore([Path(options.trusted)], [])
        await store.load()
        wanted = CertificateValidatorOptions.TRUSTED_VALIDATION | CertificateValidatorOptions.PEER_CLIENT
        server.set_certificate_validator(CertificateValidator(wanted, store))
    nodes: dict[str, Any] = {}
    spaces = {uri: await server.register_namespace(uri) for uri in options.namespaces.split(",")}
    for machine, value in (("press", 180.0), ("oven", 25.0)):
        space = spaces.get(f"urn:{machine}")
        if space is not None:
            folder = await server.nodes.objects.add_object(ua.NodeId(1000, space), ua.QualifiedName(machine, space))
            temperature, pressure = (1002, 1001) if options.swapped else (1001, 1002)
            nodes[machine] = await folder.add_variable(ua.NodeId(temperature, space), ua.QualifiedName("Temperature", space), value)
            await folder.add_variable(ua.NodeId(pressure, space), ua.QualifiedName("Pressure", space), 7.0)
    if "http://types.test/UA/" in spaces:
        await _add_types(server, spaces["http://types.test/UA/"], nodes, options)
    async with server:
        _say({"ready": True, "port": options.port})
        changes = _write if options.write_ms else _churn
        churning = asyncio.create_task(changes(server, nodes, options)) if options.churn or options.write_ms else None
        await _obey(server, nodes)
        if churning is not None:
            churning.cancel()


async def _add_types(server: Any, space: int, nodes: dict[str, Any], options: argparse.Namespace) -> None:
    ua: Any = importlib.import_module("asyncua.ua")
    folder = await server.nodes.objects.add_folder(ua.NodeId("types", space), ua.QualifiedName("Types", space))
    kinds = {**{name: name for name in TYPES}, "sbyte": "SByte", "uint16": "UInt16", "uint32": "UInt32", "uint64": "UInt64"}
    for name, value in TYPES.items():
        kind = getattr(ua.VariantType, kinds[name][0].upper() + kinds[name][1:])
        nodes[name] = await folder.add_variable(ua.NodeId(name, space), ua.QualifiedName(name, space), ua.Variant(value, kind))
    await folder.add_variable(ua.NodeId("array", space), ua.QualifiedName("array", space), [1.0, 2.0])
    await folder.add_variable(ua.NodeId("date", space), ua.QualifiedName("date", space), datetime.now(UTC))
    duration = ua.Variant(2.5, ua.VariantType.Double)
    await folder.add_variable(ua.NodeId("duration", space), ua.QualifiedName("duration", space), duration, datatype=ua.NodeId(290))
    state = ua.Variant(0, ua.VariantType.Int32)
    await folder.add_variable(ua.NodeId("state", space), ua.QualifiedName("state", space), state, datatype=ua.NodeId(852))
    anything = await folder.add_variable(ua.NodeId("any", space), ua.QualifiedName("any", space), 1.0, datatype=ua.NodeId(24))
    nodes["any"] = anything
    analog = await folder.add_variable(ua.NodeId("analog", space), ua.QualifiedName("a/b:c&d", space), 7.5)
    said = ua.DataValue(ua.Variant(ua.LocalizedText("oil in the tank\0"), ua.VariantType.LocalizedText))
    await analog.write_attribute(AttributeIds.Description, said)
    span = ua.Range(-10.0, 90.5)
    unit = ua.EUInformation("http://www.opcfoundation.org/UA/units/un/cefact", 4408652, ua.LocalizedText("°C"), ua.LocalizedText("Celsius"))
    await analog.add_property(ua.NodeId("analog.range", space), ua.QualifiedName("EURange", 0), span)
    await analog.add_property(ua.NodeId("analog.unit", space), ua.QualifiedName("EngineeringUnits", 0), unit)
    child = await analog.add_variable(ua.NodeId("below", space), ua.QualifiedName("below", space), 1.25)
    nodes["analog"], nodes["below"] = analog, child
    # A cycle: the variable's child leads back to the folder above.
    await child.add_reference(folder, ua.ObjectIds.Organizes, forward=True, bidirectional=False)
    for number in range(options.many):
        value = _mixed(number, 0) if options.mixed else ua.Variant(float(number), ua.VariantType.Double)
        nodes[f"many{number}"] = await folder.add_variable(ua.NodeId(number + 1, space), ua.QualifiedName(f"many{number}", space), value)


def _mixed(number: int, turn: int) -> Any:
    """Return a value whose type follows from the number and whose text's length follows from the turn."""
    ua: Any = importlib.import_module("asyncua.ua")
    kinds = ("Double", "Float", "Int32", "Boolean", "Int16", "UInt32", "String")
    kind = kinds[number % 7]
    value = "x" * ((number + turn) % 20) if kind == "String" else turn % 2 == 0 if kind == "Boolean" else number % 1000 + turn % 7
    return ua.Variant(float(value) if kind in {"Double", "Float"} else value, getattr(ua.VariantType, kind))


async def _churn(server: Any, nodes: dict[str, Any], options: argparse.Namespace) -> None:
    """Change some nodes again and again, past asyncua's check of types: a few in another type, some with a bad status."""
    ua: Any = importlib.import_module("asyncua.ua")
    choose = random.Random(options.seed)  # noqa: S311 - changes, not secrets
    turn = 0
    while True:
        turn += 1
        for number in choose.sample(range(options.many), options.churn):
            value = _mixed(number + (choose.random() < 0.2), turn)
            code = ua.StatusCode(0x80050000 if choose.random() < 0.2 else 0)
            _force(server, nodes[f"many{number}"], ua.DataValue(value, code, datetime.now(UTC)))
        await asyncio.sleep(0.03)


async def _write(server: Any, nodes: dict[str, Any], options: argparse.Namespace) -> None:
    """Change all numbered nodes again and again, so that subscriptions are told."""
    turn = 0
    while True:
        turn += 1
        for number in range(options.many):
            value = _mixed(number, turn) if options.mixed else _mixed(7 * number, turn)
            await server.write_attribute_value(nodes[f"many{number}"].nodeid, value_now(value))
        await asyncio.sleep(options.write_ms / 1000)


def value_now(variant: Any) -> Any:
    """Return a value of this moment."""
    ua: Any = importlib.import_module("asyncua.ua")
    return ua.DataValue(variant, SourceTimestamp=datetime.now(UTC))


def _force(server: Any, node: Any, value: Any) -> None:
    """Set a value past asyncua's check of types, as a program download to a controller goes past it."""
    server.iserver.aspace._nodes[node.nodeid].attributes[AttributeIds.Value].value = value


async def _obey(server: Any, nodes: dict[str, Any]) -> None:
    ua: Any = importlib.import_module("asyncua.ua")
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        wish = json.loads(line)
        node: Any = nodes.get(wish.get("node", ""))
        if wish["act"] == "write":
            kind = getattr(ua.VariantType, wish["kind"]) if "kind" in wish else None
            at = datetime.fromisoformat(wish["at"]) if "at" in wish else datetime.now(UTC)
            value = ua.DataValue(ua.Variant(wish["value"] * wish.get("times", 1), kind), ua.StatusCode(wish.get("status", 0)), at)
            await server.write_attribute_value(node.nodeid, value)
        elif wish["act"] == "force":
            value = ua.DataValue(ua.Variant(wish["value"], getattr(ua.VariantType, wish["kind"])), SourceTimestamp=datetime.now(UTC))
            _force(server, node, value)
        elif wish["act"] == "remove":
            await server.delete_nodes([node])
        elif wish["act"] == "sleep":
            _say({"done": True})
            time.sleep(wish["seconds"])  # noqa: ASYNC251 - holds the whole server up, as is meant
            continue
        _say({"done": True})


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--namespaces", default="urn:press,urn:oven,http://types.test/UA/")
    parser.add_argument("--policies", default="None")
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    parser.add_argument("--trusted")
    parser.add_argument("--password", default="")
    parser.add_argument("--many", type=int, default=0, help="so many numbered nodes of type Double")
    parser.add_argument("--swapped", action="store_true", help="the machines' two variables bear each other's node id")
    parser.add_argument("--mixed", action="store_true", help="the numbered nodes are of seven types in turn")
    parser.add_argument("--churn", type=int, default=0, help="so many of the numbered nodes change type, status or length each 30 ms")
    parser.add_argument("--write-ms", type=float, default=0, help="all numbered nodes change so often, and subscriptions are told")
    parser.add_argument("--seed", type=int, default=1)
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
