from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import cv2
import numpy as np
import pytest

from plant.clock import SystemClock
from plant.errors import SettingsError, Unavailable
from plant.inspections import Subject
from plant.settings_vision import CameraSettings
from plant.site import load_site
from plant.vision_rules import VisionPlan
from protocols.mqtt_broker import EmbeddedBroker
from protocols.mqtt_client import MqttConnection, MqttEndpoint
from storage.database import connect
from storage.frame_inbox import FrameInbox
from storage.inspections import WantedInspections, read_inspections, read_refused
from tests.vision.bench import TAKEN_US
from tests.vision.pictures import drop, jpeg, scene
from vision import shipped
from vision.cameras import StreamFrames, open_video
from vision.frames import Pixels
from vision.mqtt_frames import MqttFrames, broker_of, trigger_of_topic
from vision.mqtt_triggers import MqttTriggers, WaitingTriggers, trigger_of_message

ROOT = Path(__file__).parents[2]
SITE = """
site = { enterprise = "acme", id = "north" }
equipment = [{ path = "welding/cell-1" }]
[[stations]]
id = "boom-1"
equipment = "welding/cell-1"
views = [{ id = "left", subject = "welds", calibration = { id = "c", px_per_mm = 4.0, date = 2026-01-01, expires = 2099-01-01 } }]
"""
CLOCK = SystemClock()


def until(true: Callable[[], object], seconds: float = 90.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.05)


@contextmanager
def vision_process(site: Path, home: Path, url: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "vision", "--site", str(site), "--home", str(home)]
    environment = {**os.environ, "LEADHAND_DATABASE_URL": url, "OMP_NUM_THREADS": "1"}
    with (home / "log").open("a") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            assert process.stdout is not None
            assert json.loads(process.stdout.readline())["ready"], (home / "log").read_text()
            yield process
        finally:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


@pytest.mark.heavy
def test_killed_at_any_point_each_picture_is_judged_once_and_none_is_lost(tmp_path: Path, database_url: str) -> None:
    site, inbox = tmp_path / "site.toml", tmp_path / "vision" / "inbox"
    site.write_text(SITE)
    shows = {"station": "boom-1", "view": "left", "taken_us": TAKEN_US}
    for number in range(12):
        drop(inbox, f"{number}.jpg", jpeg(scene(number)), {**shows, "part": f"P{number}"})
    drop(inbox, "none.jpg", b"no picture", {**shows, "part": "P99"})
    with connect(database_url, application="test") as connection:

        def parts() -> list[str]:
            return sorted(one.inspection.part for one in read_inspections(connection, WantedInspections()))

        with vision_process(site, tmp_path, database_url) as process:
            until(lambda: len(parts()) >= 2)
            process.send_signal(signal.SIGKILL)
            process.wait()
        with vision_process(site, tmp_path, database_url) as process:
            until(lambda: not [one for one in inbox.iterdir() if one.suffix == ".jpg"])
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        assert parts() == sorted(f"P{number}" for number in range(12))
        assert {one.reason.code for one in read_refused(connection)} == {"unknown_format"}
        for one in read_inspections(connection, WantedInspections()):
            kept = tmp_path / "evidence" / one.inspection.frame_sha256[:2] / one.inspection.frame_sha256[2:4] / one.inspection.frame_sha256
            assert kept.is_file()


