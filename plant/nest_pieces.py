"""What a file of parts to be nested may say, piece by piece: ours, and that of sparrow and jagua-rs (github.com/JeroenGar/jagua-rs)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from plant.strict_json import Piece

NEST_PROBLEM_FORMAT: Final = "nest-problem/1"
NEST_FORMAT: Final = "nest/1"
UNIT_MM: Final = {"mm": 1.0, "cm": 10.0, "m": 1000.0, "inch": 25.4}

_Name = Annotated[str, Field(min_length=1, max_length=200)]
_Text = Annotated[str, Field(max_length=200)]
_Quantity = Annotated[int, Field(ge=0, le=100_000)]
_Size = Annotated[float, Field(gt=0, le=1e9)]
_Length = Annotated[float, Field(ge=0, le=1e6)]
_Degrees = Annotated[float, Field(ge=-3600, le=3600)]
_Pair = Annotated[list[float], Field(min_length=2, max_length=2)]
_Sizes = Annotated[list[_Size], Field(min_length=2, max_length=2)]
Ring = Annotated[list[_Pair], Field(max_length=200_000, description="corners x, y, one after the other; the first need not be said again")]


class NestPiece(Piece):
    """A piece that takes no text for a number."""

    model_config = ConfigDict(strict=True)


class CircleHolePiece(NestPiece):
    """A round hole."""

    circle: Annotated[_Size, Field(description="diameter")]
    at: Annotated[_Pair, Field(description="its middle")]


class LayersPiece(NestPiece):
    """Which layers of a drawing are cut; * stands for any letters."""

    cut: Annotated[list[_Name], Field(description="names; without it all but those that are ignored")] = Field(
        default_factory=lambda: ["*"]
    )
    ignore: list[_Name] = Field(default_factory=list)


class PartPiece(NestPiece):
    """Parts of one drawing for one order. The shape is told in exactly one way."""

    name: _Name
    quantity: _Quantity = 1
    rectangle: Annotated[_Sizes | None, Field(description="width, height; its lower left corner is the origin")] = None
    outline: Ring | None = None
    circle: Annotated[_Size | None, Field(description="diameter; its middle is the origin")] = None
    ring: Annotated[_Sizes | None, Field(description="outer and inner diameter; its middle is the origin")] = None
    dxf: Annotated[_Name | None, Field(description="file of a drawing that holds one part, seen from the folder of this file")] = None
    layers: Annotated[LayersPiece | None, Field(description="of the drawing")] = None
    holes: Annotated[list[Ring | CircleHolePiece], Field(max_length=5_000)] = Field(default_factory=list)
    order: _Text = ""
    factory: _Text = ""
    material: Annotated[_Text, Field(description="grade of the plate, as S690QL")] = ""
    thickness: _Length = 0.0
    rotations: Annotated[
        Annotated[list[_Degrees], Field(min_length=1, max_length=720)] | Literal["any"] | None,
        Field(description='degrees; "any" or null: at any angle'),
    ] = Field(default_factory=lambda: [0.0, 90.0, 180.0, 270.0])
    grain: Annotated[_Degrees | None, Field(description="direction in the drawing that must lie along the rolling direction")] = None
    due: Annotated[
        str | None, Field(description="2026-12-24 (the end of that day) or 2026-12-24T14:00+01:00; UTC where no zone is told")
    ] = None
    priority: Annotated[int, Field(ge=0, le=9, description="9 goes first")] = 5

    @field_validator("due")
    @classmethod
    def _a_time(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                told = datetime.fromisoformat(value)
            except ValueError as error:
                raise ValueError(f"write a date or time as 2026-12-24 or 2026-12-24T14:00+01:00, not '{value[:40]}'") from error
            if not 2000 <= told.year < 2200:
                raise ValueError(f"{value[:40]} lies outside of the years 2000 to 2199")
        return value

    @model_validator(mode="after")
    def _one_shape(self) -> PartPiece:
        told = [key for key in ("rectangle", "outline", "circle", "ring", "dxf") if getattr(self, key) is not None]
        if len(told) != 1:
            said = " and ".join(told) or "none"
            raise ValueError(f"tell its shape in one way: rectangle, outline, circle, ring or dxf; there is {said}")
        if self.holes and told[0] in {"ring", "dxf"}:
            raise ValueError(f"a part told by {told[0]} has no further holes; write outline or circle with holes")
        if self.layers is not None and self.dxf is None:
            raise ValueError("layers: there is no drawing; leave them out")
        return self


class SheetPiece(NestPiece):
    """Equal sheets in stock."""

    name: _Name
    width: _Size
    height: _Size
    quantity: Annotated[int, Field(ge=0, le=1_000_000)] = 1
    material: _Text = ""
    thickness: _Length = 0.0
    grain: Annotated[_Degrees | None, Field(description="rolling direction: 0 along the width, 90 along the height")] = None
    remnant: bool = False


class RulesPiece(NestPiece):
    """What the cut takes, and what must stay."""

    kerf: Annotated[_Length, Field(description="width of the cut")] = 0.0
    gap: Annotated[_Length, Field(description="least distance between two parts; never less than the kerf")] = 0.0
    margin: Annotated[_Length, Field(description="least distance to the edge of the sheet")] = 0.0
    least_remnant: Annotated[_Sizes | None, Field(description="sides worth to go back; without it 300 x 300 mm")] = None
    thickness_up_to: Annotated[_Length | None, Field(description="these rules hold for sheets up to so thick")] = None


class NestProblemFile(NestPiece):
    """Parts and the sheets they are cut from."""

    leadhand: Literal["nest-problem/1"]
    name: _Text = ""
    unit: Annotated[Literal["mm", "cm", "m", "inch"], Field(description="of all lengths, thickness too")] = "mm"
    rules: Annotated[RulesPiece | list[RulesPiece], Field(description="one, or several by rising thickness_up_to")] = Field(
        default_factory=RulesPiece
    )
    parts: list[PartPiece]
    sheets: list[SheetPiece]

    @field_validator("rules")
    @classmethod
    def _rising(cls, value: RulesPiece | list[RulesPiece]) -> RulesPiece | list[RulesPiece]:
        rules = [value] if isinstance(value, RulesPiece) else value
        limits = [one.thickness_up_to for one in rules]
        if not rules or limits[-1] is not None or None in limits[:-1]:
            raise ValueError("write thickness_up_to in each but the last")
        told = [limit for limit in limits if limit is not None]
        if told != sorted(set(told)):
            raise ValueError("write them by rising thickness_up_to")
        return value


class ForeignPiece(NestPiece):
    """A piece of sparrow's files: what it says besides is no matter of nesting."""

    model_config = ConfigDict(extra="ignore")


