"""Where an OPC UA server is and how it is spoken to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class OpcUaEndpoint:
    """Where a server is and how it is spoken to; the default signs and encrypts."""

    url: str
    policy: str = "Basic256Sha256"
    """``Aes256_Sha256_RsaPss``, ``Basic256Sha256``, ``Aes128_Sha256_RsaOaep`` or, by name only, ``None``."""
    mode: str = "SignAndEncrypt"
    """``SignAndEncrypt``, ``Sign`` or ``None``."""
    username: str | None = None
    password: str | None = None
    server_certificate: Path | None = None
    """The one certificate trusted; else the ``trust`` folder decides."""
    trust: Path | None = None
    """Folder of trusted certificates (.der, .pem, .crt, .cer)."""
    own_certificate: Path | None = None
    own_key: Path | None = None
    timeout_seconds: float = 4.0
    """For one answer; opening a session may take three times as long."""
    max_nodes_per_read: int | None = None
    profile: str | None = None
    """Name of a controller in ``opcua_profiles``; else what the server says of itself decides."""
    application_uri: str = "urn:leadhand:client"
    """Must be the URI in ``own_certificate``."""
    channel_lifetime_seconds: float = 3600.0
    """How long keys are used; they are renewed at three quarters of it."""
    session_timeout_seconds: float = 60.0
    """After how long without a word the server may forget the session."""

    def __repr__(self) -> str:
        """Return the address and protection, never the password."""
        return f"OpcUaEndpoint({self.url!r}, {self.policy!r}, {self.mode!r}, username={self.username!r})"
