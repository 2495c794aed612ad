"""What ``settings.toml`` of a home folder may say: which servers are used instead of the embedded ones, ports, budgets."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from plant.errors import SettingsError
from plant.settings_oidc import OidcSettings

_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DatabaseSettings(_Strict):
    """Which PostgreSQL is used."""

    url: Annotated[
        str | None,
        Field(pattern=r"^postgres(ql)?://", description="a PostgreSQL >= 15, with or without TimescaleDB; the embedded one if not given"),
    ] = None


class MqttSettings(_Strict):
    """Which MQTT broker the demo and replays use. Sources of a site name their own broker."""

    url: Annotated[str | None, Field(pattern=r"^mqtts?://", description="a broker such as mosquitto; the embedded one if not given")] = None
    port: Annotated[int, Field(ge=1, le=65535, description="port of the embedded broker on 127.0.0.1, for 'leadhand up'")] = 1883


class DashboardSettings(_Strict):
    """Where the dashboard listens."""

    host: Annotated[str, Field(description="loopback unless you choose otherwise; put TLS in front before you do")] = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8050
    public_url: Annotated[
        str | None,
        Field(pattern=r"^https?://", description="how people reach it, e.g. https://leadhand.example.com behind a proxy with TLS"),
    ] = None
    idle_minutes: Annotated[int, Field(ge=1, description="a session ends after so long without use")] = 15
    longest_hours: Annotated[int, Field(ge=1, description="a session ends after so long in any case")] = 12
    most_sessions: Annotated[
        int, Field(ge=1, le=1000, description="so many sessions an account may have; one more ends that which was not used for longest")
    ] = 10
    oidc: Annotated[OidcSettings | None, Field(description="people log in by this OpenID Connect provider, beside local accounts")] = None

    @model_validator(mode="after")
    def _known_address(self) -> DashboardSettings:
        if self.oidc is not None and self.public_url is None and self.host not in _LOOPBACK:
            raise ValueError("'oidc' needs 'public_url': the provider sends people back to it")
        return self


class StorageSettings(_Strict):
    """How much is kept."""

    budget_gb: Annotated[float, Field(gt=0, description="when the data grow beyond it, raw samples go first, then 1 s, then 1 min")] = 5.0


class HomeSettings(_Strict):
    """All that ``settings.toml`` may hold; every key has a default."""

    database: DatabaseSettings = DatabaseSettings()
    mqtt: MqttSettings = MqttSettings()
    dashboard: DashboardSettings = DashboardSettings()
    storage: StorageSettings = StorageSettings()


def load_settings(path: Path) -> HomeSettings:
    """Return the settings of a home; the defaults where there is no file.

    The environment variable LEADHAND_DATABASE_URL stands for ``database.url`` where the file gives none. Raises SettingsError.
    """
    try:
        content = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        content = ""
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read: {error}") from error
    settings = parse_settings(content, str(path))
    _refuse_open_secret(path, settings)
    given = os.environ.get("LEADHAND_DATABASE_URL")
    if given and settings.database.url is None:
        return settings.model_copy(update={"database": DatabaseSettings(url=given)})
    return settings


def parse_settings(content: str, place: str) -> HomeSettings:
    """Return the settings that TOML text holds. Raises SettingsError that names place and key of each thing wrong."""
    try:
        return HomeSettings.model_validate(tomllib.loads(content))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{place}: not TOML: {error}") from error
    except ValidationError as error:
        raise SettingsError([f"{place}: {'.'.join(map(str, e['loc']))}: {_what(e)}" for e in error.errors(include_url=False)]) from error


def settings_schema() -> dict[str, Any]:
    """Return the JSON schema of settings.toml."""
    return HomeSettings.model_json_schema()


def _what(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return "unknown key; 'leadhand schema --settings' lists the known ones"
    return f"{error['msg']}, not {error.get('input')!r}"


def _refuse_open_secret(path: Path, settings: HomeSettings) -> None:
    urls = [url for url in (settings.database.url, settings.mqtt.url) if url is not None]
    if any(urlsplit(url).password for url in urls) and path.stat().st_mode & 0o077:
        raise SettingsError(f"{path}: holds a password and others may read it: run 'chmod 600 {path}'")