def test_pictures_on_a_topic_are_acknowledged_when_they_are_in_the_inbox(tmp_path: Path) -> None:
    (tmp_path / "broker").mkdir()
    broker = EmbeddedBroker(tmp_path / "broker")
    port = broker.start()
    inbox = FrameInbox(tmp_path / "inbox", 2)
    camera = CameraSettings(id="cam-1", kind="mqtt", url=f"mqtt://127.0.0.1:{port}", topic="vision/+/+/+")
    sender = MqttConnection(MqttEndpoint("127.0.0.1", port, "sender", max_payload_bytes=10_000_000), lambda _: True)
    taking = MqttFrames(camera, inbox, tmp_path, 1_000_000, CLOCK)
    try:
        taking.start()
        taking.wait_connected(60)
        sender.start()
        sender.wait_connected(60)
        for number in range(4):
            sender.publish(f"vision/boom-1/left/P{number}", jpeg(scene(number)), qos=1)
        sender.publish("vision/boom-1/left/none", b"no picture", qos=1)
        found: list[str] = []
        sent: dict[str, bytes] = {}

        def take_out() -> bool:
            for waiting in inbox.waiting():
                found.append(inbox.trigger(waiting).part)
                sent[found[-1]] = waiting.path.read_bytes()
                inbox.done(waiting)
            return len(found) == 5

        until(inbox.is_full)
        until(take_out)
        assert sent == {"none": b"no picture"} | {f"P{number}": jpeg(scene(number)) for number in range(4)}
    finally:
        taking.stop()
        sender.stop()
        broker.stop()


def test_a_topic_says_station_view_and_part() -> None:
    camera = CameraSettings(id="cam-1", kind="mqtt", url="mqtt://h:1", topic="vision/+/+/+")
    found = trigger_of_topic("vision/boom-1/left/SN 7", camera, 5)
    assert found is not None
    assert (found.station, found.view, found.part, found.taken_us) == ("boom-1", "left", "SN 7", 5)
    assert trigger_of_topic("left/SN7", camera, 5) is None
    own = CameraSettings(id="c", kind="mqtt", url="mqtt://h:1", topic="cam/+", station="boom-2", view="top")
    assert trigger_of_topic("cam/SN7", own, 5) == found.model_copy(
        update={"station": "boom-2", "view": "top", "part": "SN7", "came_from": "mqtt:c"}
    )
    with pytest.raises(SettingsError, match="mqtt://host:port"):
        broker_of(camera, "http://h", Path(), 1)


class HandClock(SystemClock):
    """A clock that goes on by hand."""

    seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


class Endless:
    """A camera whose pictures never end, each with its number in it."""

    def __init__(self) -> None:
        self.at = 0

    def grab(self) -> bool:
        self.at += 1
        time.sleep(0.005)
        return True

    def pixels(self) -> Pixels:
        return scene(self.at % 7)


def test_a_stream_takes_one_picture_for_each_trigger_with_the_part_that_it_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vision.cameras.open_video", lambda _: nullcontext(Endless()))
    (tmp_path / "broker").mkdir()
    broker = EmbeddedBroker(tmp_path / "broker")
    port = broker.start()
    inbox = FrameInbox(tmp_path / "inbox", 20)
    camera = CameraSettings(
        id="cam-3",
        kind="stream",
        url="rtsp://camera/1",
        station="boom-1",
        view="left",
        trigger_url=f"mqtt://127.0.0.1:{port}",
        trigger_topic="line/+/trigger/+",
        trigger_seconds=60,
    )
    triggers = MqttTriggers(camera, tmp_path, CLOCK)
    stream = StreamFrames(camera, inbox, CLOCK, triggers)
    sender = MqttConnection(MqttEndpoint("127.0.0.1", port, "sender"), lambda _: True)
    try:
        stream.start()
        triggers.wait_connected(60)
        sender.start()
        sender.wait_connected(60)

        def heard() -> bool:
            """The broker may take a message before it takes the subscription."""
            sender.publish("line/1/trigger/x", b"[1]", qos=1)
            return triggers.waiting.refused > 0

        until(heard)
        sender.publish("line/1/trigger/SN-1", b"", qos=1)
        sender.publish("line/1/trigger/x", b'{"part": "SN-2", "taken_us": 1700000000000000}', qos=1)
        sender.publish("line/1/trigger/x", b'{"prt": "SN-9"}', qos=1)
        until(lambda: len(inbox.waiting()) == 2)
    finally:
        stream.stop()
        sender.stop()
        broker.stop()
    found = {inbox.trigger(one).part: inbox.trigger(one) for one in inbox.waiting()}
    assert set(found) == {"SN-1", "SN-2"}
    assert (found["SN-2"].taken_us, found["SN-2"].station, found["SN-2"].view) == (1700000000000000, "boom-1", "left")
    assert found["SN-1"].taken_us is not None


