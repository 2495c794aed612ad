"""What ``seam`` in a view may say: what the drawing asks of a weld."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from plant.strict import Strict


class SeamSettings(Strict):
    """One seam of a drawing."""

    level: Annotated[Literal["B", "C", "D"], Field(description="quality level of ISO 5817")] = "B"
    joint: Annotated[Literal["butt", "fillet"], Field(description="kind of weld")] = "fillet"
    plate_mm: Annotated[float, Field(ge=0.5, le=500, description="thickness t of the plate")]
    weld_mm: Annotated[float, Field(gt=0, le=500, description="thickness s of a butt weld, throat a of a fillet weld")]
    drawing: Annotated[str, Field(max_length=80, description="where that is written")] = ""
