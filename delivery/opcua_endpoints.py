"""From settings of controllers to OPC UA endpoints: passwords from their files, certificates from this process's own folder."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

from delivery.ways import Setup
from plant.errors import SettingsError
from plant.settings_delivery import OpcUaJobsController
from protocols.opcua_endpoint import OpcUaEndpoint
from protocols.pki import ensure_own_certificate

CLIENT_URI: Final = "urn:leadhand:delivery"
_LEAST_SECONDS, _MOST_SECONDS = 2.0, 10.0
"""For one answer: as the settings say, but a connection that is dead is found out sooner."""


def endpoint_of(settings: OpcUaJobsController, setup: Setup) -> OpcUaEndpoint:
    """Return how to reach a controller; asked anew at each attempt, so that a changed password or certificate counts.

    Raises SettingsError for a password file that cannot be read.
    """
    security, files = settings.security, setup.site.delivery.folder
    own: tuple[Path | None, Path | None] = (None, None)
    if security.policy != "None":
        own = ensure_own_certificate(setup.folder / "own", CLIENT_URI, setup.clock)
    trusted = setup.folder / "trusted"
    trusted.mkdir(mode=0o700, parents=True, exist_ok=True)
    return OpcUaEndpoint(
        url=settings.url,
        policy=security.policy,
        mode=security.mode,
        username=settings.username,
        password=password_of(files, settings.password_file),
        server_certificate=None if security.server_certificate is None else files / security.server_certificate,
        trust=trusted,
        own_certificate=own[0],
        own_key=own[1],
        timeout_seconds=min(_MOST_SECONDS, max(_LEAST_SECONDS, settings.answer_seconds)),
        application_uri=CLIENT_URI,
    )


def password_of(folder: Path, name: str | None) -> str | None:
    """Return what a password file says, None where none is named. Raises SettingsError."""
    if name is None:
        return None
    try:
        text = (folder / name).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{folder / name}: the password cannot be read: {error}") from error
    if not text:
        raise SettingsError(f"{folder / name}: holds no password")
    return text


def quiet() -> None:
    """Let asyncua say nothing in the log: it tells each request that it refuses, and anybody could fill a disk with it."""
    logging.getLogger("asyncua").setLevel(logging.CRITICAL)
