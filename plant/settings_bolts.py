"""What ``[stations.views.bolts]`` in ``site.toml`` may say: the bolt circle by its drawing, and how the view sees it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from plant.strict import Strict


class BoltCircleSettings(Strict):
    """Bolts of one view. A camera whose focal length is known locates them in mm."""

    diameter_mm: Annotated[float | None, Field(gt=0, le=20_000, description="pitch diameter")] = None
    count: Annotated[int | None, Field(ge=3, le=1000, description="bolts on the whole circle")] = None
    across_flats_mm: Annotated[float, Field(gt=0, le=500, description="of nut or head; M24: 36")] = 36.0
    washer_mm: Annotated[float, Field(ge=0, le=1000, description="outer diameter of the washer; 0: there is none")] = 44.0
    expected: Annotated[int | None, Field(ge=1, le=1000, description="bolts that the view shows; fewer are not decidable")] = None
    middle_bolt: Annotated[int, Field(ge=1, description="number of the bolt nearest to the picture's middle")] = 1
    mirrored: Annotated[bool, Field(description="the camera looks into a mirror")] = False
    loosened_deg: Annotated[float, Field(gt=0, le=45, description="a mark turned by more is not OK")] = 3.5
    focal_px: Annotated[float | None, Field(gt=0, description="focal length in pixels, by the camera's calibration")] = None
    centre_px: Annotated[tuple[float, float] | None, Field(description="where its axis meets the picture; else the middle")] = None
    distortion: Annotated[tuple[float, float], Field(description="radial, k1 and k2")] = (0.0, 0.0)
    radius_px: Annotated[float | None, Field(gt=0, description="of a nut's corners in the picture, where it is known")] = None
