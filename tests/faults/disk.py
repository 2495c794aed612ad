"""A disk in memory that tells the truth about power: what was not synced is lost, torn, or reordered, names and bytes alike."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

SECTOR = 512


class Chance(Protocol):
    """What decides: ``random.Random``, or one that Hypothesis leads."""

    def random(self) -> float: ...
    def randrange(self, start: int, stop: int, /) -> int: ...


class PowerCut(Exception):
    """The machine stops at this step."""


@dataclass
class _Inode:
    """A file's bytes: as programs see them, as they are on the disk, and what lies between."""

    live: bytearray = field(default_factory=bytearray)
    durable: bytearray = field(default_factory=bytearray)
    unsynced: list[tuple[int, bytes | None]] = field(default_factory=list)
    """Writes as (offset, bytes), cuts as (size, None), in order."""


def _apply(content: bytearray, at: int, written: bytes | None) -> None:
    if written is None:
        del content[at:]
        return
    content.extend(bytes(max(0, at - len(content))))
    content[at : at + len(written)] = written


class SimulatedFile:
    """An open file of a simulated disk."""

    def __init__(self, disk: SimulatedDisk, inode: _Inode) -> None:
        self._disk = disk
        self._inode = inode
        self._failed = False

    def write(self, content: bytes, at: int) -> int:
        self._disk.step()
        taken = self._disk.room_for(content)
        _apply(self._inode.live, at, content[:taken])
        self._inode.unsynced.append((at, bytes(content[:taken])))
        return taken

    def sync(self) -> None:
        self._disk.step()
        assert not self._failed, "a file was synced again after its sync had failed"
        if self._disk.fails():
            # as Linux does: the pages count as clean from now on, and are not on the disk
            self._failed = True
            self._inode.unsynced.clear()
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        for at, written in self._inode.unsynced:
            _apply(self._inode.durable, at, written)
        self._inode.unsynced.clear()

    def truncate(self, size: int) -> None:
        self._disk.step()
        _apply(self._inode.live, size, None)
        self._inode.unsynced.append((size, None))

    def close(self) -> None:
        pass


class SimulatedDisk:
    """One folder's files. ``steps_left`` ends the world after so many operations; ``cut`` is what is found afterwards."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self._names: dict[Path, _Inode] = {}
        self._durable_names: dict[Path, _Inode] = {}
        self._unsynced_names: list[tuple[Path, _Inode | None]] = []
        self.steps_left: int | None = None
        self.steps = 0
        self.sync_fails = 0.0
        """Share of syncs that fail."""
        self.write_short = 0.0
        """Share of writes that take fewer bytes than they were given, or none for want of room."""

    def step(self) -> None:
        """One operation: a place where the power may go."""
        self.steps += 1
        if self.steps_left is not None:
            if self.steps_left == 0:
                raise PowerCut
            self.steps_left -= 1

    def fails(self) -> bool:
        return self.sync_fails > 0 and self._chance.random() < self.sync_fails

    def room_for(self, content: bytes) -> int:
        if self.write_short == 0 or self._chance.random() >= self.write_short:
            return len(content)
        taken = self._chance.randrange(0, len(content) + 1)
        if taken == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return taken

    def create(self, path: Path) -> SimulatedFile:
        self.step()
        if path in self._names:
            raise FileExistsError(path)
        inode = _Inode()
        self._name(path, inode)
        return SimulatedFile(self, inode)

    def open(self, path: Path) -> SimulatedFile:
        return SimulatedFile(self, self._names[path])

    def names(self, folder: Path) -> list[str]:
        del folder
        return sorted(path.name for path in self._names)

    def read(self, path: Path, at: int = 0, most: int = -1) -> bytes:
        if path not in self._names:
            raise FileNotFoundError(path)
        content = bytes(self._names[path].live[at:])
        return content if most < 0 else content[:most]

    def replace(self, path: Path, content: bytes) -> None:
        """As the operating system's files do it: beside it, synced, renamed, folder synced; the power may go between any two."""
        self.step()
        inode = _Inode()
        self._name(path.with_name(path.name + ".new"), inode)
        self.step()
        _apply(inode.live, 0, content)
        inode.unsynced.append((0, content))
        self.step()
        _apply(inode.durable, 0, content)
        inode.unsynced.clear()
        self.step()
        self._name(path, inode)
        self._name(path.with_name(path.name + ".new"), None)
        self.sync_folder(path.parent)

    def unlink(self, path: Path) -> None:
        self.step()
        if path in self._names:
            self._name(path, None)

    def sync_folder(self, folder: Path) -> None:
        del folder
        self.step()
        self._durable_names = dict(self._names)
        self._unsynced_names.clear()

    def _name(self, path: Path, inode: _Inode | None) -> None:
        self._unsynced_names.append((path, inode))
        if inode is None:
            self._names.pop(path, None)
        else:
            self._names[path] = inode

    def cut(self) -> None:
        """The power goes. Of what was not synced each name and each sector stays or goes by chance."""
        names = dict(self._durable_names)
        for path, inode in self._unsynced_names:
            if self._keep():
                if inode is None:
                    names.pop(path, None)
                else:
                    names[path] = inode
        for inode in {id(one): one for one in names.values()}.values():
            content = bytearray(inode.durable)
            for at, written in inode.unsynced:
                if written is None:
                    if self._keep():
                        _apply(content, at, None)
                    continue
                for start in range(0, len(written), SECTOR):
                    if self._keep():
                        _apply(content, at + start, written[start : start + SECTOR])
            inode.live, inode.durable, inode.unsynced = content, bytearray(content), []
        self._names, self._durable_names = names, dict(names)
        self._unsynced_names.clear()
        self.steps_left = None

    def _keep(self) -> bool:
        return self._chance.random() < 0.5
