"""What the monitor remembers of one watched equipment between two parts, and how it is packed."""

from __future__ import annotations

import hashlib
import io
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from monitor.changes import Rule, Watch
from monitor.condition_parts import Held
from plant.condition import ConditionPlan, Severity
from plant.signals import SignalPath
from storage.condition import FindingRow, StreamKey

Context = tuple[str, str, int]
"""Program, step, and the how manieth of its name in a part."""
MOST_STREAMS = 4000


@dataclass(slots=True)
class Tool:
    """The tool that is in."""

    begin_us: int
    name: str = ""
    ages: list[float] = field(default_factory=list)
    levels: list[float] = field(default_factory=list)
    parts: int = 0
    called_worn: bool = False


@dataclass(slots=True)
class Memory:
    """All that is remembered of one equipment."""

    watch: Watch
    done_us: int
    """Begin of the part in work."""
    whole: bool = False
    """Whether that begin was seen; the first part after a start was not."""
    before: dict[SignalPath, Held] = field(default_factory=dict)
    """What each signal held when it began."""
    streams: list[StreamKey] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    """Of each stream, its number in storage."""
    places: dict[StreamKey, int] = field(default_factory=dict)
    contexts: dict[Context, int] = field(default_factory=dict)
    findings: dict[Context, FindingRow] = field(default_factory=dict)
    """Those that are open."""
    told: list[int] = field(default_factory=list)
    """Of each stream, from how many parts the baseline was that was stored last."""
    tool: Tool | None = None
    life: Held | None = None
    """What the signal of the tool's life held at the end of the last part."""
    worn_at: list[float] = field(default_factory=list)
    """Rises at which people called tools worn."""
    kept: dict[str, bytes] = field(default_factory=dict)
    """Of each piece that is stored, a digest of what it holds."""

    def members(self, contexts: Iterable[Context] | None = None) -> npt.NDArray[np.bool_]:
        """Return which streams belong to contexts; all without a word."""
        if contexts is None:
            return np.ones(len(self.streams), np.bool_)
        wanted = set(contexts)
        return np.array([(key.program, key.step, key.occurrence) in wanted for key in self.streams], np.bool_)


def new_memory(plan: ConditionPlan, from_us: int) -> Memory:
    """Return the memory of an equipment that is seen for the first time."""
    return Memory(Watch(Rule(plan.least_parts, plan.parts_per_false_call)), from_us)


def pieces_of(memory: Memory) -> dict[str, bytes]:
    """Return what must be remembered beside ``pack`` and changed since this was called last, by name; ready to be stored."""
    found: dict[str, bytes] = {}
    fixed = {
        "streams": [[key.program, key.step, key.occurrence, key.signal, key.feature] for key in memory.streams],
        "numbers": memory.numbers,
        "contexts": [[*context, number] for context, number in memory.contexts.items()],
    }
    plain = {"streams": json.dumps(fixed, separators=(",", ":")).encode()}
    for name, column in memory.watch.pieces().items():
        out = io.BytesIO()
        np.save(out, column, allow_pickle=False)
        plain[f"watch {name}"] = out.getvalue()
    for name, content in plain.items():
        digest = hashlib.blake2b(content, digest_size=16).digest()
        if memory.kept.get(name) != digest:
            memory.kept[name] = digest
            found[name] = zlib.compress(content, 1)
    memory.kept = {name: digest for name, digest in memory.kept.items() if name in plain}
    return found


def pack(memory: Memory) -> bytes:
    """Return what is remembered and changes with each part; the rest is in pieces."""
    said: dict[str, Any] = {
        "whole": memory.whole,
        "before": {path: asdict(held) for path, held in memory.before.items()},
        "findings": [_said(finding) for finding in memory.findings.values()],
        "told": memory.told,
        "tool": None if memory.tool is None else asdict(memory.tool),
        "life": None if memory.life is None else asdict(memory.life),
        "worn_at": memory.worn_at,
    }
    head = zlib.compress(json.dumps(said, separators=(",", ":")).encode(), 1)
    return len(head).to_bytes(4, "big") + head


def unpack(plan: ConditionPlan, done_us: int, packed: bytes, pieces: Mapping[str, bytes]) -> Memory:
    """Return what was packed and kept in pieces; former versions packed all of it.

    Where the settings ask for another least number of parts, baselines begin anew.
    """
    length = int.from_bytes(packed[:4], "big")
    said = json.loads(zlib.decompress(packed[4 : 4 + length]))
    memory = new_memory(plan, done_us)
    if len(packed) > 4 + length:
        memory.watch.unpack(packed[4 + length :])
    else:
        plain = {name: zlib.decompress(content) for name, content in pieces.items()}
        memory.kept = {name: hashlib.blake2b(content, digest_size=16).digest() for name, content in plain.items()}
        said |= json.loads(plain["streams"])
        watched = {name.removeprefix("watch "): content for name, content in plain.items() if name != "streams"}
        memory.watch.go_on({name: np.load(io.BytesIO(content), allow_pickle=False) for name, content in watched.items()})
    memory.whole = said["whole"]
    memory.before = {SignalPath(path): Held(**held) for path, held in said["before"].items()}
    memory.streams = [StreamKey(*key) for key in said["streams"]]
    memory.numbers = said["numbers"]
    memory.places = {key: place for place, key in enumerate(memory.streams)}
    memory.contexts = {(row[0], row[1], row[2]): row[3] for row in said["contexts"]}
    found = [FindingRow(**{**row, "severity": Severity(row["severity"]), "reasons": tuple(row["reasons"])}) for row in said["findings"]]
    memory.findings = {(row.program, row.step, row.occurrence): row for row in found}
    memory.told = said["told"]
    memory.tool = None if said["tool"] is None else Tool(**said["tool"])
    memory.life = None if said["life"] is None else Held(**said["life"])
    memory.worn_at = said["worn_at"]
    return memory


def _said(row: FindingRow) -> dict[str, Any]:
    names = ("program", "step", "occurrence", "begin_us", "end_us", "last_us", "ratio", "parts")
    return {**{name: getattr(row, name) for name in names}, "severity": row.severity.value, "reasons": list(row.reasons)}
