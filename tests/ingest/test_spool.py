from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from uuid import UUID, uuid4

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ingest.files import File, SystemFile, SystemFiles
from ingest.segments import HEAD, Frame, encode_frame, encode_head, scan, seed_of
from ingest.spool import Spool, SpoolFull
from ingest.tail import Tail
from plant.errors import SettingsError, Unavailable

SPOOL = UUID(int=0x1234)
Opened = tuple[Spool, list[Frame]]


def opened(folder: Path, files: SystemFiles | None = None, **options: int) -> Opened:
    spool = Spool(folder, files or SystemFiles(), new_id=lambda: SPOOL, **options)
    frames: list[Frame] = []
    spool.open(frames.append)
    return spool, frames


def contents(frames: list[Frame]) -> list[tuple[int, bytes]]:
    return [(frame.number, frame.content) for frame in frames]


def whole_segment() -> tuple[bytes, list[Frame]]:
    frames = [Frame(number, number % 3, 1, bytes([number]) * (1 + number * 3 % 7)) for number in range(1, 9)]
    seed = seed_of(SPOOL)
    return encode_head(SPOOL, 1) + b"".join(encode_frame(frame, seed) for frame in frames), frames


def test_what_was_synced_is_there_after_opening_again(tmp_path: Path) -> None:
    spool, _ = opened(tmp_path)
    for number in range(5):
        spool.append(2, 1, b"x%d" % number)
    assert spool.sync() == 5
    spool.close()

    again, frames = opened(tmp_path)

    assert contents(frames) == [(n + 1, b"x%d" % n) for n in range(5)]
    assert again.append(1, 1, b"new") == 6
    again.close()


def test_a_file_torn_at_any_byte_gives_a_whole_prefix_and_nothing_wrong() -> None:
    content, frames = whole_segment()
    for cut in range(HEAD.size, len(content) + 1):
        found = scan(content[:cut], seed_of(SPOOL), HEAD.size)
        assert found.frames == frames[: len(found.frames)]
        assert found.end <= cut
    assert len(scan(content, seed_of(SPOOL), HEAD.size).frames) == len(frames)


def test_any_flipped_bit_costs_one_frame_and_never_makes_a_wrong_one() -> None:
    content, frames = whole_segment()
    for place in range(HEAD.size, len(content)):
        for bit in range(8):
            broken = bytearray(content)
            broken[place] ^= 1 << bit
            found = scan(bytes(broken), seed_of(SPOOL), HEAD.size).frames
            assert len(found) == len(frames) - 1
            assert all(frame in frames for frame in found)


def test_a_tail_of_zeros_holds_no_frame() -> None:
    content, frames = whole_segment()
    found = scan(content + bytes(10_000), seed_of(SPOOL), HEAD.size)
    assert found.frames == frames
    assert scan(bytes(4096), 0).frames == []


def test_frames_of_another_spool_are_none_of_ours() -> None:
    content, _ = whole_segment()
    assert scan(content, seed_of(UUID(int=99)), HEAD.size).frames == []


@pytest.mark.parametrize("cut", [0, 1, 7, 30])
def test_a_torn_spool_opens_and_never_uses_a_number_twice(tmp_path: Path, cut: int) -> None:
    spool, _ = opened(tmp_path)
    for number in range(5):
        spool.append(1, 1, b"content %d" % number)
    spool.close()
    segment = next(tmp_path.glob("*.seg"))
    segment.write_bytes(segment.read_bytes()[: segment.stat().st_size - cut])

    again, frames = opened(tmp_path)

    assert len(frames) == (5 if cut == 0 else 4)
    assert again.append(1, 1, b"new") > (5 if cut else 4)
    again.close()


def test_a_spool_torn_twice_never_uses_a_number_twice(tmp_path: Path) -> None:
    spool, _ = opened(tmp_path)
    spool.append(1, 1, b"first")
    spool.close()
    only = next(tmp_path.glob("*.seg"))
    only.write_bytes(only.read_bytes() + bytes(500))
    spool, _ = opened(tmp_path)
    behind = spool.durable
    spool.append(1, 1, b"second")
    spool.close()
    newest = max(tmp_path.glob("*.seg"))
    newest.write_bytes(newest.read_bytes()[:-3])

    spool, _ = opened(tmp_path)

    assert spool.last > behind > 500
    spool.close()


