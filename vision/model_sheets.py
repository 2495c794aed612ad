"""What a model says of itself, inside its own file: classes, thresholds, what it was made from, how good it was found to be.

The sheet is appended to the ONNX file as one more of its metadata (protobuf joins what is appended), so that no model travels without
it, and the hash of a model covers its thresholds too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, ValidationError, model_validator

from plant.errors import Rejected
from plant.strict import Strict

SHEET_KEY: Final = "leadhand"
_METADATA_FIELD: Final = 14
"""``metadata_props`` of ONNX's ModelProto: text pairs of fields 1 and 2."""


class Familiar(Strict):
    """What the features of pictures looked like that the model learned from; a picture far from it is not judged OK."""

    mean: tuple[float, ...]
    directions: tuple[tuple[float, ...], ...]
    """The main ways in which they differed, each of length one."""
    spread: tuple[float, ...]
    """Standard deviation along each."""
    rest: float
    """Root mean square of what is left beside them."""
    limit: float
    """Distance beyond which a picture is unfamiliar; fixed on pictures that were held out."""


class Head(Strict):
    """A straight line between two classes in the features of a box: above 0 it is the second."""

    mean: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    offset: float
    unsure: float
    """Answers nearer to 0 than this go to a person."""


class DataSheet(Strict):
    """What a model learned from."""

    name: str
    manifest_sha256: str
    pictures: Annotated[int, Field(ge=0)]
    split_by: str


class ModelSheet(Strict):
    """All that is needed to use a model, and to trust it."""

    task: Literal["detect", "presence", "marks"]
    subject: str = ""
    classes: Annotated[tuple[str, ...], Field(min_length=1)]
    sound: str = ""
    """The class that is no fault; empty where each class is one."""
    thresholds: tuple[float, ...]
    """From which confidence a box of each class counts."""
    ok_below: float = 0.25
    """Where no fault is surer than this, the picture is OK ..."""
    nok_from: float = 0.25
    """... from here on it is faulty; between, a person is asked."""
    most_overlap: Annotated[float, Field(gt=0, lt=1)] = 0.7
    """A box gives way to a surer one of its class that it overlaps more."""
    familiar: Familiar | None = None
    colours: tuple[tuple[float, float], ...] = ()
    """Between which values the colour statistics of the pictures were that it learned from; none are looked at where this is empty."""
    slots: tuple[tuple[float, float, float, float], ...] = ()
    """Presence: where things are looked for, as shares of the picture."""
    head: Head | None = None
    data: DataSheet
    figures: dict[str, Any]
    """Of pictures held out while it learned; never of those it learned from."""
    seed: int
    licence: str = "AGPL-3.0-or-later"
    approver: str = ""
    note: str = ""

    @model_validator(mode="after")
    def _fits(self) -> ModelSheet:
        if len(self.thresholds) != len(self.classes):
            raise ValueError(f"{len(self.thresholds)} thresholds for {len(self.classes)} classes")
        if self.sound and self.sound not in self.classes:
            raise ValueError(f"'{self.sound}' is none of the classes")
        if self.ok_below > self.nok_from:
            raise ValueError("ok_below is above nok_from")
        if self.task == "presence" and (self.head is None or not self.slots):
            raise ValueError("a model of presence has a head and slots")
        return self


def with_sheet(model: bytes, sheet: ModelSheet) -> bytes:
    """Return an ONNX file with its sheet appended."""
    pair = _field(1, SHEET_KEY.encode()) + _field(2, sheet.model_dump_json().encode())
    return model + _field(_METADATA_FIELD, pair)


def sheet_of(text: str, path: Path) -> ModelSheet:
    """Return the sheet that a model file holds. Raises Rejected for one that does not fit."""
    try:
        return ModelSheet.model_validate_json(text)
    except ValidationError as error:
        raise Rejected(f"{path}: its sheet cannot be read: {error.errors()[0]['msg']}") from error


def _field(number: int, content: bytes) -> bytes:
    """Return a field of bytes as protobuf writes it."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)