def test_a_trigger_without_a_picture_in_time_is_void_and_counted() -> None:
    camera = CameraSettings(
        id="cam-4",
        kind="stream",
        url="rtsp://camera/1",
        station="boom-1",
        view="left",
        trigger_url="mqtt://127.0.0.1:1",
        trigger_topic="t/+",
        trigger_seconds=1,
    )
    clock = HandClock()
    waiting = WaitingTriggers(camera, clock)
    for part in ("SN-1", "SN-2"):
        assert waiting.hear(f"t/{part}", b"")
        clock.seconds += 0.8
    shown = waiting.take()
    assert shown is not None
    assert (shown.part, waiting.missed) == ("SN-2", 1)
    assert waiting.take() is None
    assert trigger_of_message("t", b"{" * 100_000, camera, 1) is None


def test_a_video_gives_a_picture_each_so_often(tmp_path: Path) -> None:
    file = tmp_path / "video.avi"
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*"MJPG"), 10, (320, 240))
    for number in range(6):
        writer.write(scene(number))
    writer.release()
    with open_video(str(file)) as video:
        assert video.grab()
        pixels = video.pixels()
        assert pixels is not None
        assert float(np.abs(pixels.astype(float) - scene(0)).mean()) < 8
    inbox = FrameInbox(tmp_path / "inbox", 3)
    camera = CameraSettings(id="cam-2", kind="stream", url=str(file), station="boom-1", view="left", every_seconds=1e-6)
    stream = StreamFrames(camera, inbox, CLOCK)
    stream.start()
    try:
        until(lambda: inbox.is_full() and stream.skipped > 0)
    finally:
        stream.stop()
    trigger = inbox.trigger(inbox.waiting()[0])
    assert (trigger.station, trigger.view, trigger.came_from) == ("boom-1", "left", "stream:cam-2")
    with pytest.raises(Unavailable), open_video(str(tmp_path / "none.avi")):
        pass


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ('equipment = "welding/cell-1"', "there is no equipment 'welding/cell-9'"),
        ('id = "left"', "there is no camera"),
        ('id = "boom-1"', "needs 'topic'"),
        ("2099-01-01", "before it was made"),
        ('subject = "welds"', "views"),
    ],
)
def test_what_is_wrong_in_the_settings_is_said_by_file_and_key(tmp_path: Path, change: str, problem: str) -> None:
    changes = {
        'equipment = "welding/cell-1"': ('equipment = "welding/cell-1"\nviews', 'equipment = "welding/cell-9"\nviews'),
        'id = "left"': ('id = "left"', 'id = "left", camera = "cam-9"'),
        'id = "boom-1"': ("[[stations]]", '[[cameras]]\nid = "c"\nkind = "mqtt"\nurl = "mqtt://h:1"\n[[stations]]'),
        "2099-01-01": ("2099-01-01", "2025-01-01"),
        'subject = "welds"': ('subject = "welds"', 'subject = "paint"'),
    }
    path = tmp_path / "site.toml"
    path.write_text(SITE.replace(*changes[change]))
    with pytest.raises(SettingsError) as refused:
        load_site(path)
    assert problem in str(refused.value)
    assert str(path) in str(refused.value)


def test_a_model_that_is_damaged_or_missing_decides_nothing(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text(SITE)
    plan: VisionPlan = load_site(path).vision
    none = {Subject.WELDS: tmp_path / "none.onnx"}
    assert {one.model_sha256 for one in shipped.make_inspectors(plan, none).values()} == {""}
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    bad = {Subject.WELDS: tmp_path / "bad.onnx"}
    assert {one.model_sha256 for one in shipped.make_inspectors(plan, bad).values()} == {""}
    shadowed = VisionPlan(plan.settings.model_copy(update={"shadow_welds": "bad.onnx"}), (), plan.stations, folder=tmp_path)
    with pytest.raises(SettingsError, match="shadow_welds"):
        shipped.make_shadows(shadowed)
