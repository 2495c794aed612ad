"""What ``[vision]``, ``[[cameras]]`` and ``[[stations]]`` in ``site.toml`` may say: where pictures come from and how they are looked at."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from plant.inspections import Decision, Subject
from plant.settings_bolts import BoltCircleSettings
from plant.settings_seams import SeamSettings
from plant.strict import Strict, segment


class FrameCheckSettings(Strict):
    """When a picture is too poor to be judged; measured on its grey values, 0 to 255, at 320 pixels of width."""

    dark_below: Annotated[float, Field(ge=0, le=255, description="mean brightness that a picture has at least")] = 18.0
    white_percent: Annotated[float, Field(gt=0, le=100, description="share of pixels from 250 on that it has at most")] = 25.0
    sharp_above: Annotated[float, Field(ge=0, description="variance of the Laplacian that it has at least")] = 12.0
    flat_percent: Annotated[float, Field(gt=0, le=100, description="share of its rows and columns without any detail at most")] = 60.0
    torn_above: Annotated[float, Field(gt=0, description="how clear a step between two rows of blocks may be")] = 2.2


class CalibrationSettings(Strict):
    """By what pixels of a view are millimetres, and for how long that holds."""

    id: Annotated[str, Field(min_length=1, max_length=80)]
    date: Annotated[dt.date, Field(description="when it was made")]
    expires: Annotated[dt.date, Field(description="last day on which it holds")]
    px_per_mm: Annotated[float, Field(gt=0, le=1000)]

    @model_validator(mode="after")
    def _ordered(self) -> CalibrationSettings:
        if self.expires < self.date:
            raise ValueError(f"expires on {self.expires}, before it was made on {self.date}")
        return self


class ViewSettings(Strict):
    """One way a station is looked at."""

    id: str
    subject: Annotated[Subject, Field(description="welds or bolts")]
    camera: Annotated[str | None, Field(description="id of the camera that looks; pictures may name another by themselves")] = None
    calibration: CalibrationSettings | None = None
    seam: Annotated[SeamSettings | None, Field(description="welds: what the drawing asks of the seam; else it is judged as level B")] = None
    bolts: Annotated[BoltCircleSettings | None, Field(description="bolts: the circle by its drawing, and how the view sees it")] = None
    checks: FrameCheckSettings = FrameCheckSettings()

    _id = field_validator("id")(segment)


class StationSettings(Strict):
    """A place where parts are looked at."""

    id: str
    equipment: Annotated[str, Field(description="path below the site of the equipment that it stands at")]
    views: Annotated[tuple[ViewSettings, ...], Field(min_length=1)]

    _id = field_validator("id")(segment)

    @model_validator(mode="after")
    def _once(self) -> StationSettings:
        ids = [view.id for view in self.views]
        twice = next((one for one in ids if ids.count(one) > 1), None)
        if twice is not None:
            raise ValueError(f"there are two views '{twice}'")
        return self

    def view(self, name: str) -> ViewSettings | None:
        """Return a view by its id, None where there is none."""
        return next((view for view in self.views if view.id == name), None)


class CameraSettings(Strict):
    """Where pictures of one camera come from. Pictures laid into the inbox by hand, by REST or by a simulator need no entry here."""

    id: str
    kind: Annotated[Literal["folder", "mqtt", "stream"], Field(description="a watched folder, an MQTT topic, or a video stream")]
    folder: Annotated[str | None, Field(description="folder: where complete pictures are moved to, relative to the settings file")] = None
    url: Annotated[str | None, Field(description="mqtt: mqtt(s)://host:port; stream: rtsp://..., /dev/video0 or a video file")] = None
    topic: Annotated[str | None, Field(description="mqtt: topic filter, e.g. vision/+/+/+ for station/view/part")] = None
    username: str | None = None
    password_file: Annotated[str | None, Field(description="file that holds the password, relative to the settings file")] = None
    station: Annotated[str | None, Field(description="whose pictures these are, where they do not say it")] = None
    view: str | None = None
    every_seconds: Annotated[float, Field(gt=0, le=86_400, description="stream: one picture each so many seconds")] = 1.0
    trigger_url: Annotated[
        str | None, Field(pattern=r"^mqtts?://", description="stream: broker whose messages say that the next picture is wanted")
    ] = None
    trigger_topic: Annotated[
        str | None, Field(description='stream: topic filter of triggers: {"part": "..."} as JSON, or the last level is the part')
    ] = None
    trigger_seconds: Annotated[float, Field(gt=0, le=60, description="a trigger is void when no picture came within so long")] = 1.0
    exif_rotation: Annotated[Literal["refuse", "turn"], Field(description="what becomes of pictures that say they are turned")] = "refuse"

    _id = field_validator("id")(segment)

    @model_validator(mode="after")
    def _whole(self) -> CameraSettings:
        needed = {"folder": ("folder",), "mqtt": ("url", "topic"), "stream": ("url", "station", "view")}[self.kind]
        missing = [key for key in needed if not getattr(self, key)]
        if missing:
            raise ValueError(f"a camera of kind '{self.kind}' needs '{missing[0]}'")
        if (self.trigger_url is None) != (self.trigger_topic is None) or (self.trigger_url is not None and self.kind != "stream"):
            raise ValueError("'trigger_url' and 'trigger_topic' go together, and are for cameras of kind 'stream'")
        return self


class RetentionSettings(Strict):
    """How long pictures are kept, by what was decided of them. What was inspected stays known after its picture is gone."""

    ok_days: Annotated[float, Field(gt=0, le=36_500)] = 30
    nok_days: Annotated[float, Field(gt=0, le=36_500)] = 3650
    review_days: Annotated[float, Field(gt=0, le=36_500)] = 365
    not_decidable_days: Annotated[float, Field(gt=0, le=36_500)] = 90
    labelled_days: Annotated[float, Field(gt=0, le=36_500, description="pictures that an inspector answered: what models learn from")] = (
        3650
    )
    inspections_days: Annotated[float, Field(gt=0, le=36_500, description="what was found and decided, without its picture")] = 3650

    def days(self, decision: Decision) -> float:
        """Return for how long the picture of an inspection that ended so is kept."""
        days: float = getattr(self, f"{decision.value}_days")
        return days


class VisionSettings(Strict):
    """How pictures are taken in and kept."""

    queue: Annotated[int, Field(ge=1, le=10_000, description="pictures that wait; when full, folders and brokers wait")] = 32
    max_megabytes: Annotated[float, Field(gt=0, le=500, description="of one file")] = 25.0
    max_megapixels: Annotated[float, Field(gt=0, le=400, description="of one picture")] = 50.0
    budget_gb: Annotated[float, Field(gt=0, le=100_000, description="disk for pictures; the oldest that are OK go first")] = 20.0
    retention: RetentionSettings = RetentionSettings()
    marks: Annotated[
        str | None,
        Field(description="bolts: a net of marks of your own ('leadhand vision train --task marks'), relative to the settings file"),
    ] = None
    shadow_welds: Annotated[str | None, Field(description="model that judges welds beside the one in charge and decides nothing")] = None
    shadow_bolts: Annotated[str | None, Field(description="the same for bolts; both relative to the settings file")] = None
