"""What the settings ask for is what protects the connection, or there is none."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from plant.errors import Rejected, Unavailable
from plant.signals import DataType
from protocols import opcua_security, pki
from protocols.opcua_client import OpcUaEndpoint, ResolvedNode, open_session
from tests.ingest.parts import PATIENCE
from tests.protocols.opcua_servers import CLIENT_URI, SERVER_URI, ServerProcess, asyncua_server, make_identity

PRESS = "nsu=urn:press;i=1001"


@pytest.fixture(scope="module")
def pki_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A client and a server that know each other."""
    folder = tmp_path_factory.mktemp("pki")
    server, _ = make_identity(folder / "server", SERVER_URI)
    own, _ = pki.ensure_own_certificate(folder / "own", CLIENT_URI)
    pki.trust(folder / "trusted", pki.read_certificate(server))
    pki.trust(folder / "clients", pki.read_certificate(own))
    return folder


def arguments(folder: Path, identity: str = "server", policies: str = "Basic256Sha256,Basic256Sha256-Sign") -> list[str]:
    files = ["--certificate", str(folder / identity / "certificate.der"), "--key", str(folder / identity / "key.pem")]
    return ["--policies", policies, *files, "--trusted", str(folder / "clients")]


@pytest.fixture(scope="module")
def server(pki_folder: Path) -> Iterator[ServerProcess]:
    policies = "None,Basic256Sha256,Basic256Sha256-Sign,Aes256_Sha256_RsaPss,Aes128_Sha256_RsaOaep"
    with asyncua_server(*arguments(pki_folder, policies=policies)) as started:
        yield started


def secured(url: str, folder: Path) -> OpcUaEndpoint:
    own = folder / "own"
    return OpcUaEndpoint(
        url, trust=folder / "trusted", own_certificate=own / "certificate.der", own_key=own / "key.pem", application_uri=CLIENT_URI
    )


async def press_of(endpoint: OpcUaEndpoint) -> float:
    session = await open_session(endpoint)
    try:
        nodes = await session.resolve([PRESS], [DataType.DOUBLE])
        reading = await session.prepare([node for node in nodes if isinstance(node, ResolvedNode)])
        return float((await reading.read()).value[0])
    finally:
        await session.close()


@pytest.mark.parametrize(
    ("policy", "mode"),
    [
        ("Basic256Sha256", "SignAndEncrypt"),
        ("Basic256Sha256", "Sign"),
        ("Aes256_Sha256_RsaPss", "SignAndEncrypt"),
        ("Aes128_Sha256_RsaOaep", "SignAndEncrypt"),
    ],
)
async def test_each_policy_reads_the_value(server: ServerProcess, pki_folder: Path, policy: str, mode: str) -> None:
    endpoint = replace(secured(server.url, pki_folder), policy=policy, mode=mode)
    assert await press_of(endpoint) == 180.0


def test_the_default_signs_and_encrypts() -> None:
    assert (OpcUaEndpoint("opc.tcp://x/").policy, OpcUaEndpoint("opc.tcp://x/").mode) == ("Basic256Sha256", "SignAndEncrypt")


async def test_the_one_certificate_named_is_trusted_without_a_folder(server: ServerProcess, pki_folder: Path) -> None:
    named = replace(secured(server.url, pki_folder), trust=None, server_certificate=pki_folder / "server" / "certificate.der")
    assert await press_of(named) == 180.0
    another = replace(named, server_certificate=pki_folder / "own" / "certificate.der")
    with pytest.raises(Rejected, match="is not the one in"):
        await open_session(another)


async def test_an_untrusted_server_is_refused_and_its_certificate_kept_for_a_person(
    server: ServerProcess, pki_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "trusted").mkdir()
    endpoint = replace(secured(server.url, pki_folder), trust=tmp_path / "trusted")
    with pytest.raises(Rejected, match="is not trusted; compare its thumbprint"):
        await open_session(endpoint)
    kept = list((tmp_path / "rejected").iterdir())
    assert len(kept) == 1
    kept[0].rename(tmp_path / "trusted" / kept[0].name)
    assert await press_of(endpoint) == 180.0


async def test_a_certificate_on_its_word_is_not_enough(server: ServerProcess, pki_folder: Path) -> None:
    with pytest.raises(Rejected, match="not taken on its word"):
        await open_session(replace(secured(server.url, pki_folder), trust=None))
    with pytest.raises(Rejected, match="of our own"):
        await open_session(replace(secured(server.url, pki_folder), own_key=None))


