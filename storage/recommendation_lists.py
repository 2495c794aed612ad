"""What lists say of recommendations, without reading each whole document: pages draw them again and again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from psycopg.rows import dict_row

from plant.recommendations import Answer, Stage
from storage.database import Connection, micros, translate_errors
from storage.recommendations import FROM_RECOMMENDATION, NO_GAIN, WHICH, RealisedGain, chosen, realised_of

_LINES: Final = f"""
SELECT r.id, r.product, r.family, r.answer, r.document ->> 'reason' AS reason, r.stage, r.made_time, r.valid_until, r.asked_by, r.route,
    r.against, r.gain_mean, r.gain_low, r.gain_high, r.cost_mean, r.duration_mean, r.first_pass_mean, r.model_version, r.superseded_by,
    g.time AS g_time, g.orders, g.operations, g.from_time, g.to_time, g.gain_mean AS g_mean, g.gain_low AS g_low, g.gain_high AS g_high,
    s.least, s.rows, array(SELECT jsonb_array_elements_text(coalesce(a.value -> r.against, a.value -> 'current', a.value -> 'nearest')
        -> 'route')) AS compared
{FROM_RECOMMENDATION}
CROSS JOIN LATERAL (SELECT r.document -> 'against') AS a (value)
CROSS JOIN LATERAL (
    SELECT min((e.value ->> 'count')::bigint) AS least, sum((e.value ->> 'count')::bigint) AS rows
    FROM jsonb_array_elements(coalesce(r.document -> 'steps', '[]')) AS e (value) WHERE e.value ? 'alternative'
) s
{WHICH}
"""  # noqa: S608 - our own words


@dataclass(frozen=True, slots=True)
class ListedRecommendation:
    """What a list says of a recommendation, without reading all of it."""

    id: int
    product: str
    family: str
    answer: Answer
    reason: str
    stage: Stage | None
    made_us: int
    valid_until_us: int | None
    asked_by: str
    route: tuple[str, ...]
    compared: tuple[str, ...]
    """The route that its gain is against; empty where there is none."""
    against: str | None
    gain: float | None
    gain_low: float | None
    gain_high: float | None
    cost: float | None
    duration_min: float | None
    first_pass: float | None
    least_count: int
    """Measurements behind the step that has the fewest."""
    measurements: int
    model_version: str
    superseded_by: int | None
    realised: RealisedGain | None


def list_recommendations(
    connection: Connection,
    *,
    product: str | None = None,
    stages: Sequence[Stage] | None = None,
    answer: Answer | None = None,
    newest: bool = False,
    realised: bool = False,
    before: int | None = None,
    most: int = 200,
) -> list[ListedRecommendation]:
    """Return what lists say of recommendations, the newest first; the choices are those of ``read_recommendations``."""
    given = chosen(product, stages, answer, newest, realised, before, most)
    with translate_errors(), connection.cursor(row_factory=dict_row) as cursor:
        return [_listed(row) for row in cursor.execute(_LINES, given)]


def recommendations_mark(connection: Connection) -> str:
    """Return text that differs once anything came that lists show."""
    with translate_errors():
        row = connection.execute(
            "SELECT (SELECT max(id) FROM recommendation_change), (SELECT max(time) FROM recommendation_gain), "
            "(SELECT max(time) FROM prediction_coverage)"
        ).fetchone()
    return str(row)


def _listed(row: dict[str, Any]) -> ListedRecommendation:
    return ListedRecommendation(
        id=row["id"],
        product=row["product"],
        family=row["family"],
        answer=Answer(row["answer"]),
        reason=row["reason"] or "",
        stage=None if row["stage"] is None else Stage(row["stage"]),
        made_us=micros(row["made_time"]),
        valid_until_us=None if row["valid_until"] is None else micros(row["valid_until"]),
        asked_by=row["asked_by"],
        route=tuple(row["route"]),
        compared=tuple(row["compared"] or ()),
        against=None if row["against"] == NO_GAIN else row["against"],
        gain=row["gain_mean"],
        gain_low=row["gain_low"],
        gain_high=row["gain_high"],
        cost=row["cost_mean"],
        duration_min=row["duration_mean"],
        first_pass=row["first_pass_mean"],
        least_count=int(row["least"] or 0),
        measurements=int(row["rows"] or 0),
        model_version=row["model_version"],
        superseded_by=row["superseded_by"],
        realised=realised_of(row),
    )
