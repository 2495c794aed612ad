"""OpenID Connect providers for tests: the certified one that runs in Node, and one that lies as it is told."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

from tests.node_parts import Node

CLIENT, SECRET = "leadhand", "a secret of the client that is long enough"
PEOPLE: dict[str, dict[str, Any]] = {
    "eve": {"sub": "f3-1", "preferred_username": "Eve.Miller@example.com", "name": "Eve <b>Miller</b>", "groups": ["lines", "quality"]},
    "max": {"sub": "f3-2", "preferred_username": "max", "name": "Max Muster", "groups": ["visitors"]},
    "mallory": {"sub": "f3-3", "preferred_username": "admin", "name": "Mallory", "groups": ["lines"]},
    "nobody": {"sub": "f3-4", "preferred_username": "", "name": "", "groups": ["lines"]},
}


@dataclass
class CertifiedProvider:
    """The running provider."""

    process: subprocess.Popen[str]

    def ask(self, **people: dict[str, Any]) -> None:
        """Change its keys, its memory of who is logged in, and people; return when it is there again."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"people": people}) + "\n")
        self.process.stdin.flush()
        assert any('"keys"' in line for line in self.process.stdout), "beside what the library notes"


@contextmanager
def certified_provider(node: Node, port: int, leadhand: str) -> Iterator[CertifiedProvider]:
    """Lend the provider on a port, with Leadhand at an address as its one client."""
    settings = {"back": f"{leadhand}/login/oidc/back", "after": f"{leadhand}/login", "client": CLIENT, "secret": SECRET, "people": PEOPLE}
    command = [str(node.program), str(node.folder / "oidc_provider.mjs"), str(port), json.dumps(settings)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        assert any('"issuer"' in line for line in process.stdout), "beside what the library notes"
        try:
            yield CertifiedProvider(process)
        finally:
            process.kill()


@dataclass
class LyingProvider:
    """A provider that says what it is told to: ``claims`` are changed, and ``sign`` makes the ID token of them."""

    port: int
    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", {"kid": "1", "alg": "ES256", "use": "sig"}))
    nonce: str = ""
    challenge: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    discovery: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=dict)
    sign: Callable[[dict[str, Any]], str] | None = None

    @property
    def issuer(self) -> str:
        """What it calls itself."""
        return f"http://127.0.0.1:{self.port}"

    def went(self, url: str) -> None:
        """Take note of what the browser would bring."""
        asked = parse_qs(urlsplit(url).query)
        self.nonce, self.challenge = asked["nonce"][0], asked["code_challenge"][0]
        assert asked["code_challenge_method"] == ["S256"]

    def answer(self, path: str, body: dict[str, list[str]]) -> dict[str, Any]:
        """Return what it says."""
        if path == "/.well-known/openid-configuration":
            return {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/auth",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                "userinfo_endpoint": f"{self.issuer}/me",
                "id_token_signing_alg_values_supported": ["none", "HS256", "ES256"],
                **self.discovery,
            }
        if path == "/keys":
            return {"keys": [self.key.as_dict(private=False)]}
        if path == "/me":
            return {"sub": "1", **self.userinfo}
        digest = hashlib.sha256(body["code_verifier"][0].encode()).digest()
        assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == self.challenge, "the verifier of this login"
        now = int(time.time())
        right = {"iss": self.issuer, "aud": CLIENT, "sub": "1", "exp": now + 300, "iat": now, "nonce": self.nonce}
        told = {**right, "preferred_username": "eve", "name": "Eve", "groups": ["lines"], **self.claims}
        claims = {name: value for name, value in told.items() if value is not None}
        return {"access_token": "a", "token_type": "Bearer", "id_token": (self.sign or self.rightly)(claims)}

    def rightly(self, claims: dict[str, Any]) -> str:
        """Return the ID token as it should be."""
        return jwt.encode({"alg": "ES256", "kid": "1"}, claims, self.key)

    def by_another_key(self, claims: dict[str, Any]) -> str:
        """Return an ID token signed by a key that is not the provider's, under its name."""
        return jwt.encode({"alg": "ES256", "kid": "1"}, claims, ECKey.generate_key("P-256"))

    def by_the_secret(self, claims: dict[str, Any]) -> str:
        """Return an ID token signed by what the client knows, too."""
        return jwt.encode({"alg": "HS256", "kid": "1"}, claims, OctKey.import_key(SECRET))

    def unsigned(self, claims: dict[str, Any]) -> str:
        """Return an ID token that nobody signed."""

        def part(content: dict[str, Any]) -> str:
            return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()

        return f"{part({'alg': 'none'})}.{part(claims)}."


@contextmanager
def lying_provider(port: int) -> Iterator[LyingProvider]:
    """Lend a provider that lies, on a port."""
    provider = LyingProvider(port)

    class Answering(BaseHTTPRequestHandler):
        def _say(self) -> None:
            body = parse_qs(self.rfile.read(int(self.headers.get("content-length", 0))).decode())
            content = json.dumps(provider.answer(urlsplit(self.path).path, body)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _say  # noqa: N815 - names that the library asks for

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - likewise
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Answering)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
