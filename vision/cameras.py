"""The door to video: RTSP streams, cameras of this machine (V4L2) and video files, through OpenCV, one each so often or each trigger.

A stream is read all the time and only what is wanted is taken out: what a decoder holds back would be old otherwise.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

import cv2
import numpy as np
import structlog

from plant.clock import Clock
from plant.errors import Unavailable
from plant.frame_triggers import FrameTrigger
from plant.settings_vision import CameraSettings
from storage.frame_inbox import FrameInbox
from vision.frames import Pixels
from vision.mqtt_triggers import MqttTriggers

_AGAIN_SECONDS: Final = 5.0
_OPEN_MS: Final = 5000
_QUALITY: Final = 95
_log = structlog.get_logger(__name__)


class Video(Protocol):
    """An open stream."""

    def grab(self) -> bool:
        """Take the next picture without decoding it; False at the end."""
        ...

    def pixels(self) -> Pixels | None:
        """Return the picture taken last; None where it cannot be decoded."""
        ...


class _Captured:
    def __init__(self, capture: cv2.VideoCapture) -> None:
        self._capture = capture

    def grab(self) -> bool:
        return bool(self._capture.grab())

    def pixels(self) -> Pixels | None:
        there, pixels = self._capture.retrieve()
        return np.asarray(pixels, np.uint8) if there and pixels is not None and pixels.ndim == 3 else None


@contextmanager
def open_video(url: str) -> Iterator[Video]:
    """Lend an open stream, camera or video file. Raises Unavailable where it does not open."""
    if url.startswith("rtsp"):
        os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;tcp")  # over UDP, lost packets become grey blocks
        options = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _OPEN_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, _OPEN_MS]
        capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG, options)
    elif url.startswith("/dev/video"):
        capture = cv2.VideoCapture(url, cv2.CAP_V4L2)
    else:
        capture = cv2.VideoCapture(url)
    try:
        if not capture.isOpened():
            raise Unavailable(f"{url.rpartition('@')[2]}: no video comes from there")
        yield _Captured(capture)
    finally:
        capture.release()


class StreamFrames:
    """Takes pictures of one camera in a thread of its own until stopped."""

    def __init__(self, camera: CameraSettings, inbox: FrameInbox, clock: Clock, triggers: MqttTriggers | None = None) -> None:
        self._camera = camera
        self._inbox = inbox
        self._clock = clock
        self._triggers = triggers
        self._due = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"camera {camera.id}", daemon=True)
        self.skipped = 0
        """Pictures that were not taken because too many waited."""

    def start(self) -> None:
        """Begin; returns at once."""
        if self._triggers is not None:
            self._triggers.start()
        self._thread.start()

    def stop(self) -> None:
        """End; a stream that hangs is left to its time limit."""
        self._stop.set()
        if self._triggers is not None:
            self._triggers.stop()
        self._thread.join(_OPEN_MS / 1000 + 1)

    def _run(self) -> None:
        away = False
        while not self._stop.is_set():
            try:
                with open_video(self._camera.url or "") as video:
                    if away:
                        _log.info("camera back", camera=self._camera.id)
                    away = False
                    self._follow(video)
                    raise Unavailable("its stream has ended")  # noqa: TRY301 - the same as one that does not open
            except Unavailable as error:
                if not away and not self._stop.is_set():
                    _log.warning("camera away", camera=self._camera.id, reason=str(error))
                away = True
            self._stop.wait(_AGAIN_SECONDS)

    def _follow(self, video: Video) -> None:
        self._due = self._clock.monotonic()
        wanted = self._wanted()
        while not self._stop.is_set() and video.grab():
            pixels = None if wanted is None else video.pixels()
            if pixels is not None and wanted is not None:
                self._put(pixels, wanted)
                wanted = None
            # what is triggered while a picture comes is for the next one
            wanted = wanted or self._wanted()

    def _wanted(self) -> FrameTrigger | None:
        """Return what the next picture shows, None where none is wanted yet."""
        if self._triggers is not None:
            return self._triggers.waiting.take()
        if self._clock.monotonic() < self._due:
            return None
        self._due = self._clock.monotonic() + self._camera.every_seconds
        return FrameTrigger(station=self._camera.station or "", view=self._camera.view or "", came_from=f"stream:{self._camera.id}")

    def _put(self, pixels: Pixels, trigger: FrameTrigger) -> None:
        there, content = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
        if not there:
            return
        try:
            taken = trigger if trigger.taken_us is not None else trigger.model_copy(update={"taken_us": self._clock.now_us()})
            self._inbox.put(content.tobytes(), taken)
        except Unavailable as error:
            self.skipped += 1
            if self.skipped.bit_count() == 1:
                _log.warning(
                    "a camera is faster than its pictures are judged", camera=self._camera.id, skipped=self.skipped, why=str(error)
                )
