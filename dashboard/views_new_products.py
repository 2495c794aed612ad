"""New products as services return them: what may be asked, what was asked and what was answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from plant.recommendations import Recommendation
from plant.strict import Strict

Word = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]


@dataclass(frozen=True, slots=True)
class FeatureView:
    """A feature that each product has, with what is known of it."""

    name: str
    unit: str
    kind: str
    """number or category."""
    low: float | None
    """Smallest value of the products that were made."""
    high: float | None
    words: tuple[str, ...]
    """Categories of the products that were made."""


@dataclass(frozen=True, slots=True)
class NewProductView:
    """A product that a route was asked for."""

    id: int
    time_us: int
    asked_by: str
    product: str
    family: str
    features: dict[str, str | float]
    design_change: int | None
    state: str
    """waiting, answered or failed."""
    answered_us: int | None
    problem: str
    """Why there is no answer."""
    recommendation: int | None
    """Number of the recommendation that it became."""
    model_version: str
    answer: Recommendation | None


class NewProductDraft(Strict):
    """A product, also one never made before, by its features."""

    product: Word
    family: Annotated[str, Field(max_length=200)] = ""
    features: Annotated[dict[Word, Word | Annotated[float, Field(allow_inf_nan=False)]], Field(max_length=500)]
