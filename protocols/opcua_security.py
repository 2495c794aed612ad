"""How a connection is protected: what the settings ask for, exactly, or no connection."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.crypto import security_policies
from asyncua.crypto.validator import CertificateValidator, CertificateValidatorOptions
from asyncua.ua.status_codes import StatusCodes, get_name_and_doc
from cryptography import x509

from plant.errors import Rejected
from protocols import pki
from protocols.opcua_connection import DistrustfulClient
from protocols.opcua_endpoint import OpcUaEndpoint
from protocols.opcua_profiles import PROFILES

POLICIES: Final[dict[str, Any]] = {
    "Aes256_Sha256_RsaPss": security_policies.SecurityPolicyAes256Sha256RsaPss,
    "Basic256Sha256": security_policies.SecurityPolicyBasic256Sha256,
    "Aes128_Sha256_RsaOaep": security_policies.SecurityPolicyAes128Sha256RsaOaep,
    "None": security_policies.SecurityPolicyNone,
}
MODES: Final[dict[str, ua.MessageSecurityMode]] = {
    "SignAndEncrypt": ua.MessageSecurityMode.SignAndEncrypt,
    "Sign": ua.MessageSecurityMode.Sign,
    "None": ua.MessageSecurityMode.None_,
}
_NONE_URI: Final = security_policies.SecurityPolicyNone.URI


def check_endpoint(endpoint: OpcUaEndpoint) -> None:
    """Raise Rejected when the endpoint asks for what is not allowed or can't be."""
    if endpoint.profile is not None and endpoint.profile not in {profile.name for profile in PROFILES}:
        raise Rejected(f"{endpoint.url}: no profile '{endpoint.profile}'; known are {', '.join(profile.name for profile in PROFILES)}")
    if endpoint.policy not in POLICIES or endpoint.mode not in MODES:
        raise Rejected(f"{endpoint.url}: security '{endpoint.policy}' with '{endpoint.mode}' is not known")
    if (endpoint.policy == "None") != (endpoint.mode == "None"):
        raise Rejected(f"{endpoint.url}: security policy and mode must both be 'None', or neither")
    if endpoint.policy == "None":
        if endpoint.username is not None or endpoint.password is not None:
            raise Rejected(f"{endpoint.url}: a password is not sent over security policy None; give the connection a policy")
    elif endpoint.own_certificate is None or endpoint.own_key is None:
        raise Rejected(f"{endpoint.url}: security policy {endpoint.policy} needs a certificate and key of our own")
    elif endpoint.server_certificate is None and endpoint.trust is None:
        raise Rejected(f"{endpoint.url}: name the server's certificate or a trust folder; a certificate is not taken on its word")
    if not _is_address(endpoint.url):
        raise Rejected(f"{endpoint.url}: is no address of an OPC UA server; write opc.tcp://host:port")


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme == "opc.tcp" and bool(parts.hostname) and bool(parts.port)
    except ValueError:
        return False


async def secure(client: DistrustfulClient, endpoint: OpcUaEndpoint) -> None:
    """Give the client keys for the endpoint's policy and the server's certificate, which is checked before anything is sent to it."""
    if endpoint.policy == "None" or endpoint.own_certificate is None or endpoint.own_key is None:
        return
    own, key = pki.read_certificate(endpoint.own_certificate), pki.read_key(endpoint.own_key)
    validator = _Validator(endpoint, await _load(endpoint))
    certificate = await _ask_certificate(endpoint, validator)
    policy = POLICIES[endpoint.policy](certificate, own, key, MODES[endpoint.mode])
    client.security_policy = policy
    client.uaclient.set_security(policy)
    client.certificate_validator = validator


async def _load(endpoint: OpcUaEndpoint) -> pki.TrustList:
    trusted = pki.trust_list(endpoint.server_certificate, endpoint.trust)
    await trusted.load()
    return trusted


class _Validator:
    """Checks a server's certificate: time, URI, usage and trust; tells a person what to do about it."""

    def __init__(self, endpoint: OpcUaEndpoint, trusted: pki.TrustList) -> None:
        options = CertificateValidatorOptions.TRUSTED_VALIDATION | CertificateValidatorOptions.PEER_SERVER
        self._endpoint = endpoint
        self._validator = CertificateValidator(options, trusted)

    async def __call__(self, certificate: x509.Certificate, server: ua.ApplicationDescription) -> None:
        try:
            await self._validator.validate(certificate, server)
        except ServiceError as error:
            raise Rejected(self._reason(certificate, server, error.code)) from error

    def _reason(self, certificate: x509.Certificate, server: ua.ApplicationDescription, code: int) -> str:
        facts = f"{self._endpoint.url}: the server's certificate ({pki.describe(certificate)})"
        if code == StatusCodes.BadCertificateTimeInvalid:
            return f"{facts} is not valid today; give the server a new one, or set the clocks right"
        if code == StatusCodes.BadCertificateUriInvalid:
            return f"{facts} is not made out to '{server.ApplicationUri}', as which the server presents itself"
        if code == StatusCodes.BadCertificateUntrusted:
            if self._endpoint.server_certificate is not None:
                return f"{facts} is not the one in '{self._endpoint.server_certificate}'"
            kept = None if self._endpoint.trust is None else pki.keep_refused(self._endpoint.trust, certificate)
            where = f"move '{kept}'" if kept is not None else "put it"
            return f"{facts} is not trusted; compare its thumbprint with the server's, then {where} into '{self._endpoint.trust}'"
        return f"{facts} is refused: {get_name_and_doc(code)[1]}"


async def _ask_certificate(endpoint: OpcUaEndpoint, validator: _Validator) -> x509.Certificate:
    """Return the server's certificate for exactly the policy and mode wanted."""
    client = DistrustfulClient(endpoint.url, endpoint.timeout_seconds, _unheard)
    try:
        offers = await client.connect_and_get_server_endpoints()
    finally:
        client.drop("asked for its endpoints")
    wanted = (MODES[endpoint.mode], POLICIES[endpoint.policy].URI)
    for offer in offers:
        if (offer.SecurityMode, offer.SecurityPolicyUri) == wanted and offer.ServerCertificate:
            try:
                certificate = x509.load_der_x509_certificate(_first(offer.ServerCertificate))
            except ValueError as error:
                raise Rejected(f"{endpoint.url}: the server's certificate can't be read: {error}") from error
            await validator(certificate, offer.Server)
            return certificate
    offered = ", ".join(sorted({f"{(o.SecurityPolicyUri or '').rpartition('#')[2]}/{o.SecurityMode.name.rstrip('_')}" for o in offers}))
    raise Rejected(f"{endpoint.url}: the server does not offer {endpoint.policy}/{endpoint.mode}, only: {offered or 'nothing'}")


def check_password_path(client: DistrustfulClient, endpoint: OpcUaEndpoint) -> None:
    """Raise Rejected when the server wants the password in a way that others on the network could read."""
    if endpoint.username is None or endpoint.mode == "SignAndEncrypt":
        return
    if client.server_policy(ua.UserTokenType.UserName).SecurityPolicyUri in {None, "", _NONE_URI}:
        raise Rejected(f"{endpoint.url}: the server wants the password unencrypted over mode {endpoint.mode}; use SignAndEncrypt")


def _first(chain: bytes) -> bytes:
    """Return the first certificate of a chain: servers may append their authorities'."""
    return chain[: int.from_bytes(chain[2:4], "big") + 4] if chain[1:2] == b"\x82" else chain


def _unheard(_reason: str) -> None:
    """Nobody waits for the connection that only asks for endpoints."""
