"""Anchors of the audit trail in a file beside the database: one line of JSON each, only added to."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

from plant.errors import SettingsError
from storage.audit import Anchor


def read_anchors(path: Path) -> list[Anchor]:
    """Return the anchors of a file; none where there is no file. Raises SettingsError for a line that is none."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read: {error}") from error
    anchors = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                told = json.loads(line)
                anchors.append(Anchor(int(told["time_us"]), int(told["id"]), str(told["hash"])))
            except (ValueError, KeyError, TypeError) as error:
                raise SettingsError(f"{path}: line {number} is no anchor of the audit trail: {error}") from error
    return anchors


def add_anchor(path: Path, anchor: Anchor) -> None:
    """Add an anchor to a file, made durable; only its owner may read it."""
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(json.dumps(asdict(anchor)) + "\n")
        file.flush()
        os.fsync(file.fileno())
