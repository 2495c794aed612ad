"""Leadhand's own OPC UA server: what a controller sees there, what it may say, and who is let in."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.uaerrors import UaStatusCodeError

from delivery.opcua_server import ServerWay, make_ways
from delivery.rest import Asks
from delivery.ways import Setup, Taken
from plant.deliveries import Quantity, Verdict
from plant.delivery_rules import DeliveryPlan
from plant.equipment import EquipmentId
from plant.errors import Rejected, SettingsError
from plant.inspections import Decision, Reason
from plant.settings import SiteFile
from plant.settings_delivery import DeliveryServerSettings, DeliverySettings, OpcUaServerController
from plant.signals import SourceId
from plant.site import Site, site_of
from plant.tightening import TighteningResult
from plant.verdict import Verdict as PlantVerdict
from protocols import pki
from protocols.opcua_client import OpcUaEndpoint, open_session
from protocols.opcua_jobs import CallRefused, call
from protocols.opcua_nodes import NodeBook
from storage.catalogue import register_site
from storage.database import Connection, connect
from storage.tightening import add
from tests.databases import fresh_database
from tests.delivery.test_taking_verdicts import looked
from tests.delivery.way_parts import CLOCK, CURRENT, KEY, Heard, pulse, signed, until
from tests.node_parts import Node
from tests.protocols.opcua_servers import CLIENT_URI, REPOSITORY, make_identity

SPACE = "urn:leadhand:delivery"


def plan(folder: Path, *, allow_none: bool = False, **certificate: str) -> Setup:
    """Two controllers: one for the robots, by password, and one for all else, by certificate where one is given."""
    (folder / "password").write_text("open sesame", "utf-8")
    login = {"username": "cell", "password_file": "password"}
    other = certificate or {"username": "other", "password_file": "password"}
    told = [
        {"id": "robots", "way": "opcua_server", "work_units": ["robot-1", "robot-2"], **login},
        {"id": "rest", "way": "opcua_server", "work_units": ["other", "press-*"], **other},
    ]
    controllers = tuple(OpcUaServerController.model_validate(one) for one in told)
    server = DeliveryServerSettings(port=0, allow_none=allow_none)
    delivery = DeliveryPlan(DeliverySettings(controllers=controllers, server=server), folder, wanted=True)
    site = Site(EquipmentId("acme/north"), "North", "UTC", (), (), (), delivery=delivery)
    return Setup(site, controllers, folder / "state", CLOCK, lambda _controller: KEY)


@asynccontextmanager
async def served(given: Setup, heard: Heard, database: Asks | None = None) -> AsyncIterator[tuple[ServerWay, ServerWay, str]]:
    first, second = make_ways(given)
    assert isinstance(first, ServerWay)
    assert isinstance(second, ServerWay)
    if database is not None:
        first.attach(database)
    await asyncio.gather(first.open(heard), second.open(heard))
    try:
        await until(lambda: first._desk.listening)
        yield first, second, first._desk.server.url
    finally:
        await first.close()
        await second.close()


class Database:
    """Does jobs at a database at once."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    async def ask(self, job: Callable[[Connection], Any]) -> Any:
        return job(self.connection)


@dataclass(frozen=True, slots=True)
class Server:
    robots: ServerWay
    rest: ServerWay
    url: str
    folder: Path
    heard: Heard
    connection: Connection


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server(
    tmp_path_factory: pytest.TempPathFactory, identity: tuple[Path, Path], postgres_server: str, migrated_template: str
) -> AsyncIterator[Server]:
    """One server for all tests here; it trusts the identity."""
    folder, heard = tmp_path_factory.mktemp("server"), Heard()
    pki.trust(folder / "state" / "trusted", pki.read_certificate(identity[0]))
    with fresh_database(postgres_server, migrated_template) as at_database, connect(at_database, application="test") as connection:
        async with served(plan(folder), heard, Database(connection)) as (robots, rest, url):
            yield Server(robots, rest, url, folder, heard, connection)


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_identity(tmp_path_factory.mktemp("identity"), CLIENT_URI)


