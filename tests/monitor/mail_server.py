"""A mail server of the loopback that speaks enough SMTP to be strict: STARTTLS or TLS, AUTH, refusals, silence."""

from __future__ import annotations

import base64
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def make_certificate(folder: Path) -> Path:
    """A file with key and certificate of 127.0.0.1, which is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file


@dataclass
class MailServer:
    """What it received, and how it behaves."""

    port: int
    received: list[EmailMessage] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    refuse: dict[str, str] = field(default_factory=dict)
    """By recipient what is answered instead of 250."""
    down: bool = False
    """Whether it hangs up at once."""


@contextmanager
def mail_server(certificate: Path | None = None, *, tls: bool = False, password: str | None = None) -> Iterator[MailServer]:
    """Lend a mail server; with a certificate it wants STARTTLS, or speaks TLS from the start."""
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    listening = socket.create_server(("127.0.0.1", 0))
    server = MailServer(listening.getsockname()[1])

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with suppress(OSError):
                _speak(server, connection, context, tls=tls, password=password)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(60)


def _speak(  # noqa: PLR0912 - one branch a verb
    server: MailServer, connection: socket.socket, context: ssl.SSLContext | None, *, tls: bool, password: str | None
) -> None:
    connection.settimeout(20)
    if server.down:
        connection.close()
        return
    if tls and context is not None:
        connection = context.wrap_socket(connection, server_side=True)
    secure = tls
    file = connection.makefile("rb")

    def say(words: str) -> None:
        connection.sendall(words.encode() + b"\r\n")

    say("220 here")
    allowed = password is None
    try:
        while line := file.readline().decode().strip():
            verb = line.split(" ", maxsplit=1)[0].upper()
            if verb in {"EHLO", "HELO"}:
                offers = [*(["STARTTLS"] if context is not None and not secure else []), *(["AUTH PLAIN"] if secure else []), "SIZE"]
                say("\r\n".join([f"250-{offer}" for offer in ["here", *offers[:-1]]] + [f"250 {offers[-1]}"]))
            elif verb == "STARTTLS" and context is not None:
                say("220 go on")
                file.close()
                connection = context.wrap_socket(connection, server_side=True)
                file, secure = connection.makefile("rb"), True
            elif verb == "AUTH":
                given = base64.b64decode(line.split()[-1]).split(b"\0")
                server.logins.append(given[1].decode())
                allowed = given[2].decode() == password
                say("235 welcome" if allowed else "535 who are you")
            elif verb == "MAIL":
                say("250 fine" if allowed and (secure or context is None) else "530 not like this")
            elif verb == "RCPT":
                say(server.refuse.get(line.partition("<")[2].partition(">")[0], "250 fine"))
            elif verb == "DATA":
                say("354 go on")
                lines = []
                while (one := file.readline()) != b".\r\n":
                    lines.append(one)
                received = message_from_bytes(b"".join(lines), policy=policy.default)
                assert isinstance(received, EmailMessage)
                server.received.append(received)
                say("250 taken")
            elif verb == "QUIT":
                say("221 bye")
                return
            else:
                say("250 fine")
    finally:
        file.close()
        connection.close()
