"""An OPC UA server in C (open62541, by the package ``o6``), for benchmarks in which the server must not be what is measured.

``o6`` is no dependency: it runs under the Python named by ``LEADHAND_O6_PYTHON``, which has it installed. Its trial mode ends after ten
minutes. Run as a program it serves numbered nodes ``ns=1;i=1`` onwards and prints one line when ready; it ends with its input.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import random
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PYTHON = "LEADHAND_O6_PYTHON"
KINDS = ("Double", "Float", "Int32", "Boolean", "Int16", "UInt32", "String")


@contextmanager
def native_server(*arguments: str) -> Iterator[Any]:
    """Give the server in C; it is gone afterwards. The caller has checked ``available``."""
    servers = importlib.import_module("tests.protocols.opcua_servers")
    port = importlib.import_module("tests.ports").free_port()
    server = servers.ServerProcess([os.environ[PYTHON], __file__, "--port", str(port), *arguments], port)
    try:
        yield server
    finally:
        server.kill()


def available() -> bool:
    """Return whether a Python with ``o6`` was named."""
    return Path(os.environ.get(PYTHON, "")).is_file()


def _value(o6: Any, number: int, turn: int, *, mixed: bool) -> Any:
    kind = KINDS[number % 7] if mixed else "Double"
    if kind == "String":
        return "x" * ((number + turn) % 20)
    if kind == "Boolean":
        return bool((turn + number) % 2)
    return getattr(o6, kind)(number % 1000 + turn % 7)


def _change(o6: Any, nodes: list[Any], options: argparse.Namespace) -> None:
    """Change some nodes, or all, again and again: numbers, and texts' lengths."""
    choose = random.Random(options.seed)  # noqa: S311 - changes, not secrets
    turn, due = 0, time.monotonic()
    while True:
        turn += 1
        due += options.every_ms / 1000
        chosen = range(len(nodes)) if options.churn >= len(nodes) else choose.sample(range(len(nodes)), options.churn)
        for number in chosen:
            nodes[number](_value(o6, number, turn, mixed=options.mixed))
        time.sleep(max(0.0, due - time.monotonic()))


def main() -> None:
    """Serve until the input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--many", type=int, default=1000)
    parser.add_argument("--mixed", action="store_true")
    parser.add_argument("--churn", type=int, default=0, help="so many nodes change each time")
    parser.add_argument("--every-ms", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    options = parser.parse_args()
    o6 = importlib.import_module("o6")
    security: dict[str, Any] = {}
    if options.certificate:
        security = {"certificate": options.certificate, "privateKey": options.key, "acceptAllCertificates": True}
    server = o6.Server(port=options.port, **security)
    server.start()
    nodes = [
        server.addVariable(f"many{n}", server.objectsNode, _value(o6, n, 0, mixed=options.mixed), nodeId=f"ns=1;i={n + 1}")
        for n in range(options.many)
    ]
    print(json.dumps({"ready": True, "port": options.port, "space": "ns=1"}), flush=True)
    if options.churn:
        threading.Thread(target=_change, args=(o6, nodes, options), daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