def endpoint(url: str, folder: Path, identity: tuple[Path, Path], **more: Any) -> OpcUaEndpoint:
    told = {"username": "cell", "password": "open sesame", "policy": "Basic256Sha256", "mode": "SignAndEncrypt"}
    own = folder / "state" / "own" / "certificate.der"
    return OpcUaEndpoint(
        url,
        **{**told, **more},
        timeout_seconds=30.0,
        server_certificate=own,
        own_certificate=identity[0],
        own_key=identity[1],
        application_uri=CLIENT_URI,
    )


def at(unit: str, name: str = "") -> str:
    return f"nsu={SPACE};s=WorkUnits/{unit}{'/' if name else ''}{name}"


def method(name: str) -> str:
    return f"nsu={SPACE};s=WorkUnitType/{name}"


def text(value: str) -> ua.Variant:
    return ua.Variant(value, ua.VariantType.String)


def nothing(kind: ua.VariantType) -> ua.Variant:
    return ua.Variant([], kind, is_array=True)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_controller_sees_its_own_work_units_answers_and_is_heard(server: Server, identity: tuple[Path, Path]) -> None:
    robots, rest, url, heard, tmp_path = server.robots, server.rest, server.url, server.heard, server.folder
    # without a session nobody is reached; what is offered lies open
    assert not robots.reaches("robot-1")
    message, foreign = signed("robot-1", 7), signed("other", 7)
    await robots.send(message)
    await rest.send(foreign)
    for wrong in ({"password": "wrong"}, {"username": "nobody"}, {"username": "admin"}, {"username": None, "password": None}):
        with pytest.raises(Rejected):
            await open_session(endpoint(url, tmp_path, identity, **wrong))
    session = await open_session(endpoint(url, tmp_path, identity, policy="Aes256_Sha256_RsaPss"))
    book = NodeBook(session)
    try:
        assert robots.reaches("robot-1")
        assert not rest.reaches("other")
        read = await book.read([at("robot-1", name) for name in ("Open", "Id", "Kind", "Message", "Signature", "Units", "Program")])
        kinds = ["parameters", message.text, message.signature, ["A"], "P1"]
        assert [one.value for one in read] == [1, message.message.id, *kinds]
        hidden = await book.read([at("other", "Message"), at("other"), "ns=0;i=2256"])
        assert [one.is_bad for one in hidden] == [True, True, False]

        async def say(unit: str, name: str, *arguments: ua.Variant) -> Any:
            return (await call(session.link, await book.node(at(unit)), await book.node(method(name)), list(arguments))).value(0)

        await robots.pulse([pulse("robot-1", 41)])
        beat = (ua.Variant(Value=True), ua.Variant(6, ua.VariantType.UInt64), text("Idle"))
        assert await say("robot-1", "Heartbeat", *beat) == 41
        unit, sign = heard.beats[-1]
        assert (unit, sign.ai_off, sign.counter, sign.state) == ("robot-1", True, 6, "Idle")

        assert await say("robot-1", "Accept", text(message.message.id)) == "step"
        names, units = (ua.Variant([one], ua.VariantType.String, is_array=True) for one in (CURRENT, "A"))
        values = ua.Variant([210.0], ua.VariantType.Double, is_array=True)
        executed = (text(message.message.id), text("executed"), text(""), names, values, units, nothing(ua.VariantType.String))
        assert await say("robot-1", "Report", *executed) == "step"
        assert heard.verdicts(message.message.id) == [Verdict.ACCEPTED, Verdict.EXECUTED]
        assert heard.answers[-1].readback == (Quantity(CURRENT, 210.0, "A"),)
        assert heard.answers[-1].actor == "cell"

        # what is not its own, not a method, or not of the right form is refused, and nobody hears of it
        for unit, name, arguments in (
            ("other", "Accept", (text(foreign.message.id),)),
            ("robot-1", "Accept", ()),
            ("robot-1", "Accept", (ua.Variant(7, ua.VariantType.Int32),)),
            ("robot-1", "Report", (text("x"), text("perhaps"), *executed[2:])),
            ("robot-1", "Report", (*executed[:4], nothing(ua.VariantType.Double), *executed[5:])),
        ):
            with pytest.raises(CallRefused):
                await say(unit, name, *arguments)
        assert len(heard.answers) == 2

        # it is told only when the answer is committed
        heard.settled = False
        waiting = asyncio.ensure_future(say("robot-1", "Refuse", text("x"), text("not_ready")))
        await until(lambda: len(heard.waiting) == 1)
        assert not waiting.done()
        heard.waiting[0].set_result(Taken.REFUSED)
        assert await waiting == "refused"

        # what is settled is taken back, what expired too, and what was asked about after a restart lies open again
        robots.settled(message)
        brief = signed("robot-1", 8, seconds=-1)
        await robots.send(brief)
        await robots.pulse([pulse("robot-1", 42)])
        await until_open(book, 0)
        assert await robots.ask(message) is None
        await until_open(book, 1)
    finally:
        await session.close()
    await until(lambda: not robots.reaches("robot-1"))


