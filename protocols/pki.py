"""Certificates: our own, and those of others that we trust."""

from __future__ import annotations

from pathlib import Path


def ensure_own_certificate(folder: Path, application_uri: str) -> tuple[Path, Path]:
    """Return the files of our certificate and its private key in ``folder``, made when missing, expired or of another URI."""
    raise NotImplementedError
