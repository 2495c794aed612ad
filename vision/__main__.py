"""The vision process: ``python -m vision --site site.toml --home HOME``."""

from __future__ import annotations

import argparse
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import structlog

from plant.clock import Clock, SystemClock
from plant.errors import SettingsError, Unavailable
from plant.memory import give_back
from plant.settings_vision import CameraSettings
from plant.site import load_site
from plant.vision_rules import VisionPlan
from plant.watch import SettingsWatch
from storage.database import Connection, connect
from storage.evidence import EvidenceFolder
from storage.frame_inbox import FrameInbox
from storage.process import run_process, say_ready
from vision.cameras import StreamFrames
from vision.joining import Joining
from vision.judging import Bench, Source, judge_waiting, tidy
from vision.mqtt_frames import MqttFrames
from vision.mqtt_triggers import MqttTriggers
from vision.registered import Register
from vision.shipped import make_inspectors, make_shadows

_IDLE_SECONDS: Final = 0.2
_WATCH_SECONDS: Final = 1.0
_TIDY_SECONDS: Final = 60.0
_AT_ONCE: Final = 16
_LONGEST_PAUSE_SECONDS: Final = 30.0


def main(arguments: list[str] | None = None) -> int:
    """Judge the pictures that come until told to stop; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m vision", description="Look at pictures of bolts and welds, judge them, keep them.")
    parser.add_argument("--site", type=Path, required=True, help="settings of the factory")
    parser.add_argument("--home", type=Path, required=True, help="folder of this installation: pictures wait and are kept in it")
    options = parser.parse_args(arguments)
    return run_process(lambda url, stop: watch(options.site, options.home, url, SystemClock(), stop))


def watch(path: Path, home: Path, url: str, clock: Clock, stop: threading.Event) -> int:
    """Judge what the cameras of a site give until told to stop; returns the exit code. Changed settings are taken up within seconds."""
    log = structlog.get_logger(process="vision")
    settings = SettingsWatch(path)
    site = load_site(path)
    said = False
    while not stop.is_set():
        with ExitStack() as open_things:
            plan = site.vision
            bench, sources = _opened(plan, home, clock, open_things)
            if not said:
                models = {subject.value: one.model_sha256[:12] for subject, one in bench.inspectors.items()}
                say_ready(stations=len(plan.stations), models=models)
                said = True
            changed = _Changed(settings, clock)
            register = Register(home / "vision" / "models", clock)
            _judge(bench, register, sources, Joining(site.joint_groups, clock), url, stop, changed)
        if not stop.is_set():
            try:
                site = load_site(path)
                log.info("the settings were read anew", stations=len(site.vision.stations))
            except SettingsError as error:
                log.warning("the settings changed and are wrong; the old ones stay in force", problems=error.problems)
    return 0


class _Changed:
    """Looks at the settings once a second at most."""

    def __init__(self, settings: SettingsWatch, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._due = 0.0

    def __call__(self) -> bool:
        if self._clock.monotonic() < self._due:
            return False
        self._due = self._clock.monotonic() + _WATCH_SECONDS
        return self._settings.changed()


def _opened(plan: VisionPlan, home: Path, clock: Clock, open_things: ExitStack) -> tuple[Bench, list[Source]]:
    bench = Bench(
        plan=plan,
        inspectors=make_inspectors(plan),
        evidence=EvidenceFolder(home / "evidence"),
        refused=home / "vision" / "refused",
        clock=clock,
        shadows=make_shadows(plan),
    )
    inbox = FrameInbox(home / "vision" / "inbox", plan.settings.queue)
    sources = [Source(inbox, "inbox")]
    for camera in plan.cameras:
        if camera.kind == "folder":
            folder = FrameInbox(plan.folder / (camera.folder or ""), plan.settings.queue, station=camera.station, view=camera.view)
            sources.append(Source(folder, f"folder:{camera.id}", camera.exif_rotation))
        else:
            taking = _taking(camera, inbox, plan, clock)
            taking.start()
            open_things.callback(taking.stop)
    return bench, sources


def _taking(camera: CameraSettings, inbox: FrameInbox, plan: VisionPlan, clock: Clock) -> MqttFrames | StreamFrames:
    if camera.kind == "mqtt":
        return MqttFrames(camera, inbox, plan.folder, round(plan.settings.max_megabytes * 1e6), clock)
    triggers = None if camera.trigger_url is None else MqttTriggers(camera, plan.folder, clock)
    return StreamFrames(camera, inbox, clock, triggers)


def _judge(
    bench: Bench, register: Register, sources: list[Source], joining: Joining, url: str, stop: threading.Event, changed: _Changed
) -> None:
    """Judge until told to stop or the settings change; while the database is away, pictures wait where they are."""
    log = structlog.get_logger(process="vision")
    away, pause = False, 1.0
    while not stop.is_set() and not changed():
        try:
            with connect(url, application="leadhand vision") as connection:
                if away:
                    log.info("pictures are judged again")
                away, pause = False, 1.0
                if _rounds(bench, register, sources, joining, connection, stop, changed):
                    return
        except Unavailable as error:
            if not away:
                log.warning("pictures wait", reason=str(error))
            away = True
            stop.wait(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)


def _rounds(
    bench: Bench,
    register: Register,
    sources: list[Source],
    joining: Joining,
    connection: Connection,
    stop: threading.Event,
    changed: _Changed,
) -> bool:
    """Return whether the settings changed."""
    due = join_due = bench.clock.monotonic()
    worked = False
    while not stop.is_set():
        bench = register.taken_up(bench, connection)
        done = sum(judge_waiting(bench, source, connection, _AT_ONCE) for source in sources)
        if bench.clock.monotonic() >= due:
            tidy(bench, connection)
            due = bench.clock.monotonic() + _TIDY_SECONDS
        if bench.clock.monotonic() >= join_due:
            join_due = bench.clock.monotonic() + (0.0 if _joined(joining, connection) else joining.pause_seconds)
        if changed():
            return True
        if worked and not done:
            give_back()
        worked = bool(done)
        if not done:
            stop.wait(_IDLE_SECONDS)
    return False


def _joined(joining: Joining, connection: Connection) -> bool:
    """Return whether more joints wait. What goes wrong with joints holds up no picture; it is tried again."""
    try:
        return joining.step(connection)
    except Unavailable:
        raise
    except Exception as error:  # noqa: BLE001 - a defect of one part must not take the other with it
        structlog.get_logger(process="vision").warning("joints cannot be judged; it is tried again", error=repr(error))
        return False


if __name__ == "__main__":
    sys.exit(main())