async def until_open(book: NodeBook, count: int) -> None:
    async with asyncio.timeout(60):
        while (await book.read([at("robot-1", "Open")]))[0].value != count:  # noqa: ASYNC110 - it is asked over the network
            await asyncio.sleep(0.01)


@pytest.mark.asyncio(loop_scope="module")
async def test_nobody_comes_in_without_security_or_with_a_certificate_that_is_not_trusted(server: Server, tmp_path: Path) -> None:
    robots, url = server.robots, server.url
    with pytest.raises(Rejected, match="BadCertificate"):
        await open_session(endpoint(url, server.folder, make_identity(tmp_path, CLIENT_URI)))
    assert list((server.folder / "state" / "rejected").glob("*.der")), "a person can trust it from there"
    offers = await Client(url).connect_and_get_server_endpoints()
    assert {(one.SecurityPolicyUri.rpartition("#")[2], one.SecurityMode.name) for one in offers} == {
        ("Basic256Sha256", "SignAndEncrypt"),
        ("Aes256_Sha256_RsaPss", "SignAndEncrypt"),
    }
    with pytest.raises(Rejected):
        await open_session(OpcUaEndpoint(url, policy="None", mode="None"))
    plain = Client(url)
    await plain.connect_socket()
    await plain.send_hello()
    await plain.open_secure_channel()
    with pytest.raises(UaStatusCodeError, match="BadSecurityPolicyRejected"):
        # asyncua's server opens a channel without security for anybody, and would make a session in it
        await plain.create_session()
    plain.disconnect_socket()
    await hostile(url)
    assert robots._desk.listening