@pytest.mark.parametrize(
    ("uri", "from_days", "to_days", "reason"),
    [
        (SERVER_URI, -60, -30, "is not valid today"),
        (SERVER_URI, 30, 60, "is not valid today"),
        ("urn:someone:else", -1, 365, "is not made out to"),
    ],
    ids=["expired", "not yet valid", "another's"],
)
async def test_a_certificate_that_is_expired_or_anothers_is_refused_though_it_is_in_the_folder(
    pki_folder: Path, tmp_path: Path, uri: str, from_days: float, to_days: float, reason: str
) -> None:
    certificate, key = make_identity(tmp_path / "server", uri, from_days=from_days, to_days=to_days)
    pki.trust(tmp_path / "trusted", pki.read_certificate(certificate))
    files = ("--certificate", str(certificate), "--key", str(key))
    with asyncua_server("--policies", "Basic256Sha256", *files) as server, pytest.raises(Rejected, match=reason):
        await open_session(replace(secured(server.url, pki_folder), trust=tmp_path / "trusted"))


async def test_a_weaker_offer_is_never_taken_in_silence(pki_folder: Path) -> None:
    none = r"does not offer Basic256Sha256/SignAndEncrypt, only: None/None"
    with asyncua_server("--policies", "None") as server, pytest.raises(Rejected, match=none):
        await open_session(secured(server.url, pki_folder))
    with asyncua_server(*arguments(pki_folder, policies="Basic256Sha256-Sign")) as server:
        with pytest.raises(Rejected, match="only: Basic256Sha256/Sign"):
            await open_session(secured(server.url, pki_folder))
        with pytest.raises((Rejected, Unavailable)):
            await open_session(OpcUaEndpoint(server.url, policy="None", mode="None"))


async def test_a_server_that_does_not_trust_us_lets_us_in_nowhere(server: ServerProcess, pki_folder: Path, tmp_path: Path) -> None:
    certificate, key = pki.ensure_own_certificate(tmp_path, CLIENT_URI)
    with pytest.raises(Rejected, match="trusts our certificate"):
        await open_session(replace(secured(server.url, pki_folder), own_certificate=certificate, own_key=key))


async def test_the_right_password_is_let_in_and_a_wrong_one_rejected(pki_folder: Path) -> None:
    with asyncua_server(*arguments(pki_folder), "--password", "s3cret") as server:
        endpoint = replace(secured(server.url, pki_folder), username="lead", password="s3cret")
        assert await press_of(endpoint) == 180.0
        for wrong in (replace(endpoint, password="guess"), replace(endpoint, username=None, password=None)):
            with pytest.raises(Rejected, match="check the user") as refusal:
                await open_session(wrong)
            assert "guess" not in str(refusal.value)


@pytest.mark.parametrize(("mode", "wanted", "refused"), [("Sign", "None", True), ("Sign", "", True), ("SignAndEncrypt", "None", False)])
def test_a_server_that_wants_the_password_in_the_open_does_not_get_it(mode: str, wanted: str, refused: bool) -> None:
    """A server may ask for user tokens without encryption of their own; then only an encrypted connection protects them."""
    uri = f"http://opcfoundation.org/UA/SecurityPolicy#{wanted}" if wanted else None
    client: Any = SimpleNamespace(server_policy=lambda _: SimpleNamespace(SecurityPolicyUri=uri))
    endpoint = OpcUaEndpoint("opc.tcp://x/", mode=mode, username="lead", password="s3cret")
    with pytest.raises(Rejected, match="use SignAndEncrypt") if refused else nullcontext():
        opcua_security.check_password_path(client, endpoint)


async def test_keys_are_renewed_while_values_are_read(server: ServerProcess, pki_folder: Path) -> None:
    endpoint = replace(secured(server.url, pki_folder), channel_lifetime_seconds=1.5)
    session = await open_session(endpoint)
    nodes = await session.resolve([PRESS], [DataType.DOUBLE])
    reading = await session.prepare([node for node in nodes if isinstance(node, ResolvedNode)])
    tokens = set[int]()
    async with asyncio.timeout(3.0 * PATIENCE):
        while len(tokens) < 3:
            assert (await reading.read()).value.tolist() == [180.0]
            tokens.add(session.link.client.socket._connection.security_token.TokenId)
            await asyncio.sleep(0.01)
    assert not session.lost.is_set()
    assert not session.insecure
    await session.close()


async def test_a_missing_key_file_is_named(server: ServerProcess, pki_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(Rejected, match=r"nothing\.pem"):
        await open_session(replace(secured(server.url, pki_folder), own_key=tmp_path / "nothing.pem"))


@pytest.mark.parametrize(("policy", "mode"), [("Basic128Rsa15", "Sign"), ("None", "Sign"), ("Basic256Sha256", "None")])
async def test_policies_that_are_unsafe_or_unknown_are_refused(policy: str, mode: str) -> None:
    with pytest.raises(Rejected):
        await open_session(OpcUaEndpoint("opc.tcp://127.0.0.1:1/", policy=policy, mode=mode))
