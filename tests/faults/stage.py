"""What stands around an ingest that suffers faults: a press that sends numbered messages, and a database whose link can be cut."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qs, quote, urlsplit

from tests.faults.proxy import Link, Proxies
from tests.ingest.senders import Sender


class Press(Sender):
    """Sends the numbered messages of a source, each held until the broker has it."""

    def __init__(self, port: int, source: str = "press", version: Literal["5", "3.1.1"] = "5", pause: float = 0.01) -> None:
        super().__init__(port, version, pause)
        self.source = source

    def payload(self, number: int) -> bytes:
        """What the message with a number says."""
        state = {"time": time.time_ns() // 1000, "seq": number, "counter": number, "force": number / 7, "mode": f"m{number}"}
        return json.dumps(state).encode()

    def send(self) -> None:
        self.connection.publish(f"{self.source}/state", self.payload(self.sent), 1)
        self.sent += 1


@contextmanager
def database_link(proxies: Proxies, url: str) -> Iterator[tuple[Link, str]]:
    """Give a link to a database, and the URL that leads over it."""
    parts = urlsplit(url)
    socket = Path(parse_qs(parts.query)["host"][0]) / ".s.PGSQL.5432"
    with tempfile.TemporaryDirectory(prefix="lh") as folder:
        link = proxies.link(socket, path=Path(folder) / ".s.PGSQL.5432")
        try:
            yield link, parts._replace(query=f"host={quote(folder, safe='')}").geturl()
        finally:
            link.close()
