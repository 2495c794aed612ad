"""What comes in from people and programs, as types: unknown keys are refused, each error names its key."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from plant.settings import EquipmentSettings, SignalSettings, SourceSettings
from plant.settings_opcua import OpcUaAddress, OpcUaSecurity
from storage.people import Role, Scope


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _whole_characters(cls, value: Any) -> Any:
        """Refuse halves of characters, which JSON can say and neither files nor the database can keep."""
        if not _can_be_kept(value):
            raise ValueError("holds half a character (a lone surrogate)")
        return value


def _can_be_kept(value: Any) -> bool:
    if isinstance(value, str):
        return not any("\ud800" <= c <= "\udfff" for c in value)
    if isinstance(value, dict):
        return all(_can_be_kept(key) and _can_be_kept(item) for key, item in value.items())
    return all(_can_be_kept(item) for item in value) if isinstance(value, list | tuple) else True


class DiscoverDraft(_Strict):
    """Which OPC UA server to look into."""

    url: Annotated[OpcUaAddress, Field(max_length=500)]
    security: OpcUaSecurity = OpcUaSecurity()
    allow_insecure: bool = False
    username: str | None = None
    password: SecretStr | None = None
    most: Annotated[int, Field(ge=1, le=20_000)] = 5_000


class SourceDraft(_Strict):
    """One source with its equipment and signals, as it would stand in ``sources.d/<id>.toml``."""

    source: SourceSettings
    equipment: Annotated[tuple[EquipmentSettings, ...], Field(max_length=20_000)] = ()
    signals: Annotated[tuple[SignalSettings, ...], Field(max_length=20_000)] = ()
    password: Annotated[SecretStr | None, Field(description="kept in a file of its own, readable by its owner only; never sent back")] = (
        None
    )


class AccountDraft(_Strict):
    """A new account."""

    name: str
    full_name: Annotated[str, Field(max_length=200)] = ""
    role: Role
    password: Annotated[SecretStr | None, Field(description="none: the person logs in by the OpenID Connect provider only")] = None


class AccountChange(_Strict):
    """What may be changed of an account."""

    full_name: Annotated[str, Field(max_length=200)] = ""
    role: Role
    disabled: bool = False


class PasswordDraft(_Strict):
    """A new password. ``old`` is needed for one's own."""

    new: SecretStr
    old: SecretStr | None = None


class TokenDraft(_Strict):
    """A new token for a controller or program."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)]
    valid_days: Annotated[float, Field(gt=0, le=3660)] = 365
    work_units: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=400)], ...],
        Field(max_length=1000, description="globs; what a controller's token is good for, needed with the scope controller"),
    ] = ()
