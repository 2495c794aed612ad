"""An MQTT broker of our own for the demo and for tests: ``iotcore`` (rumqttd) behind one small launcher.

Any other broker takes its place by its URL. rumqttd speaks one version of MQTT on each port, so there are two listeners.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from plant.errors import SettingsError, Unavailable
from protocols.ports import free_port

_WORD = re.compile(r"[A-Za-z0-9_-]+\Z")
_CHILD = "import sys; sys.path[:] = [p for p in sys.path if p not in ('', '.')]; from iotcore._serve import main; main()"
"""The wheel's own child: it ends when our end of its standard input closes, so a killed parent leaves no broker behind."""


class EmbeddedBroker:
    """A broker in a child process on loopback; ``users`` (name to password) are the only ones let in, none lets in everybody."""

    def __init__(
        self,
        folder: Path,
        host: str = "127.0.0.1",
        port: int = 0,
        users: Mapping[str, str] | None = None,
        *,
        port_v311: int = 0,
        max_payload_bytes: int = 1_100_000,
    ) -> None:
        wrong = [name for name, word in (users or {}).items() if not _WORD.match(name) or not _WORD.match(word)]
        if wrong:
            raise SettingsError(f"broker user '{wrong[0]}': name and password may hold letters, digits, '-' and '_' only")
        self._folder = folder
        self._host = host
        self._users = dict(users or {})
        self._wanted = (port, port_v311)
        self._max_payload_bytes = max_payload_bytes
        self._process: subprocess.Popen[bytes] | None = None
        self.port = port
        """The MQTT 5 listener, known once started."""
        self.port_v311 = port_v311
        """The MQTT 3.1.1 listener, known once started."""

    @property
    def pid(self) -> int | None:
        """The process, or None while it does not run."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def start(self, timeout_seconds: float = 10.0) -> int:
        """Return the MQTT 5 port once both listeners answer; a port of 0 takes a free one and keeps it over restarts.

        Raises Unavailable when a wanted port is taken or the broker does not come up.
        """
        if self.pid is not None:
            return self.port
        self.port = self.port or free_port(self._host)
        self.port_v311 = self.port_v311 or free_port(self._host)
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        config = self._folder / "broker.toml"
        _write_private(config, self._toml())
        for port in (self.port, self.port_v311):
            if _answers(self._host, port):
                raise Unavailable(f"port {port} on {self._host} is taken by another program; give the broker another port")
        options = json.dumps({"config_path": str(config)})
        self._process = subprocess.Popen([sys.executable, "-c", _CHILD, options], stdin=subprocess.PIPE, start_new_session=True)
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                self.stop()
                raise Unavailable("the embedded MQTT broker ended at once; its ports may have been taken meanwhile")
            if _answers(self._host, self.port) and _answers(self._host, self.port_v311):
                return self.port
            time.sleep(0.02)
        self.stop()
        raise Unavailable(f"the embedded MQTT broker did not listen within {timeout_seconds:g} s")

    def stop(self) -> None:
        """End the broker and free its ports. Safe to call twice."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)

    def _toml(self) -> str:
        lines = [
            "id = 0",
            "[router]",
            "id = 0",
            "max_connections = 1010",
            "max_outgoing_packet_count = 200",
            # it keeps the last messages of each topic, in memory, for those who are behind: 4 MB, where its own example says 1 GB
            "max_segment_size = 524288",
            "max_segment_count = 8",
        ]
        for version, port in (("v5", self.port), ("v4", self.port_v311)):
            lines += [
                f"[{version}.1]",
                f'name = "{version}"',
                # rumqttd's own default is 0.0.0.0: everybody on the network
                f'listen = "{self._host}:{port}"',
                "next_connection_delay_ms = 1",
                f"[{version}.1.connections]",
                "connection_timeout_ms = 10000",
                f"max_payload_size = {self._max_payload_bytes}",
                "max_inflight_count = 200",
                "dynamic_filters = true",
            ]
            if self._users:
                lines.append(f"[{version}.1.connections.auth]")
                lines += [f'{name} = "{word}"' for name, word in self._users.items()]
        return "\n".join(lines) + "\n"


def _write_private(path: Path, content: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)


def _answers(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), 0.2):
            return True
    except OSError:
        return False
