"""The one door to Authlib: people log in by an OpenID Connect provider (OpenID Connect Core 1.0, code flow with PKCE).

Nothing is kept between logins, and nothing of a login on the server: what the provider says of itself and its keys are asked for
each time, so keys may be changed there at any time; what must match between going there and coming back is derived from a random
secret that only the person's browser holds, in a cookie.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import ssl
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import structlog
from joserfc.errors import JoseError

from plant.errors import Rejected, SettingsError, Unavailable
from plant.settings_oidc import OidcSettings
from storage.identities import Identity
from storage.people import Role

with warnings.catch_warnings():
    from authlib.deprecate import AuthlibDeprecationWarning  # type: ignore[import-untyped]  # has no types

    warnings.simplefilter("ignore", AuthlibDeprecationWarning)  # Authlib 1.9 would rather have httpx2, which nothing else here has
    from authlib.integrations.base_client import BaseApp, OAuth2Mixin, OAuthError, OpenIDMixin  # type: ignore[import-untyped]  # likewise
    from authlib.integrations.httpx_client import OAuth2Client  # type: ignore[import-untyped]  # likewise

_log = structlog.get_logger("login")
_SIGNED_BY = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""By a key of the provider that is its own: neither unsigned nor by the secret that we know, too."""
_LEEWAY_SECONDS = 60
_LONGEST_CLAIM = 255


@dataclass(frozen=True, slots=True)
class Begun:
    """A login that began: where to send the person, and what their browser must bring back."""

    url: str
    secret: str


@dataclass(frozen=True, slots=True)
class Arrived:
    """Who came back from the provider."""

    identity: Identity
    role: Role | None
    """What the groups give; None where roles are given here."""
    id_token: str


