"""Our own certificate is made once and kept well; the trust list is what lies in the folder."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from plant.errors import Rejected
from protocols import pki

URI = "urn:plant:leadhand"


class SetClock:
    """A clock that stands where it is set."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def now_us(self) -> int:
        return int(self.moment.timestamp() * 1_000_000)

    def monotonic(self) -> float:
        return self.moment.timestamp()

    def sleep(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


def test_the_certificate_is_made_once_and_its_key_is_private(tmp_path: Path) -> None:
    certificate, key = pki.ensure_own_certificate(tmp_path / "own", URI)
    made = certificate.read_bytes(), key.read_bytes()
    assert pki.ensure_own_certificate(tmp_path / "own", URI) == (certificate, key)
    assert (certificate.read_bytes(), key.read_bytes()) == made
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700
    assert {path.name for path in (tmp_path / "own").iterdir()} == {"certificate.der", "key.pem"}


def test_another_uri_a_damaged_file_or_a_near_end_makes_a_new_one(tmp_path: Path) -> None:
    clock = SetClock(datetime(2026, 1, 1, tzinfo=UTC))
    certificate, key = pki.ensure_own_certificate(tmp_path, URI, clock)
    first = pki.read_certificate(certificate)
    assert "urn:plant:leadhand" in str(first.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    pki.ensure_own_certificate(tmp_path, "urn:other", clock)
    second = pki.read_certificate(certificate)
    assert second != first
    key.write_bytes(b"rubbish")
    pki.ensure_own_certificate(tmp_path, "urn:other", clock)
    third = pki.read_certificate(certificate)
    assert third != second
    assert third.public_key() == pki.read_key(key).public_key()
    clock.moment = third.not_valid_after_utc - timedelta(days=29)
    pki.ensure_own_certificate(tmp_path, "urn:other", clock)
    assert pki.read_certificate(certificate) != third


async def test_a_certificate_is_trusted_when_it_or_its_authority_lies_in_the_folder(tmp_path: Path) -> None:
    authority_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    machine_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    now = datetime.now(UTC)
    authority = _signed("authority", authority_key, "authority", authority_key, now, is_authority=True)
    machine = _signed("machine", machine_key, "authority", authority_key, now, is_authority=False)
    stranger = pki.make_certificate(machine_key, URI, now - timedelta(days=1), now + timedelta(days=1))
    trusted = pki.trust_list(None, tmp_path)
    await trusted.load()
    assert not trusted.is_trusted(machine)
    (tmp_path / "authority.pem").write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    (tmp_path / "notes.txt").write_text("not a certificate", "ascii")
    trusted = pki.trust_list(None, tmp_path)
    await trusted.load()
    assert trusted.is_trusted(machine)
    assert not trusted.is_trusted(stranger)
    pki.trust(tmp_path, stranger)
    trusted = pki.trust_list(None, tmp_path)
    await trusted.load()
    assert trusted.is_trusted(stranger)


def test_a_file_in_the_trust_folder_that_is_no_certificate_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.der").write_bytes(b"rubbish")
    with pytest.raises(Rejected, match=r"broken\.der"):
        pki.trust_list(None, tmp_path)


def test_a_folder_that_is_missing_trusts_nobody(tmp_path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    now = datetime.now(UTC)
    assert not pki.trust_list(None, tmp_path / "none").is_trusted(pki.make_certificate(key, URI, now, now + timedelta(days=1)))


def _signed(
    name: str, key: rsa.RSAPrivateKey, issuer: str, issuer_key: rsa.RSAPrivateKey, now: datetime, *, is_authority: bool
) -> x509.Certificate:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(f"urn:{name}")]), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
