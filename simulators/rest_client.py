"""What the simulated MES and PLM say to Leadhand over REST, with a token and a key that makes a second try the same as the first."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any, Final

from plant.errors import Rejected, Unavailable

_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class RestClient:
    """Where Leadhand is, and the token it gave us."""

    url: str
    token: str

    def post(self, path: str, record: dict[str, Any], key: str = "") -> Any:
        """Return what Leadhand answers. Raises Unavailable where it is away, Rejected where it says no."""
        if not self.url.startswith(("http://", "https://")):
            raise Rejected(f"'{self.url}' is no address of a web server")
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        headers |= {"Idempotency-Key": key} if key else {}
        request = urllib.request.Request(self.url + path, json.dumps(record).encode(), headers, method="POST")  # noqa: S310 - http, as was looked at
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            words = error.read(2000).decode("utf-8", "replace")
            if error.code in {429, 502, 503, 504}:
                raise Unavailable(f"Leadhand is away: {words}") from error
            raise Rejected(f"Leadhand says {error.code}: {words}") from error
        except (OSError, ValueError) as error:
            raise Unavailable(f"Leadhand is away: {error}") from error
