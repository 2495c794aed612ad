"""What comes beside a picture: which part, station and view it is of, and when the camera was triggered."""

from __future__ import annotations

import json
import re
from typing import Annotated, Final

from pydantic import Field, ValidationError

from plant.equipment import SEGMENT
from plant.errors import Rejected
from plant.strict import Strict

MOST_SIDECAR_BYTES: Final = 65_536
_NAME: Final = re.compile(r"(?P<station>[^_]+(?:_[^_]+)*)__(?P<view>[^_]+(?:_[^_]+)*)__(?P<part>.*?)(?:__(?P<taken>\d{10,16}))?\Z")


class FrameTrigger(Strict):
    """What a picture shows. It comes as a JSON file beside the picture, in the picture's name, or with a request."""

    station: Annotated[str, Field(max_length=80)]
    view: Annotated[str, Field(max_length=80)]
    part: Annotated[str, Field(max_length=120, description="serial number")] = ""
    taken_us: Annotated[
        int | None, Field(ge=0, lt=4_102_444_800_000_000, description="when it was taken, microseconds since 1970; else when it came")
    ] = None
    sha256: Annotated[
        str | None, Field(pattern=r"^[0-9a-f]{64}$", description="of the picture's bytes; it is refused where they differ")
    ] = None
    name: Annotated[str, Field(max_length=300, description="of the file, where its extension is to be believed")] = ""
    came_from: Annotated[str, Field(max_length=200)] = ""


def trigger_of_json(content: bytes) -> FrameTrigger:
    """Return what a JSON file beside a picture says. Raises Rejected with the reason."""
    if len(content) > MOST_SIDECAR_BYTES:
        raise Rejected("the file beside it is too large")
    try:
        return FrameTrigger.model_validate(json.loads(content))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise Rejected(f"{'.'.join(str(step) for step in first['loc']) or 'the file beside it'}: {first['msg']}") from error
    except (ValueError, RecursionError) as error:
        raise Rejected("the file beside it is no JSON") from error


def trigger_of_name(name: str, station: str | None = None, view: str | None = None) -> FrameTrigger | None:
    """Return what a name says: ``station__view__part__time.jpg``; where station and view are known, all of it is the part. Else None."""
    stem = name.rpartition(".")[0] or name
    found = _NAME.match(stem)
    if found is None:
        return None if station is None or view is None else _trigger(station, view, stem, None)
    return _trigger(found["station"], found["view"], found["part"], found["taken"])


def _trigger(station: str, view: str, part: str, taken: str | None) -> FrameTrigger | None:
    if not SEGMENT.match(station) or not SEGMENT.match(view):
        return None
    time_us = None if taken is None else int(taken) * 10 ** (16 - len(taken)) if len(taken) > 10 else int(taken) * 1_000_000
    try:
        return FrameTrigger(station=station, view=view, part=part, taken_us=time_us)
    except ValidationError:
        return None
