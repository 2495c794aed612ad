"""The programs in docs/controllers_opcua.md are run as they stand there."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from plant.deliveries import Quantity, Verdict
from protocols import pki
from tests.delivery.test_opcua_server import plan, served
from tests.delivery.way_parts import CURRENT, Heard, signed
from tests.node_parts import Node
from tests.protocols.opcua_servers import REPOSITORY, make_identity

PAGE = REPOSITORY / "docs" / "controllers_opcua.md"


def program(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return str(found)


async def carried_out(folder: Path, command: list[str], *rest: str) -> None:
    """Run a program of the page as robot-1's controller; it takes one message."""
    heard = Heard()
    certificate, key = make_identity(folder / "controller", "urn:my:controller")
    pem = folder / "controller" / "certificate.pem"
    pem.write_bytes(pki.read_certificate(certificate).public_bytes(serialization.Encoding.PEM))
    pki.trust(folder / "state" / "trusted", pki.read_certificate(certificate))
    async with served(plan(folder), heard) as (robots, _, url):
        message = signed("robot-1", 1)
        await robots.send(message)
        told = [url, "robot-1", "cell", "open sesame", str(pem), str(key), *rest]
        process = await asyncio.create_subprocess_exec(*command, *told, stdout=asyncio.subprocess.PIPE)
        async with asyncio.timeout(120):
            out, _ = await process.communicate()
    assert [line for line in out.decode().splitlines() if line in {"step", "again", "refused"}] == ["step", "step"]
    assert heard.verdicts(message.message.id) == [Verdict.ACCEPTED, Verdict.EXECUTED]
    assert heard.answers[-1].readback == (Quantity(CURRENT, 210.0, "A"),)


@pytest.mark.heavy
async def test_the_controller_in_python_takes_a_message(tmp_path: Path) -> None:
    file = tmp_path / "controller.py"
    file.write_text(program("python"), "utf-8")
    await carried_out(tmp_path, [sys.executable, str(file)], str(tmp_path / "state" / "own" / "certificate.der"))


@pytest.mark.heavy
async def test_the_controller_in_javascript_takes_a_message(node: Node, tmp_path: Path) -> None:
    file = tmp_path / "controller.mjs"
    file.write_text(program("js"), "utf-8")
    (tmp_path / "node_modules").symlink_to(node.folder / "node_modules")
    await carried_out(tmp_path, [str(node.program), str(file)], str(tmp_path / "node-pki"))


def test_a_client_is_about_twenty_lines() -> None:
    for language in ("python", "js"):
        lines = [line for line in program(language).splitlines() if line.strip()]
        assert len(lines) <= 23, language
