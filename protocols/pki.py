"""Certificates: our own, and those of others that we trust.

A folder of certificates is the trust list, as OPC UA servers have it: a certificate, or the authority that signed it, is trusted
when its file lies there. What was refused is kept beside it (``rejected``), so that a person can look at it and move it over.
"""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from asyncua.crypto.truststore import TrustStore
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from plant.clock import Clock, SystemClock
from plant.errors import Rejected

_VALID_DAYS: Final = 5 * 365
_RENEW_BEFORE: Final = timedelta(days=30)
_ENDINGS: Final = frozenset({".der", ".pem", ".crt", ".cer"})
_MOST_REFUSED: Final = 100


def ensure_own_certificate(folder: Path, application_uri: str, clock: Clock | None = None) -> tuple[Path, Path]:
    """Return the files of our certificate (DER) and its private key (PEM) in ``folder``.

    They are made when missing, damaged, of another URI, or within 30 days of their end; servers must then be told to trust the
    new certificate. The key's file is readable by its owner only.
    """
    now = datetime.fromtimestamp((clock or SystemClock()).now_us() / 1e6, UTC)
    certificate_file, key_file = folder / "certificate.der", folder / "key.pem"
    if not _is_usable(certificate_file, key_file, application_uri, now):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        certificate = make_certificate(key, application_uri, now - timedelta(hours=1), now + timedelta(days=_VALID_DAYS))
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        _replace(key_file, pem, 0o600)
        _replace(certificate_file, certificate.public_bytes(serialization.Encoding.DER), 0o644)
    return certificate_file, key_file


def make_certificate(key: rsa.RSAPrivateKey, application_uri: str, valid_from: datetime, valid_to: datetime) -> x509.Certificate:
    """Return a self-signed application certificate as OPC 10000-6, 6.2.2 asks for."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Leadhand"), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Leadhand")])
    public = key.public_key()
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=True,
        data_encipherment=True,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    names = [x509.UniformResourceIdentifier(application_uri), x509.DNSName(socket.gethostname()), x509.DNSName("localhost")]
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid_from)
        .not_valid_after(valid_to)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )


def read_certificate(path: Path) -> x509.Certificate:
    """Return the certificate in a DER or PEM file. Raises Rejected, naming the file, when there is none."""
    try:
        content = path.read_bytes()
        if content.lstrip().startswith(b"-----BEGIN"):
            return x509.load_pem_x509_certificate(content)
        return x509.load_der_x509_certificate(content)
    except (OSError, ValueError) as error:
        raise Rejected(f"no certificate could be read from '{path}': {error}") from error


def read_key(path: Path) -> rsa.RSAPrivateKey:
    """Return the RSA private key in a DER or PEM file. Raises Rejected, naming the file, when there is none."""
    try:
        content = path.read_bytes()
        pem = content.lstrip().startswith(b"-----BEGIN")
        key = (serialization.load_pem_private_key if pem else serialization.load_der_private_key)(content, password=None)
    except (OSError, ValueError, TypeError) as error:
        raise Rejected(f"no private key could be read from '{path}': {error}") from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise Rejected(f"the private key in '{path}' is no RSA key, which the OPC UA policies spoken here need")
    return key


def thumbprint(certificate: x509.Certificate) -> str:
    """Return the SHA-1 thumbprint by which OPC UA tools name a certificate."""
    return certificate.fingerprint(hashes.SHA1()).hex()  # noqa: S303 - a name, not a protection


def describe(certificate: x509.Certificate) -> str:
    """Return who a certificate is of, until when it is valid and its thumbprint, for a person."""
    subject = certificate.subject.rfc4514_string() or "no name"
    return f"{subject}, valid until {certificate.not_valid_after_utc:%Y-%m-%d}, thumbprint {thumbprint(certificate)}"


def trust(folder: Path, certificate: x509.Certificate) -> Path:
    """Put a certificate into a trust folder and return its file."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"{thumbprint(certificate)}.der"
    _replace(path, certificate.public_bytes(serialization.Encoding.DER), 0o644)
    return path


def keep_refused(trust_folder: Path, certificate: x509.Certificate) -> Path | None:
    """Keep a refused certificate beside the trust folder, so that a person can move it there; return its file.

    None when it can't be written or a hundred are kept already: a hostile server must not fill the disk.
    """
    folder = trust_folder.parent / "rejected"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / f"{thumbprint(certificate)}.der"
        if not path.exists():
            if sum(1 for _ in folder.iterdir()) >= _MOST_REFUSED:
                return None
            _replace(path, certificate.public_bytes(serialization.Encoding.DER), 0o644)
    except OSError:
        return None
    return path


class TrustList(TrustStore):
    """Certificates that are trusted: those given by name, else those in a folder and what they signed."""

    def __init__(self, certificates: list[x509.Certificate], crl_folder: Path | None = None) -> None:
        super().__init__([], [] if crl_folder is None else [crl_folder])
        self._certificates = certificates

    async def load_trust(self) -> None:
        """Make the store that chains are verified with."""
        self._trust_store = x509.verification.Store(self._certificates) if self._certificates else None

    def is_trusted(self, certificate: x509.Certificate) -> bool:
        """Return whether the certificate is one of those listed, or was signed by one."""
        if certificate in self._certificates:
            return True
        if self._trust_store is None:
            return False
        verifier = self.policy_builder.store(self._trust_store).build_client_verifier()
        try:
            verifier.verify(certificate, [])
        except x509.verification.VerificationError:
            return False
        return True


def trust_list(pinned: Path | None, folder: Path | None) -> TrustList:
    """Return the trust list of the one certificate pinned, else of a folder. Raises Rejected when a file is no certificate."""
    if pinned is not None:
        return TrustList([read_certificate(pinned)])
    if folder is None or not folder.is_dir():
        return TrustList([])
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in _ENDINGS and path.is_file())
    crl = folder / "crl"
    return TrustList([read_certificate(path) for path in files], crl if crl.is_dir() else None)


def _is_usable(certificate_file: Path, key_file: Path, application_uri: str, now: datetime) -> bool:
    try:
        certificate, key = read_certificate(certificate_file), read_key(key_file)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (Rejected, x509.ExtensionNotFound):
        return False
    return (
        application_uri in names.get_values_for_type(x509.UniformResourceIdentifier)
        and certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc - _RENEW_BEFORE
        and certificate.public_key() == key.public_key()
    )


def _replace(path: Path, content: bytes, mode: int) -> None:
    """Write a file whole or not at all, with its rights from the first byte on."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
