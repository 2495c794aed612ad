"""Notices posted to webhooks, signed as Standard Webhooks says, so that receivers can use libraries there are.

Headers: ``webhook-id`` (the same at each attempt), ``webhook-timestamp`` (seconds since 1970) and ``webhook-signature``: ``v1,`` and the
base64 of HMAC-SHA256 over ``id.timestamp.body``. Redirects are not followed and proxies not asked: nothing is reached that settings
do not name.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import http.client
import ssl
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

from plant.errors import Rejected, Unavailable
from plant.notices import Receiver

_MOST_ANSWER = 2_000
_TRY_AGAIN = {408, 409, 425, 429}


def post(receiver: Receiver, notice: UUID, body: bytes, now_us: int) -> None:
    """Post a notice and return when the receiver took it (2xx).

    Raises Unavailable for what may go well later, Rejected for what the receiver refuses for good.
    """
    parts = urlsplit(receiver.webhook or "")
    seconds = now_us // 1_000_000
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Leadhand",
        "Connection": "close",
        "webhook-id": str(notice),
        "webhook-timestamp": str(seconds),
    }
    if receiver.secret_file is not None:
        headers["webhook-signature"] = signature(_secret(receiver.secret_file), notice, seconds, body)
    host = parts.hostname or ""
    try:
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=None if receiver.ca_file is None else str(receiver.ca_file))
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, parts.port or 443, timeout=receiver.timeout_seconds, context=context
            )
        else:
            connection = http.client.HTTPConnection(host, parts.port or 80, timeout=receiver.timeout_seconds)
        try:
            connection.request("POST", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), body, headers)
            answer = connection.getresponse()
            said = answer.read(_MOST_ANSWER).decode("utf-8", "replace").strip()
        finally:
            connection.close()
    except ssl.SSLCertVerificationError as error:
        raise Unavailable(f"the certificate of {host} is not trusted: {error.verify_message}") from error
    except (OSError, http.client.HTTPException) as error:
        raise Unavailable(f"{host} does not answer: {str(error) or type(error).__name__}") from error
    if 200 <= answer.status < 300:
        return
    words = f"{host} says {answer.status} {answer.reason}" + (f": {said[:200]}" if said else "")
    if 400 <= answer.status < 500 and answer.status not in _TRY_AGAIN:
        raise Rejected(words)
    raise Unavailable(words)


def signature(secret: bytes, notice: UUID, seconds: int, body: bytes) -> str:
    """Return what proves that a notice comes from who knows the secret."""
    digest = hmac.new(secret, f"{notice}.{seconds}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def secret_of(text: str) -> bytes:
    """Return the secret that a file's text means: ``whsec_`` and base64, or the text itself. Raises Rejected for an empty one."""
    if not text:
        raise Rejected("the file is empty")
    if not text.startswith("whsec_"):
        return text.encode()
    try:
        return base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Rejected("after 'whsec_' base64 is expected") from error


def _secret(path: Path) -> bytes:
    try:
        return secret_of(path.read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError, Rejected) as error:
        raise Unavailable(f"the secret in {path} cannot be used: {getattr(error, 'strerror', None) or error}") from error
