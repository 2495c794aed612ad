"""Rows 43-53: the spool's disk is full, small, broken, torn, damaged, taken or forbidden; the ledger says what that cost."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import hypothesis.strategies as st
import pytest
import structlog
from hypothesis import HealthCheck, given, settings

from ingest.segments import HEAD as SEGMENT_HEAD
from ingest.segments import Frame, decode_head, encode_frame, scan, seed_of
from plant.ledger import GapReason
from tests.faults import power
from tests.faults.device import Devices, devices
from tests.faults.proxy import Proxies
from tests.faults.rig import NO_MOUNTS, Rig, mounts_work, mqtt_source, opcua_source
from tests.faults.stage import Press, database_link
from tests.ingest.parts import PATIENCE, Mosquitto, until

pytestmark = pytest.mark.timeout(600)
SPOOL_BYTES = 6_000_000
FULL = "the spool takes no more"
ROOM = "the spool takes samples again"


@pytest.fixture(scope="module")
def plant() -> Iterator[Devices]:
    with devices(1) as running:
        yield running


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    one = Mosquitto(tmp_path_factory.mktemp("broker"), "max_queued_messages 100000")
    one.start()
    yield one
    one.stop()


@dataclass
class Scene:
    """A stopped ingest whose disk failed in four ways, one after the other."""

    rig: Rig
    sent: int = 0
    spans: dict[str, tuple[int, int]] = field(default_factory=dict)
    segments_after_sync_failed: int = 0


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, module_url: str, plant: Devices, broker: Mosquitto) -> Iterator[Scene]:
    sources = {"press": mqtt_source("press", broker.port), "machine": opcua_source("machine", plant.ports[0])}
    scene = Scene(Rig(tmp_path_factory.mktemp("disk"), module_url, sources))
    rig = scene.rig
    rig.start(spool_bytes=SPOOL_BYTES if mounts_work() else 0)
    press = Press(broker.port)
    try:
        rig.until_state("connected", "press", "machine")
        press.start()
        rig.until_stored_again("press", "machine")
        if mounts_work():
            _suffer(scene, "enospc", lambda: _fill(rig.spool / "filler"), (rig.spool / "filler").unlink)
        _suffer(scene, "efbig", lambda: _limit_files(rig), lambda: _lift_limit(rig))
        _suffer(scene, "eio", lambda: rig.faults(write_errno=errno.EIO), rig.faults)
        before = rig.log.count("cannot be made durable")
        rig.faults(sync_errno=errno.EIO)
        until(lambda: rig.log.count("cannot be made durable") > before + 2, 20)
        scene.segments_after_sync_failed = len(list(rig.spool.glob("*.seg")))
        rig.faults()
        rig.until_stored_again("press", "machine")
        press.finish()
        scene.sent = press.sent
        until(lambda: rig.totals("press").stored >= 3 * press.sent, 40, 0.2)
        _stop_and_keep(rig)
        yield scene
    finally:
        press.connection.stop()
        rig.close()


def _suffer(scene: Scene, name: str, begin: Callable[[], None], end: Callable[[], object]) -> None:
    rig = scene.rig
    room, lost = rig.log.count(ROOM), rig.lost_records("machine")
    from_us = time.time_ns() // 1000
    begin()
    until(lambda: rig.lost_records("machine") > lost, 20)
    until(lambda: time.time_ns() // 1000 > from_us + 1_200_000, 5)
    end()
    until(lambda: rig.log.count(ROOM) > room, 30)
    scene.spans[name] = (from_us, time.time_ns() // 1000)
    rig.until_stored_again("press", "machine")


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as filler:
        try:
            while True:
                filler.write(bytes(4096))
        except OSError as error:
            assert error.errno == errno.ENOSPC  # noqa: PT017 - the disk is full, as was wanted


def _limit_files(rig: Rig) -> None:
    assert rig.child is not None
    newest = max(rig.spool.glob("*.seg"))
    resource.prlimit(rig.child.pid, resource.RLIMIT_FSIZE, (newest.stat().st_size + 300, resource.RLIM_INFINITY))


def _lift_limit(rig: Rig) -> None:
    assert rig.child is not None
    resource.prlimit(rig.child.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def _stop_and_keep(rig: Rig) -> None:
    """Stop, and keep the spool that vanishes with its disk: what it says of the sources is looked at afterwards."""
    if not mounts_work():
        rig.stop()
        return
    # the disk stays as long as somebody holds its root open
    folder = os.open(rig.spool, os.O_RDONLY | os.O_DIRECTORY)
    try:
        rig.stop()
        for name in os.listdir(folder):  # noqa: PTH208 - by descriptor, as its path is gone
            if name.endswith(".seg") or name == "cursor":
                with os.fdopen(os.open(name, os.O_RDONLY, dir_fd=folder), "rb") as file:
                    (rig.home / "spool" / name).write_bytes(file.read())
    finally:
        os.close(folder)


@pytest.mark.heavy
def test_the_ledger_is_exact_through_every_failure_of_the_disk(scene: Scene) -> None:
    scene.rig.assert_exact("press", "machine")
    scene.rig.assert_every_tick("machine")


def _assert_cost(scene: Scene, fault: str) -> None:
    from_us, to_us = scene.spans[fault]
    gaps = [gap for gap in scene.rig.gaps("machine", GapReason.SPOOL_FULL) if gap.from_us < to_us and gap.to_us > from_us]
    assert gaps, f"{fault} cost nothing"
    # a record holds a second: what was gathered when the disk failed is lost, nothing before and nothing long after
    assert min(gap.from_us for gap in gaps) > from_us - 2_500_000 * PATIENCE
    assert max(gap.to_us for gap in gaps) < to_us + 2_500_000


def _assert_no_message_lost(scene: Scene) -> None:
    assert [int(value or 0) for _, value, *_ in scene.rig.values("press", "counter")] == list(range(scene.sent))
    assert scene.rig.totals("press").gap == 0


@pytest.mark.heavy
@pytest.mark.skipif(not mounts_work(), reason=NO_MOUNTS)
def test_a_full_disk_costs_the_reads_of_its_time_and_no_message_and_goes_on_by_itself(scene: Scene) -> None:
    _assert_cost(scene, "enospc")
    _assert_no_message_lost(scene)


@pytest.mark.heavy
def test_a_write_that_takes_fewer_bytes_than_given_costs_the_reads_of_its_time_and_no_message(scene: Scene) -> None:
    _assert_cost(scene, "efbig")
    _assert_no_message_lost(scene)


@pytest.mark.heavy
def test_a_write_that_fails_costs_the_reads_of_its_time_and_no_message(scene: Scene) -> None:
    _assert_cost(scene, "eio")
    _assert_no_message_lost(scene)


@pytest.mark.heavy
def test_a_sync_that_fails_is_tried_on_new_files_only_and_costs_nothing(scene: Scene) -> None:
    last = max(to_us for _, to_us in scene.spans.values())
    assert not [gap for gap in scene.rig.gaps("machine", GapReason.SPOOL_FULL) if gap.from_us > last + 2_500_000]
    _assert_no_message_lost(scene)


@pytest.fixture
def quiet() -> Iterator[None]:
    """No log lines, until the test is over."""
    power.quiet()
    yield
    structlog.reset_defaults()


@pytest.mark.usefixtures("quiet")
@given(chance=st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.large_base_example, HealthCheck.function_scoped_fixture])
def test_nothing_acknowledged_is_lost_or_doubled_by_power_cuts_between_any_two_steps(
    chance: Random, tmp_path_factory: pytest.TempPathFactory
) -> None:
    power.live(chance, tmp_path_factory.getbasetemp() / "power")


@pytest.mark.heavy
@pytest.mark.usefixtures("quiet")
def test_thousands_of_lives_with_power_cuts_and_failing_disks_lose_and_double_nothing(tmp_path: Path, seed: int) -> None:
    cuts = 0
    for number in range(seed, seed + 6000):
        try:
            cuts += power.live(Random(number), tmp_path).cuts  # noqa: S311 - chance, no secret
        except AssertionError as error:
            raise AssertionError(f"python -m tests.faults.power --sequences 1 --seed {number}: {error}") from error
    assert cuts > 6000


@dataclass
class Waiting:
    """A home whose spool holds all messages of a press, none of which the database has."""

    home: Path
    sent: int
    port: int

    def copy(self, folder: Path) -> Path:
        """Give a copy of the home below a folder, and return its newest segment."""
        shutil.copytree(self.home, folder / "home", ignore=shutil.ignore_patterns("*.log", "*.sock"))
        return max((folder / "home" / "spool").glob("*.seg"))


def samples_in(spool: Path) -> int:
    """How many samples the frames of a spool hold."""
    count = 0
    for path in spool.glob("*.seg"):
        content = path.read_bytes()
        head = decode_head(content)
        if head is not None:
            count += sum(frame.samples for frame in scan(content, seed_of(head[0]), SEGMENT_HEAD.size).frames)
    return count


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory, broker: Mosquitto) -> Waiting:
    nowhere = "postgresql://nobody@/none?host=/nowhere"
    rig = Rig(tmp_path_factory.mktemp("waiting"), nowhere, {"damaged": mqtt_source("damaged", broker.port)})
    rig.start()
    until(lambda: "source connected" in rig.log, 20)
    press = Press(broker.port, "damaged")
    press.start()
    until(lambda: press.sent > 250, 20)
    press.finish()
    until(lambda: samples_in(rig.home / "spool") == 3 * press.sent, 20)
    rig.kill()
    return Waiting(rig.home, press.sent, broker.port)


def torn(content: bytearray, chance: Random) -> None:
    """The end is missing, from any byte of the last three frames on."""
    del content[chance.randrange(len(content) * 9 // 10, len(content)) :]


def flipped(content: bytearray, chance: Random) -> None:
    """One to three bits are others, anywhere."""
    for _ in range(chance.randrange(1, 4)):
        content[chance.randrange(0, len(content))] ^= 1 << chance.randrange(0, 8)


def zeros(content: bytearray, chance: Random) -> None:
    """A tail of zeros, as a file system leaves where size came before bytes."""
    at = chance.randrange(len(content) // 2, len(content))
    content[at:] = bytes(len(content) - at + chance.randrange(0, 5000))


def block(content: bytearray, chance: Random) -> None:
    """A sector of something else in the middle."""
    at = chance.randrange(SEGMENT_HEAD.size, len(content) - 600)
    content[at : at + 512] = chance.randbytes(512)


def read_after(tmp_path: Path, waiting: Waiting, url: str, damage: Callable[[Path], object]) -> tuple[Rig, object]:
    """Damage a copy of the spool, start over it, send one message more, and stop once all is told of."""
    done = damage(waiting.copy(tmp_path))
    rig = Rig(tmp_path, url, {"damaged": mqtt_source("damaged", waiting.port)})
    rig.start()
    try:
        rig.until_state("connected", "damaged")
        press = Press(waiting.port, "damaged")
        press.sent = waiting.sent
        press.send()
        press.finish()
        all_of_them = 3 * (waiting.sent + 1)

        def told() -> bool:
            totals = rig.totals("damaged")
            return totals.stored + totals.gap >= all_of_them

        until(told, 30, 0.2)
        rig.stop()
        totals = rig.totals("damaged")
        assert totals.stored + totals.gap == all_of_them
        rig.assert_exact("damaged")
        numbers = [int(value or 0) for _, value, *_ in rig.values("damaged", "counter")]
        assert len(set(numbers)) == len(numbers)
        assert set(numbers) <= set(range(waiting.sent + 1))
        assert all(force == number / 7 for number, (_, force, *_) in zip(numbers, rig.values("damaged", "force"), strict=True))
    finally:
        rig.close()
    return rig, done


def damaged_by(how: Callable[[bytearray, Random], None], chance: Random) -> Callable[[Path], object]:
    def damage(segment: Path) -> None:
        content = bytearray(segment.read_bytes())
        how(content, chance)
        segment.write_bytes(content)

    return damage


def test_flipped_bits_in_the_spool_become_a_gap_of_exactly_what_they_cost(
    tmp_path: Path, waiting: Waiting, database_url: str, seed: int
) -> None:
    rig, _ = read_after(tmp_path, waiting, database_url, damaged_by(flipped, Random(seed)))  # noqa: S311
    assert 0 < rig.totals("damaged").gap < 3 * waiting.sent // 2


@pytest.mark.heavy
@pytest.mark.parametrize("how", [zeros, block], ids=lambda how: how.__name__)
def test_a_damaged_block_or_a_tail_of_zeros_becomes_a_gap_of_exactly_what_it_cost(
    tmp_path: Path, waiting: Waiting, database_url: str, seed: int, how: Callable[[bytearray, Random], None]
) -> None:
    rig, _ = read_after(tmp_path, waiting, database_url, damaged_by(how, Random(seed)))  # noqa: S311
    assert rig.totals("damaged").gap > 0


@pytest.mark.heavy
@pytest.mark.parametrize("turn", range(2))
def test_a_torn_tail_costs_exactly_its_own_messages(tmp_path: Path, waiting: Waiting, database_url: str, seed: int, turn: int) -> None:
    rig, _ = read_after(tmp_path, waiting, database_url, damaged_by(torn, Random(seed + turn)))  # noqa: S311
    assert 0 < rig.totals("damaged").gap < 3 * waiting.sent // 4


@pytest.mark.heavy
def test_a_record_of_a_later_version_is_refused_and_kept_and_harms_no_other(tmp_path: Path, waiting: Waiting, database_url: str) -> None:
    def add(segment: Path) -> None:
        content = segment.read_bytes()
        head = decode_head(content)
        assert head is not None
        spool = seed_of(head[0])
        last = scan(content, spool, SEGMENT_HEAD.size).frames[-1].number
        later = b"\x93\x63\xa7damaged\xc0"  # [99, "damaged", nil]
        segment.write_bytes(content + encode_frame(Frame(last + 1, 0, 1, later), spool) + encode_frame(Frame(last + 2, 0, 77, b"?"), spool))

    rig, _ = read_after(tmp_path, waiting, database_url, add)
    assert rig.totals("damaged").gap == 0
    assert rig.totals("damaged").stored == 3 * (waiting.sent + 1)


@pytest.mark.heavy
def test_a_second_process_on_one_spool_is_refused_in_words_and_harms_nothing(tmp_path: Path, database_url: str, broker: Mosquitto) -> None:
    rig = Rig(tmp_path, database_url, {"one": mqtt_source("one", broker.port)})
    rig.start()
    try:
        first = rig.child
        second = rig.launch()
        assert second.process.wait(30 * PATIENCE) == 2
        assert "another process holds the spool" in rig.log
        assert second.process.stdout is not None
        assert second.process.stdout.read() == b""
        second.process.stdout.close()
        rig.child = first
        press = Press(broker.port, "one")
        rig.until_state("connected", "one")
        press.send()
        press.finish()
        until(lambda: rig.totals("one").stored == 3, 20)
        rig.stop()
        rig.assert_exact("one")
    finally:
        rig.close()


@pytest.mark.parametrize("what", ["a file", "read-only"])
def test_a_spool_folder_that_cannot_be_written_ends_the_start_with_a_clear_word(tmp_path: Path, what: str) -> None:
    rig = Rig(tmp_path, "postgresql://nobody@/none?host=/nowhere", {"one": mqtt_source("one", 1)})
    rig.home.mkdir()
    if what == "a file":
        (rig.home / "spool").write_text("")
        child = rig.launch()
    else:
        if not mounts_work():
            pytest.skip(NO_MOUNTS)
        child = rig.launch(spool_bytes=100_000, spool_options="ro")
    try:
        assert child.process.wait(30 * PATIENCE) == 2
        assert "cannot be used" in rig.log
        assert "no sample is safe" in rig.log
        assert child.process.stdout is not None
        child.process.stdout.close()
    finally:
        rig.close()


@pytest.mark.heavy
def test_a_quota_that_is_reached_costs_reads_with_a_gap_and_no_message(
    tmp_path: Path, database_url: str, broker: Mosquitto, plant: Devices, proxies: Proxies
) -> None:
    sources = {"small": mqtt_source("small", broker.port), "machine": opcua_source("machine", plant.ports[0])}
    rig = Rig(tmp_path, database_url, sources)
    press = Press(broker.port, "small")
    with database_link(proxies, database_url) as (link, url):
        rig.start("--spool-gb", "0.00008", url=url)
        try:
            rig.until_state("connected", "small", "machine")
            press.start()
            rig.until_stored_again("small", "machine")
            link.close()
            # what is left when messages do not fit any more may take some seconds of reads
            until(lambda: rig.lost_records("small") > 0 and rig.lost_records("machine") > 0, 60)
            assert FULL in rig.log
            assert "quota" in rig.log
            link.open()
            press.finish()
            until(lambda: rig.totals("small").stored >= 3 * press.sent, 40, 0.2)
            rig.until_stored_again("machine")
            assert ROOM in rig.log
            rig.stop()
            rig.assert_exact("small", "machine")
            rig.assert_every_tick("machine")
            assert rig.totals("small").gap == 0
            assert rig.totals("small").stored == 3 * press.sent
            assert rig.gaps("machine", GapReason.SPOOL_FULL)
            assert sum(path.stat().st_size for path in (rig.home / "spool").glob("*.seg")) < 120_000
        finally:
            press.connection.stop()
            rig.close()
