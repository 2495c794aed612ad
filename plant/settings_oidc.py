"""What ``[dashboard.oidc]`` in ``settings.toml`` may say: the OpenID Connect provider that people log in by, beside local accounts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from plant.strict import Strict

RoleName = Literal["viewer", "inspector", "engineer", "approver", "admin"]
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


class OidcSettings(Strict):
    """An OpenID Connect provider: Keycloak, Entra ID, Authentik, Dex and others. Authorization code with PKCE (RFC 6749, RFC 7636)."""

    issuer: Annotated[str, Field(description="its address, exactly as its discovery document says 'issuer'")]
    client_id: Annotated[str, Field(min_length=1, max_length=200)]
    client_secret_file: Annotated[
        str | None, Field(description="file that holds the secret, readable by its owner only; none for a public client")
    ] = None
    ca_file: Annotated[str | None, Field(description="certificate authority of the provider, where the system does not know it")] = None
    name: Annotated[str, Field(max_length=60, description="what people call it; stands on the button")] = ""
    scopes: Annotated[tuple[str, ...], Field(description="what is asked for beside 'openid'")] = ("profile", "email")
    name_claim: Annotated[str, Field(description="the claim that becomes the account's name, up to an '@'")] = "preferred_username"
    groups_claim: Annotated[str, Field(description="the claim that lists a person's groups, in the ID token or at userinfo")] = "groups"
    roles: Annotated[
        Mapping[RoleName, tuple[str, ...]],
        Field(description="groups of each role; the first line that fits holds. Empty: roles are given on the page People"),
    ] = Field(default_factory=dict)
    others: Annotated[RoleName | None, Field(description="role of who is in none of these groups; if not given they may not log in")] = None
    accounts: Annotated[
        Literal["make", "known"],
        Field(description="whether the first login makes an account, or an administrator must have made it"),
    ] = "make"
    logout: Annotated[bool, Field(description="logging out here also ends the session at the provider")] = True
    timeout_seconds: Annotated[float, Field(gt=0, le=60, description="for each answer of the provider")] = 10.0

    @field_validator("issuer")
    @classmethod
    def _secure(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"https", "http"} or not parts.hostname or parts.query or parts.fragment or parts.username:
            raise ValueError(f"'{value}' is no issuer; write its address, as https://login.example.com/realms/plant")
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            raise ValueError("an issuer on another machine needs https")
        return value

    @model_validator(mode="after")
    def _someone_gets_in(self) -> OidcSettings:
        if not self.roles and self.others is not None:
            raise ValueError("'others' says what who is in no group of 'roles' may do: name 'roles', or take 'others' out")
        return self

    def role_of(self, groups: frozenset[str]) -> RoleName | None:
        """Return the role that groups give: that of the first line of ``roles`` that names one of them, else ``others``."""
        return next((role for role, wanted in self.roles.items() if groups & set(wanted)), self.others)