class Provider:
    """An OpenID Connect provider. Calls block; they raise Unavailable while it is away, Rejected in words for the person."""

    def __init__(self, settings: OidcSettings, home: Path) -> None:
        """Read the secret and the authority. Raises SettingsError where they cannot be, or others may read the secret."""
        self.settings = settings
        self._secret = _secret(settings, home)
        self._trust: ssl.SSLContext | bool = True
        if settings.ca_file is not None:
            try:
                self._trust = ssl.create_default_context(cafile=home / settings.ca_file)
            except OSError as error:
                raise SettingsError(f"dashboard.oidc: ca_file: {home / settings.ca_file} cannot be read: {error}") from error

    def begin(self, back: str) -> Begun:
        """Return where to log in; the provider sends the person ``back`` to that address."""
        secret = secrets.token_urlsafe(32)
        with self._speaking() as app:
            made = app.create_authorization_url(
                back, state=_of(secret, "state"), nonce=_of(secret, "nonce"), code_verifier=_of(secret, "verifier")
            )
        return Begun(str(made["url"]), secret)

    def finish(self, said: Mapping[str, str], secret: str, back: str) -> Arrived:
        """Return who came ``back``. ``said``: the parameters of the address; ``secret``: what the browser brought."""
        if not secret or not hmac.compare_digest(said.get("state", "").encode(), _of(secret, "state").encode()):
            raise Rejected("this login began in another browser, or too long ago: try again")
        if "error" in said:
            raise Rejected("the provider did not let you in: log in there with another account, or ask its administrator")
        if said.get("iss", self.settings.issuer) != self.settings.issuer:  # RFC 9207
            raise Rejected("this login was answered by another provider: try again")
        with self._speaking() as app:
            token = app.fetch_access_token(back, code=said.get("code", ""), code_verifier=_of(secret, "verifier"))
            claims = app.parse_id_token(token, nonce=_of(secret, "nonce"))
            if claims is None:
                raise Rejected("the provider did not say who you are: its answer holds no ID token")
            wanted = {self.settings.name_claim, "name"} | ({self.settings.groups_claim} if self.settings.roles else set())
            if wanted - set(claims) and "userinfo_endpoint" in app.server_metadata:
                more = app.userinfo(token=token)
                if more.get("sub") != claims["sub"]:
                    raise Rejected("the provider speaks of two persons at once: tell its administrator")
                claims = {**more, **claims}
        return Arrived(self._identity(claims), self._role(claims), str(token["id_token"]))

    def logout_url(self, id_token: str, back: str) -> str | None:
        """Return where the browser goes to end the provider's session too; None where that is not wanted, known or possible now."""
        if not self.settings.logout:
            return None
        try:
            with self._speaking() as app:
                if "end_session_endpoint" not in app.server_metadata:
                    return None
                made = app.create_logout_url(post_logout_redirect_uri=back, id_token_hint=id_token, client_id=self.settings.client_id)
        except (Unavailable, Rejected):
            return None
        return str(made["url"])

    @contextmanager
    def _speaking(self) -> Iterator[Any]:
        """Lend Authlib's client, which knows what the provider says of itself."""
        ways = {"scope": " ".join(["openid", *self.settings.scopes]), "code_challenge_method": "S256"}
        app = _App(
            None,
            client_id=self.settings.client_id,
            client_secret=self._secret,
            server_metadata_url=f"{self.settings.issuer.rstrip('/')}/.well-known/openid-configuration",
            client_kwargs={**ways, "verify": self._trust, "timeout": self.settings.timeout_seconds},
        )
        try:
            said = app.load_server_metadata()
            if said.get("issuer") != self.settings.issuer:
                _log.warning("login provider", problem=f"calls itself '{said.get('issuer')}', not '{self.settings.issuer}'")
                raise Rejected("the provider calls itself otherwise than 'issuer' in settings.toml: tell an administrator")
            offered = said.get("id_token_signing_alg_values_supported", ["RS256"])
            said["id_token_signing_alg_values_supported"] = [way for way in _SIGNED_BY if way in offered]
            if "client_secret_basic" not in said.get("token_endpoint_auth_methods_supported", ["client_secret_basic"]) and self._secret:
                app.client_kwargs["token_endpoint_auth_method"] = "client_secret_post"  # noqa: S105 - the name of a way
            yield app
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError) as error:
            _log.warning("login provider away", problem=str(error))
            raise Unavailable("the login provider is away: log in by name and password, or try again in a moment") from error
        except (OAuthError, JoseError, ValueError, KeyError, RuntimeError, TypeError) as error:
            _log.warning("login provider", problem=f"{type(error).__name__}: {error}")
            raise Rejected("the provider's answer does not hold: try again, or tell an administrator") from error

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        subject, name = claims.get("sub"), claims.get(self.settings.name_claim) or claims.get("email")
        if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_CLAIM or "\0" in subject:
            raise Rejected("the provider did not say who you are: its claim 'sub' is missing or too long")
        if not isinstance(name, str) or not name:
            raise Rejected("the provider did not tell your name: the claim that 'name_claim' names is missing")
        full_name = claims.get("name")
        shown = full_name[:200].replace("\0", "") if isinstance(full_name, str) else ""
        return Identity(self.settings.issuer, subject, name[:_LONGEST_CLAIM], shown)

    def _role(self, claims: Mapping[str, Any]) -> Role | None:
        if not self.settings.roles:
            return None
        told = claims.get(self.settings.groups_claim, [])
        listed = told if isinstance(told, list) else [told]
        groups = frozenset(one for one in listed if isinstance(one, str))
        role = self.settings.role_of(groups)
        if role is None:
            raise Rejected("none of your groups at the provider may use Leadhand: ask an administrator")
        return Role(role)


class _App(OAuth2Mixin, OpenIDMixin, BaseApp):  # type: ignore[misc]  # Authlib has no types
    """Authlib's client without a web framework around it."""

    client_cls = OAuth2Client

    def _on_update_token(self, token: Any, refresh_token: Any = None, access_token: Any = None) -> None:
        """Tokens are not kept, so none is made new."""


def _of(secret: str, what: str) -> str:
    """Return what is derived from a login's secret: 43 characters that do not tell the secret or each other."""
    return base64.urlsafe_b64encode(hmac.digest(secret.encode(), what.encode(), hashlib.sha256)).rstrip(b"=").decode("ascii")


def _secret(settings: OidcSettings, home: Path) -> str | None:
    if settings.client_secret_file is None:
        return None
    file = home / settings.client_secret_file
    try:
        if file.stat().st_mode & 0o077:
            raise SettingsError(f"dashboard.oidc: client_secret_file: others may read {file}: run 'chmod 600 {file}'")
        return file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"dashboard.oidc: client_secret_file: {file} cannot be read: {error}") from error