def test_a_damaged_middle_costs_only_its_own_frame(tmp_path: Path) -> None:
    spool, _ = opened(tmp_path)
    for number in range(5):
        spool.append(1, 1, b"content %d" % number)
    spool.close()
    segment = next(tmp_path.glob("*.seg"))
    segment.write_bytes(segment.read_bytes().replace(b"content 2", b"contenX 2"))

    again, frames = opened(tmp_path)

    assert [frame.number for frame in frames] == [1, 2, 4, 5]
    assert again.damaged_bytes > 0
    again.close()


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    spool, _ = opened(tmp_path)
    with pytest.raises(Unavailable, match="another process holds the spool"):
        opened(tmp_path)
    spool.close()
    opened(tmp_path)[0].close()


def test_a_folder_that_cannot_be_used_is_a_settings_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="cannot be used"):
        opened(tmp_path / "file" / "spool")


def test_released_segments_go_and_the_rest_stays(tmp_path: Path) -> None:
    spool, _ = opened(tmp_path, segment_bytes=100)
    for number in range(20):
        spool.append(1, 1, b"some content %d" % number)
    spool.sync()
    before = len(list(tmp_path.glob("*.seg")))
    spool.release(15, {"a": (15, 99)})
    assert len(list(tmp_path.glob("*.seg"))) < before
    spool.close()

    again, frames = opened(tmp_path)

    assert again.cursor.released == 15
    assert again.cursor.notes == {"a": (15, 99)}
    assert {frame.number for frame in frames} >= set(range(16, 21))
    again.close()


def test_a_full_quota_takes_no_more_and_keeps_what_is_there(tmp_path: Path) -> None:
    spool, _ = opened(tmp_path, quota_bytes=500)
    for number in range(8):
        spool.append(1, 1, b"some content %d" % number)
    with pytest.raises(SpoolFull, match="quota"):
        spool.append(1, 1, bytes(200))
    kept = spool.sync()
    assert kept == 8
    spool.close()
    assert len(opened(tmp_path)[1]) == kept


def append_hundreds(spool: Spool, count: int) -> None:
    for _ in range(count):
        spool.append(1, 1, bytes(100))


def test_a_small_quota_has_room_again_once_all_was_released(tmp_path: Path) -> None:
    spool, _ = opened(tmp_path, quota_bytes=2000)
    with pytest.raises(SpoolFull):
        append_hundreds(spool, 100)
    spool.release(spool.sync(), {})
    append_hundreds(spool, 5)
    spool.close()


def test_the_tail_reads_each_durable_frame_once(tmp_path: Path) -> None:
    spool, _ = opened(tmp_path, segment_bytes=200)
    tail = Tail(spool, 0)
    seen: list[int] = []
    for number in range(1, 40):
        spool.append(1, 1, b"some content %d" % number)
        assert all(frame.number <= spool.durable for frame in tail.read(3))
        if number % 4 == 0:
            spool.sync()
            while frames := tail.read(3):
                seen += [frame.number for frame in frames]
    assert seen == list(range(1, 37))
    spool.close()


def test_the_tail_follows_a_writer_in_another_thread(tmp_path: Path) -> None:
    spool, _ = opened(tmp_path, segment_bytes=2000)
    count = 600

    def write() -> None:
        for number in range(count):
            spool.append(1, 1, b"%d" % number * 5)
            if number % 7 == 0:
                spool.sync()
        spool.sync()

    writer = threading.Thread(target=write)
    writer.start()
    tail = Tail(spool, 0)
    seen: list[Frame] = []
    while len(seen) < count:
        frames = tail.read(50)
        seen += frames
        if frames:
            spool.release(frames[-1].number, {})
    writer.join()
    assert contents(seen) == [(n + 1, b"%d" % n * 5) for n in range(count)]
    spool.close()