async def hostile(url: str) -> None:
    """What hangs or fills asyncua's server as it is: huge chunks, headers with extensions, nonsense. Each costs its connection only."""
    host, port = url.removeprefix("opc.tcp://").rstrip("/").split(":")
    hello = struct.pack("<IIIII", 0, 65535, 65535, 0, 0) + struct.pack("<i", len(url)) + url.encode()
    header = b"\x00\x00" + bytes(8) + bytes(4) + bytes(4) + b"\xff\xff\xff\xff" + bytes(4)
    nulls = b"\x80\xff\xff\xff\x7f"
    literal = b"\x01\x00\x55\x02\x01" + struct.pack("<i", len(nulls)) + nulls
    none = b"http://opcfoundation.org/UA/SecurityPolicy#None"
    channel = struct.pack("<I", 0) + struct.pack("<i", len(none)) + none + b"\xff" * 8 + struct.pack("<II", 1, 1)
    opened = channel + b"\x01\x00\xbe\x01" + header + literal + struct.pack("<IIIiI", 0, 0, 1, -1, 3_600_000)
    chunks = (
        b"MSGF" + struct.pack("<I", 2**31) + bytes(100),
        b"GET / HTTP/1.1\r\n\r\n",
        b"HELF" + struct.pack("<I", 8 + len(hello)) + hello + b"OPNF" + struct.pack("<I", 8 + len(opened)) + opened,
    )
    for sent in chunks:
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(sent)
        writer.write_eof()
        async with asyncio.timeout(60):
            with suppress(ConnectionError):
                while await reader.read(65536):
                    pass
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@pytest.mark.asyncio(loop_scope="module")
async def test_the_latest_tightening_and_inspection_of_its_own_stations_can_be_read(server: Server, identity: tuple[Path, Path]) -> None:
    file = {
        "site": {"enterprise": "acme", "id": "north"},
        "equipment": [{"path": "robot-1"}],
        "sources": [{"protocol": "open_protocol", "id": "tools", "url": "op://h", "equipment": "robot-1", "allow_insecure": True}],
    }
    register_site(server.connection, site_of(SiteFile.model_validate(file)))
    now = CLOCK.now_us()
    first = TighteningResult(
        SourceId("tools"), EquipmentId("acme/north/robot-1"), 41, now, now, PlantVerdict.OK, part="B-1", torque_nm=12.5
    )
    with server.connection.cursor() as cursor:
        add(cursor, [first], [])
    looked(server.connection, "B-2", Decision.NOK, station="other")
    looked(server.connection, "B-1", Decision.REVIEW, station="robot-1", reasons=(Reason("blurred"),))
    session = await open_session(endpoint(server.url, server.folder, identity))
    book = NodeBook(session)

    async def read(*names: str) -> list[Any]:
        return [one.value for one in await book.read([f"nsu={SPACE};s=Results/{name}" for name in names])]

    async def until_read(name: str, value: object) -> None:
        async with asyncio.timeout(60):
            while await read(name) != [value]:  # noqa: ASYNC110 - it is asked over the network
                await asyncio.sleep(0.02)

    try:
        await until_read("robot-1/Tightening/ResultId", "41")
        await until_read("robot-1/Inspection/ResultEvaluation", 3)
        assert await read("robot-1/Tightening/ResultEvaluation", "robot-1/Tightening/PartId", "robot-1/Tightening/Units") == [
            1,
            "B-1",
            ["N.m"],
        ]
        assert await read("robot-1/Inspection/PartId", "robot-1/Inspection/Reasons") == ["B-1", ["blurred"]]
        assert await read("other/Inspection/PartId") == [None], "not its own"
        second = replace(first, tightening_id=42, verdict=PlantVerdict.NOT_OK, torque_nm=None, time_us=now + 1)
        with server.connection.cursor() as cursor:
            add(cursor, [second], [])
        await until_read("robot-1/Tightening/ResultId", "42")
        assert await read("robot-1/Tightening/ResultEvaluation", "robot-1/Tightening/Units") == [2, []]
    finally:
        await session.close()


def test_a_server_is_asked_for_and_passwords_are_there(tmp_path: Path) -> None:
    given = plan(tmp_path)
    (tmp_path / "password").unlink()
    with pytest.raises(SettingsError, match="password"):
        make_ways(given)


async def run(node: Node, *arguments: str) -> asyncio.subprocess.Process:
    command = [str(node.program), str(node.folder / "opcua_controller.mjs"), *arguments]
    return await asyncio.create_subprocess_exec(*command, cwd=REPOSITORY, stdout=asyncio.subprocess.PIPE)


async def lines(process: asyncio.subprocess.Process) -> AsyncIterator[dict[str, Any]]:
    assert process.stdout is not None
    async with asyncio.timeout(120):
        while line := await process.stdout.readline():
            if line.startswith(b"{"):
                yield json.loads(line)


