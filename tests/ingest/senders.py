"""A sender of numbered MQTT messages."""

from __future__ import annotations

import json
import threading
import time
from typing import Literal
from uuid import uuid4

from protocols.mqtt_client import MqttConnection, MqttEndpoint


class Sender(threading.Thread):
    """Publishes numbered messages, each held until the broker has it; several may send to one broker."""

    def __init__(self, port: int, version: Literal["5", "3.1.1"] = "5", pause: float = 0.004) -> None:
        super().__init__(daemon=True)
        self.connection = MqttConnection(MqttEndpoint("127.0.0.1", port, f"sender-{uuid4()}", version, session_seconds=0))
        self.connection.start()
        self.connection.wait_connected(60)
        self.sent = 0
        self.pause = pause
        self.stopping = threading.Event()

    def run(self) -> None:
        while not self.stopping.wait(self.pause):
            self.send()

    def send(self) -> None:
        time_us = time.time_ns() // 1000
        state = {"time": time_us, "seq": self.sent, "counter": self.sent, "force": self.sent / 7, "mode": f"m{self.sent}"}
        self.connection.publish("hall/press/state", json.dumps(state).encode(), 1)
        self.sent += 1

    def halt(self) -> None:
        """Send no more by itself."""
        self.stopping.set()
        if self.is_alive():
            self.join(60)

    def finish(self) -> None:
        """Send no more, and wait until the broker has all."""
        self.halt()
        self.connection.flush(60)
        self.connection.stop()