class PolygonPiece(ForeignPiece):
    """An outline with holes."""

    outer: Ring
    inner: list[Ring] = Field(default_factory=list)


class RectanglePiece(ForeignPiece):
    """A rectangle by its lower left corner."""

    x_min: float
    y_min: float
    width: _Size
    height: _Size


class ShapePiece(ForeignPiece):
    """The shape of an item."""

    type: Literal["simple_polygon", "polygon", "rectangle"]
    data: Ring | PolygonPiece | RectanglePiece

    @model_validator(mode="after")
    def _as_told(self) -> ShapePiece:
        kind = RectanglePiece if self.type == "rectangle" else list if self.type == "simple_polygon" else (PolygonPiece, list)
        if isinstance(self.data, kind):
            return self
        raise ValueError(f"data: is none of a {self.type}")


class RotationPiece(ForeignPiece):
    """How an item may lie, as newer files say it."""

    mode: Literal["discrete", "stepped", "continuous"]
    angles: Annotated[list[_Degrees], Field(max_length=70_000, description="where discrete")] = Field(default_factory=list)
    step: Annotated[float | None, Field(ge=0.01, le=360, description="where stepped")] = None

    @model_validator(mode="after")
    def _as_told(self) -> RotationPiece:
        if self.mode == "discrete" and not self.angles:
            raise ValueError("angles: write at least one")
        if self.mode == "stepped" and (self.step is None or abs(round(360 / self.step) * self.step - 360) > 1e-3):
            raise ValueError("step: write an angle that goes into 360 without a rest")
        return self


class OrientationPiece(ForeignPiece):
    """How an item may lie."""

    rotation: RotationPiece


class ItemPiece(ForeignPiece):
    """An item of sparrow's strips."""

    id: int | _Name
    demand: _Quantity = 1
    shape: ShapePiece
    allowed_orientations: Annotated[
        list[_Degrees] | None, Field(max_length=70_000, description="null or missing: any angle; empty: as drawn")
    ] = None
    orientation: OrientationPiece | None = None

    def rotations_deg(self) -> tuple[float, ...] | None:
        """Return the angles at which it may lie, None: any."""
        told = self.orientation.rotation if self.orientation is not None else None
        if told is None:
            return None if self.allowed_orientations is None else tuple(self.allowed_orientations) or (0.0,)
        if told.mode == "stepped" and told.step is not None:
            count = round(360 / told.step)
            return tuple(number * 360 / count for number in range(count))
        return None if told.mode == "continuous" else tuple(told.angles)