@pytest.mark.heavy
async def test_a_certificate_lets_its_own_controller_in_and_none_only_where_the_settings_say_so(
    tmp_path: Path, identity: tuple[Path, Path]
) -> None:
    (tmp_path / "rest.der").write_bytes(identity[0].read_bytes())
    async with served(plan(tmp_path, allow_none=True, certificate_file="rest.der"), Heard()) as (robots, rest, url):
        await rest.send(signed("other", 1))
        # its certificate is trusted because it is the account's, and says who it is
        session = await open_session(endpoint(url, tmp_path, identity, username=None, password=None))
        try:
            found = await NodeBook(session).read([at("other", "Open"), at("robot-1", "Open")])
            assert [one.value for one in found] == [1, None]
            assert rest.reaches("other")
            assert not robots.reaches("robot-1")
        finally:
            await session.close()
        stranger = make_identity(tmp_path / "stranger", CLIENT_URI)
        pki.trust(tmp_path / "state" / "trusted", pki.read_certificate(stranger[0]))
        with pytest.raises(Rejected, match="BadUserAccessDenied"):
            await open_session(endpoint(url, tmp_path, stranger, username=None, password=None))
        plain = Client(url)
        plain.set_user("cell")
        plain.set_password("open sesame")
        async with plain:
            space = await plain.get_namespace_index(SPACE)
            assert await plain.get_node(f"ns={space};s=WorkUnits/robot-1/Open").read_value() == 0
            assert robots.reaches("robot-1")
        nobody = Client(url)
        with pytest.raises(UaStatusCodeError, match="BadUserAccessDenied"):
            await nobody.connect()


@pytest.mark.heavy
async def test_a_controller_that_we_did_not_write_comes_for_its_messages_and_answers(node: Node, tmp_path: Path) -> None:
    heard, folder = Heard(), str(tmp_path / "controller")
    (tmp_path / "controller").mkdir()
    made = await run(node, "-", folder, "certificate", "", "", "")
    (certificate,) = [one["certificate"] async for one in lines(made)]
    await made.wait()
    async with served(plan(tmp_path), heard) as (robots, rest, url):
        refused = await run(node, url, folder, "Basic256Sha256", "cell", "open sesame", "robot-1")
        (said,) = [one async for one in lines(refused)]
        await refused.wait()
        assert "error" in said, "nobody trusted its certificate yet"
        pki.trust(tmp_path / "state" / "trusted", pki.read_certificate(Path(certificate)))
        await rest.send(signed("other", 1))
        await robots.pulse([pulse("robot-1", 41)])
        for security, password in (("None", "open sesame"), ("Basic256Sha256", "wrong")):
            out = await run(node, url, folder, security, "cell", password, "robot-1")
            (said,) = [one async for one in lines(out)]
            await out.wait()
            assert "error" in said
        process = await run(node, url, folder, "Basic256Sha256", "cell", "open sesame", "robot-1")
        message, said = signed("robot-1", 7), {}
        async for line in lines(process):
            if line.get("listening"):
                await robots.send(message)
            else:
                said = line
        await process.wait()
    assert "error" not in said
    assert (said["other"], said["folder"]) == ("BadNodeIdUnknown", ["robot-1", "robot-2"])
    assert said["write"] == "BadServiceUnsupported" or "BadServiceUnsupported" in said["write"]
    assert said["beat"]["outputs"][0] == 41
    assert said["event"] == ["robot-1", message.message.id, "parameters"]
    assert (said["open"], said["message"], said["signature"]) == (1, message.text, message.signature)
    assert (said["names"], said["values"], said["units"]) == ([CURRENT], [210.0], ["A"])
    assert said["accepted"] == {"status": "Good", "outputs": ["step"]}
    assert said["reported"] == {"status": "Good", "outputs": ["step"]}
    assert said["wrong"]["status"] == "BadArgumentsMissing"
    assert said["foreign"]["status"] == "BadNodeIdUnknown"
    assert heard.verdicts(message.message.id) == [Verdict.ACCEPTED, Verdict.EXECUTED, Verdict.REFUSED]
    assert [beat.counter for unit, beat in heard.beats if unit == "robot-1"] == [6]