class FaultyFile(SystemFile):
    """A file that fails as told."""

    def __init__(self, descriptor: int, faults: Faults) -> None:
        super().__init__(descriptor)
        self.faults = faults
        self.failed = False

    def write(self, content: bytes, at: int) -> int:
        if self.faults.room is not None:
            taken = min(len(content), self.faults.room)
            if taken == 0:
                raise OSError(28, "No space left on device")
            self.faults.room -= taken
            return super().write(content[:taken], at)
        if self.faults.short:
            return super().write(content[: max(1, len(content) // 2)], at)
        return super().write(content, at)

    def sync(self) -> None:
        if self.faults.failing_syncs > 0:
            self.faults.failing_syncs -= 1
            self.failed = True
            raise OSError(5, "Input/output error")
        assert not self.failed, "a file was synced again after its sync had failed"
        super().sync()


class Faults(SystemFiles):
    def __init__(self) -> None:
        self.room: int | None = None
        self.short = False
        self.failing_syncs = 0

    def replace(self, path: Path, content: bytes) -> None:
        if self.room == 0:
            raise OSError(28, "No space left on device")
        super().replace(path, content)

    def unlink(self, path: Path) -> None:
        if self.room is not None and path.exists():
            self.room += path.stat().st_size
        super().unlink(path)

    def create(self, path: Path) -> SystemFile:
        return FaultyFile(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), self)


def test_short_writes_are_carried_on(tmp_path: Path) -> None:
    faults = Faults()
    faults.short = True
    spool, _ = opened(tmp_path, faults)
    spool.append(1, 1, b"a long content")
    spool.close()
    assert contents(opened(tmp_path)[1]) == [(1, b"a long content")]


@pytest.mark.parametrize("room", range(0, 60, 7))
def test_a_full_disk_takes_back_the_torn_frame_and_goes_on_when_there_is_room(tmp_path: Path, room: int) -> None:
    faults = Faults()
    spool, _ = opened(tmp_path, faults)
    spool.append(1, 1, b"first")
    faults.room = room
    with pytest.raises(SpoolFull, match="No space"):
        spool.append(1, 1, b"second, which is longer than the room that is left on the disk")
    faults.room = None
    spool.append(1, 1, b"third")
    spool.close()
    assert [frame.content for frame in opened(tmp_path)[1]] == [b"first", b"third"]


def test_a_full_disk_at_a_new_segment_goes_on_when_there_is_room(tmp_path: Path) -> None:
    faults = Faults()
    spool, _ = opened(tmp_path, faults, segment_bytes=100)
    spool.opening = lambda: Frame(0, 0, 2, b"snapshot")
    for number in range(3):
        spool.append(1, 1, b"content %d......" % number)
    faults.room = 50
    for _ in range(3):
        with pytest.raises(SpoolFull):
            spool.append(1, 1, b"lost.............")
    faults.room = None
    spool.append(1, 1, b"after")
    spool.close()
    frames = opened(tmp_path)[1]
    assert [frame.content for frame in frames if frame.kind == 1][-1] == b"after"
    assert len({frame.number for frame in frames}) == len(frames)


def test_a_spool_on_a_full_disk_opens_and_makes_room_once_it_is_shipped(tmp_path: Path) -> None:
    spool, _ = opened(tmp_path, segment_bytes=100)
    for number in range(20):
        spool.append(1, 1, b"content %d......" % number)
    spool.close()
    faults = Faults()
    faults.room = 0
    again, frames = opened(tmp_path, faults, segment_bytes=100)
    assert len(frames) == 20
    again.release(20, {"a": (20, 99)})
    again.append(1, 1, b"after")
    again.close()
    assert opened(tmp_path)[0].cursor.notes == {"a": (20, 99)}


def test_a_failed_sync_is_never_tried_again_on_the_same_file(tmp_path: Path) -> None:
    faults = Faults()
    spool, _ = opened(tmp_path, faults)
    spool.append(1, 1, b"first")
    spool.sync()
    spool.append(1, 1, b"second")
    faults.failing_syncs = 1
    assert spool.sync() == 2
    spool.append(1, 1, b"third")
    faults.failing_syncs = 3
    with pytest.raises(SpoolFull):
        spool.sync()
    assert spool.durable == 2
    faults.failing_syncs = 0
    spool.append(1, 1, b"fourth")
    assert spool.sync() == 4
    spool.close()
    assert contents(opened(tmp_path)[1]) == [(1, b"first"), (2, b"second"), (3, b"third"), (4, b"fourth")]


class LossyFile:
    """A file whose unsynced writes a power cut may take away, in pieces of 512 bytes."""

    def __init__(self, disk: LossyDisk, path: Path) -> None:
        self.disk = disk
        self.path = path

    def write(self, content: bytes, at: int) -> int:
        self.disk.act()
        now = self.disk.live[self.path]
        now[len(now) : at] = bytes(max(0, at - len(now)))
        now[at : at + len(content)] = content
        self.disk.unsynced.append((self.path, at, bytes(content)))
        return len(content)

    def sync(self) -> None:
        self.disk.act()
        self.disk.durable[self.path] = bytes(self.disk.live[self.path])
        self.disk.unsynced = [w for w in self.disk.unsynced if w[0] != self.path]

    def truncate(self, size: int) -> None:
        del self.disk.live[self.path][size:]

    def close(self) -> None:
        pass


class PowerCut(Exception):
    pass


class LossyDisk:
    """Files in memory. ``cut`` keeps what was synced and whatever subset of the rest it likes."""

    def __init__(self) -> None:
        self.live: dict[Path, bytearray] = {}
        self.durable: dict[Path, bytes] = {}
        self.named: set[Path] = set()
        self.unsynced: list[tuple[Path, int, bytes]] = []
        self.steps_left: int | None = None

    def act(self) -> None:
        if self.steps_left is not None:
            if self.steps_left == 0:
                raise PowerCut
            self.steps_left -= 1

    def create(self, path: Path) -> File:
        self.act()
        self.live[path] = bytearray()
        return LossyFile(self, path)

    def open(self, path: Path) -> File:
        return LossyFile(self, path)

    def names(self, folder: Path) -> list[str]:
        del folder
        return sorted(path.name for path in self.live)

    def read(self, path: Path, at: int = 0, most: int = -1) -> bytes:
        if path not in self.live:
            raise FileNotFoundError(path)
        content = bytes(self.live[path][at:])
        return content if most < 0 else content[:most]

    def replace(self, path: Path, content: bytes) -> None:
        self.act()
        self.live[path] = bytearray(content)
        self.durable[path] = content
        self.named.add(path)

    def unlink(self, path: Path) -> None:
        self.act()
        self.live.pop(path, None)
        self.durable.pop(path, None)
        self.named.discard(path)
        self.unsynced = [w for w in self.unsynced if w[0] != path]

    def sync_folder(self, folder: Path) -> None:
        del folder
        self.act()
        self.named |= set(self.live)

    def cut(self, keep: Callable[[], bool]) -> None:
        """The power goes: names not synced and writes not synced stay or go as ``keep`` says."""
        after: dict[Path, bytearray] = {}
        for path in self.live:
            if path in self.named or keep():
                after[path] = bytearray(self.durable.get(path, b""))
        for path, at, content in self.unsynced:
            for start in range(0, len(content), 512):
                if path in after and keep():
                    piece = content[start : start + 512]
                    now = after[path]
                    place = at + start
                    now[len(now) : place] = bytes(max(0, place - len(now)))
                    now[place : place + len(piece)] = piece
        self.live = after
        self.durable = {path: bytes(content) for path, content in after.items()}
        self.named = set(after)
        self.unsynced = []
        self.steps_left = None


class SpoolThroughPowerCuts(RuleBasedStateMachine):
    """Whatever the order of appends, syncs, releases and power cuts: nothing that was acknowledged is lost, and nothing wrong appears."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(os.environ.get("TMPDIR", "/tmp")) / f"spool-{uuid4()}"  # noqa: S108
        self.disk = LossyDisk()
        self.taken: dict[int, bytes] = {}
        self.acknowledged = 0
        self.released = 0
        self.serial = 0
        self.start()

    def start(self) -> None:
        self.spool = Spool(self.folder, self.disk, new_id=lambda: SPOOL, segment_bytes=900)
        self.frames: list[Frame] = []
        self.spool.opening = lambda: Frame(0, 0, 2, b"snapshot")
        self.spool.open(self.frames.append)

    @rule(size=st.integers(1, 1500))
    def append(self, size: int) -> None:
        self.serial += 1
        content = (b"%d." % self.serial) * (size // 4 + 1)
        number = self.spool.append(1, 1, content)
        assert number not in self.taken or number > self.acknowledged
        self.taken[number] = content

    @rule()
    def sync(self) -> None:
        self.acknowledged = max(self.acknowledged, self.spool.sync())

    @rule(share=st.floats(0, 1))
    def release(self, share: float) -> None:
        self.released = max(self.released, int(self.spool.durable * share))
        self.spool.release(self.released, {})

    @rule(choices=st.randoms(use_true_random=False), steps=st.integers(0, 6))
    def power_cut(self, choices: object, steps: int) -> None:
        self.disk.steps_left = steps
        try:
            for _ in range(4):
                self.append(200)
                self.sync()
                self.release(0.8)
        except PowerCut:
            pass
        self.disk.cut(lambda: choices.random() < 0.5)  # type: ignore[attr-defined]
        self.spool._unlock()
        self.start()
        found = {frame.number: frame.content for frame in self.frames if frame.kind == 1}
        for number, content in self.taken.items():
            if self.released < number <= self.acknowledged:
                assert found.get(number) == content, f"frame {number} was acknowledged and is lost"
        for number, content in found.items():
            assert self.taken.get(number) == content, f"frame {number} is not what was written"
        assert self.spool.last >= self.acknowledged
        self.taken = {n: c for n, c in self.taken.items() if n in found or n <= self.acknowledged}
        self.acknowledged = max(self.acknowledged, self.spool.durable)

    @invariant()
    def sane(self) -> None:
        assert self.spool.durable <= self.spool.last

    def teardown(self) -> None:
        if hasattr(self, "spool"):
            self.spool._unlock()
            for path in self.folder.glob("*"):
                path.unlink()
            self.folder.rmdir()


TestSpoolThroughPowerCuts = SpoolThroughPowerCuts.TestCase
TestSpoolThroughPowerCuts.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
