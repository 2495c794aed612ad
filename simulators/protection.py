"""Certificates and passwords that a simulated server is protected by, made at random at first start and kept in a folder."""

from __future__ import annotations

import os
import secrets
import socket
from pathlib import Path

from asyncua.crypto.cert_gen import setup_self_signed_certificate
from cryptography.x509.oid import ExtendedKeyUsageOID

from simulators.opcua_server import Protection

APPLICATION_URI = "urn:leadhand:simulator"
USER = "leadhand"


async def ensure_protection(folder: Path) -> tuple[Protection, Path]:
    """Return certificate, key and the one user, and the file that holds the user's password; made where they are not there yet."""
    make_private(folder)
    certificate, key = folder / "certificate.der", folder / "private-key.pem"
    await setup_self_signed_certificate(
        key,
        certificate,
        APPLICATION_URI,
        socket.gethostname(),
        [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH],
        {"commonName": "Leadhand simulator"},
    )
    key.chmod(0o600)
    password_file = folder / "opcua-password"
    if not password_file.exists():
        write_secret(password_file, secrets.token_urlsafe(18))
    password = password_file.read_text(encoding="utf-8").strip()
    return Protection(certificate=certificate, private_key=key, users={USER: password}), password_file


def make_private(folder: Path) -> None:
    """Make a folder that only its owner may enter."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)


def write_secret(path: Path, secret: str) -> None:
    """Write a file that only its owner may read."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(secret + "\n")
