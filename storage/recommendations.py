"""Recommendations as kept: whole, with their stage and all that happened to them, what they really brought, and the models behind them.

``add_recommendation`` and ``change_stage`` tell the channel ``recommendations``; the database itself guards the order of stages.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from plant.errors import Rejected
from plant.recommendations import Answer, Recommendation, Stage, recommendation_of, recommendation_record
from storage.database import Connection, micros, moment, notify, translate_errors

RECOMMENDED: Final = "recommendations"
"""The channel; its payload is the number of the recommendation that is new or changed."""
MOST_ROWS: Final = 1000
_COLUMNS: Final = """
r.id, r.family, r.made_time, r.model_version, r.asked_by, r.request_id, r.document, r.stage, r.stage_time, r.stage_actor, r.stage_reason,
r.stage_note, r.superseded_by, g.time AS g_time, g.orders, g.operations, g.from_time, g.to_time, g.gain_mean AS g_mean, g.gain_low AS g_low,
g.gain_high AS g_high
"""
FROM_RECOMMENDATION: Final = """
FROM recommendation r
LEFT JOIN LATERAL (SELECT * FROM recommendation_gain w WHERE w.recommendation_id = r.id ORDER BY w.time DESC LIMIT 1) g ON true
"""
WHICH: Final = """
WHERE (%(product)s::text IS NULL OR r.product = %(product)s) AND (%(stages)s::text[] IS NULL OR r.stage = ANY (%(stages)s))
    AND (%(answer)s::text IS NULL OR r.answer = %(answer)s) AND (%(before)s::bigint IS NULL OR r.id < %(before)s)
    AND (NOT %(realised)s OR g.time IS NOT NULL)
    AND (NOT %(newest)s OR r.id = (SELECT max(w.id) FROM recommendation w WHERE w.product = r.product))
ORDER BY r.id DESC LIMIT %(most)s
"""
_LIST: Final = f"SELECT {_COLUMNS} {FROM_RECOMMENDATION} {WHICH}"
_ADD: Final = """
INSERT INTO recommendation (product, family, answer, made_time, valid_until, model_version, asked_by, request_id, route, against, gain_mean,
    gain_low, gain_high, cost_mean, duration_mean, first_pass_mean, document, stage, stage_time)
VALUES (%(product)s, %(family)s, %(answer)s, %(made)s, %(valid)s, %(model)s, %(asked_by)s, %(request)s, %(route)s, %(against)s,
    %(gain_mean)s, %(gain_low)s, %(gain_high)s, %(cost)s, %(duration)s, %(first_pass)s, %(document)s, %(stage)s, %(made)s)
RETURNING id
"""
NO_GAIN: Final = "none"


@dataclass(frozen=True, slots=True)
class RealisedGain:
    """What a recommendation really brought so far, per order, in the unit of cost."""

    time_us: int
    orders: int
    operations: int
    from_us: int
    to_us: int
    gain: float
    low: float | None = None
    """None while the orders are too few for an interval."""
    high: float | None = None


@dataclass(frozen=True, slots=True)
class StoredRecommendation:
    """A recommendation with its number and how far it has come."""

    id: int
    family: str
    made_us: int
    model_version: str
    asked_by: str
    """Empty: the optimizer by itself."""
    request: int | None
    """Number of the request that it answers."""
    stage: Stage | None
    """None where nothing is proposed, so that there is nothing to decide."""
    stage_us: int
    stage_actor: str
    stage_reason: str
    stage_note: str
    superseded_by: int | None
    realised: RealisedGain | None
    recommendation: Recommendation


@dataclass(frozen=True, slots=True)
class StageChange:
    """One thing that happened to a recommendation."""

    time_us: int
    before: Stage | None
    after: Stage | None
    actor: str
    reason: str
    note: str


@dataclass(frozen=True, slots=True)
class RouteModel:
    """What predicted: its version is a hash of what it learned."""

    version: str
    made_us: int
    operations: int
    products: int
    from_us: int | None
    to_us: int | None
    figures: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CoverageRow:
    """How many of ``n`` measured values lay inside the 90 % intervals predicted for them before."""

    time_us: int
    model_version: str
    operation: str
    family: str
    measure: str
    n: int
    inside: int
    width: float | None = None
    """Mean width of the intervals, in the unit of the measure."""


def add_recommendation(
    connection: Connection,
    recommendation: Recommendation,
    *,
    model_version: str,
    made_us: int,
    family: str = "",
    asked_by: str = "",
    request: int | None = None,
) -> int:
    """Keep a recommendation as proposed and return its number. An older proposal for the same product expires: this one stands for it."""
    gain, predicted = recommendation.gain, recommendation.predicted
    given = {
        "product": recommendation.product,
        "family": family,
        "answer": recommendation.answer.value,
        "made": moment(made_us),
        "valid": recommendation.valid_until,
        "model": model_version,
        "asked_by": asked_by,
        "request": request,
        "route": list(recommendation.route),
        "against": NO_GAIN if gain is None else gain.against,
        "gain_mean": None if gain is None else gain.mean,
        "gain_low": None if gain is None else gain.low,
        "gain_high": None if gain is None else gain.high,
        "cost": None if predicted is None else predicted.cost.mean,
        "duration": None if predicted is None else predicted.duration_min.mean,
        "first_pass": None if predicted is None else predicted.first_pass.mean,
        "document": Jsonb(recommendation_record(recommendation)),
        "stage": Stage.PROPOSED.value if recommendation.answer is Answer.RECOMMENDED else None,
    }
    with translate_errors(), connection.transaction():
        # of two that add for one product at once the second waits, and finds the first
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 71))", [recommendation.product])
        older = connection.execute(
            "UPDATE recommendation SET stage = 'expired', stage_time = %s, stage_actor = '', stage_reason = 'superseded', stage_note = '' "
            "WHERE product = %s AND stage = 'proposed' RETURNING id",
            [moment(made_us), recommendation.product],
        ).fetchall()
        row = connection.execute(_ADD, given).fetchone()
        assert row is not None  # noqa: S101 - RETURNING
        number = int(row[0])
        connection.execute("UPDATE recommendation SET superseded_by = %s WHERE id = ANY (%s)", [number, [one for (one,) in older]])
        notify(connection, RECOMMENDED, str(number))
    return number


def change_stage(
    connection: Connection, number: int, stage: Stage, *, time_us: int, actor: str = "", reason: str = "", note: str = ""
) -> None:
    """Bring a recommendation to another stage. Raises Rejected where it may not come there from where it is."""
    with translate_errors(), connection.transaction():
        row = connection.execute(
            "UPDATE recommendation SET stage = %s, stage_time = %s, stage_actor = %s, stage_reason = %s, stage_note = %s "
            "WHERE id = %s AND stage IS NOT NULL AND stage <> %s RETURNING id",
            [stage.value, moment(time_us), actor, reason, note.replace("\0", ""), number, stage.value],
        ).fetchone()
        if row is None:
            raise Rejected(f"there is no recommendation {number} that could become {stage.value}")
        notify(connection, RECOMMENDED, str(number))


def expire_recommendations(connection: Connection, now_us: int) -> list[int]:
    """Let proposals whose time is over expire, and return their numbers."""
    with translate_errors(), connection.transaction():
        rows = connection.execute(
            "UPDATE recommendation SET stage = 'expired', stage_time = %(now)s, stage_actor = '', stage_reason = 'time', stage_note = '' "
            "WHERE stage = 'proposed' AND valid_until < %(now)s RETURNING id",
            {"now": moment(now_us)},
        ).fetchall()
        for (number,) in rows:
            notify(connection, RECOMMENDED, str(number))
    return sorted(number for (number,) in rows)


def read_recommendations(
    connection: Connection,
    *,
    product: str | None = None,
    stages: Sequence[Stage] | None = None,
    answer: Answer | None = None,
    newest: bool = False,
    realised: bool = False,
    before: int | None = None,
    most: int = 200,
) -> list[StoredRecommendation]:
    """Return recommendations, the newest first. ``newest``: only the last one of each product; ``realised``: those with a measured gain."""
    given = chosen(product, stages, answer, newest, realised, before, most)
    with translate_errors(), connection.cursor(row_factory=dict_row) as cursor:
        return [_stored(row) for row in cursor.execute(_LIST, given)]


def read_recommendation(connection: Connection, number: int) -> StoredRecommendation | None:
    """Return one recommendation, None where there is none of this number."""
    with translate_errors(), connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(f"SELECT {_COLUMNS} {FROM_RECOMMENDATION} WHERE r.id = %s", [number]).fetchone()
    return None if row is None else _stored(row)


def newest_recommendation(connection: Connection, product: str) -> StoredRecommendation | None:
    """Return what was last said of a product: what a new answer is compared with."""
    found = read_recommendations(connection, product=product, most=1)
    return found[0] if found else None


def read_stage_changes(connection: Connection, number: int) -> list[StageChange]:
    """Return all that happened to a recommendation, in order."""
    with translate_errors():
        rows = connection.execute(
            "SELECT time, before, after, actor, reason, note FROM recommendation_change WHERE recommendation_id = %s ORDER BY id", [number]
        ).fetchall()
    return [StageChange(micros(row[0]), _stage(row[1]), _stage(row[2]), row[3], row[4], row[5]) for row in rows]


def write_realised_gain(connection: Connection, number: int, gain: RealisedGain) -> None:
    """Keep what a recommendation brought up to now; the newest row counts."""
    with translate_errors(), connection.transaction():
        connection.execute(
            "INSERT INTO recommendation_gain (recommendation_id, time, orders, operations, from_time, to_time, gain_mean, gain_low, "
            "gain_high) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (recommendation_id, time) DO UPDATE SET "
            "orders = excluded.orders, operations = excluded.operations, from_time = excluded.from_time, to_time = excluded.to_time, "
            "gain_mean = excluded.gain_mean, gain_low = excluded.gain_low, gain_high = excluded.gain_high",
            [
                *(number, moment(gain.time_us), gain.orders, gain.operations, moment(gain.from_us), moment(gain.to_us)),
                *(gain.gain, gain.low, gain.high),
            ],
        )
        notify(connection, RECOMMENDED, str(number))


def write_model(connection: Connection, model: RouteModel) -> None:
    """Keep a model's version once; written again, its figures are those of the last time."""
    with translate_errors():
        connection.execute(
            "INSERT INTO route_model (version, made_time, operations, products, from_time, to_time, figures) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (version) DO UPDATE SET figures = excluded.figures",
            [
                *(model.version, moment(model.made_us), model.operations, model.products, _moment(model.from_us), _moment(model.to_us)),
                Jsonb(model.figures),
            ],
        )


def read_models(connection: Connection, most: int = 20) -> list[RouteModel]:
    """Return models, the newest first."""
    with translate_errors():
        rows = connection.execute(
            "SELECT version, made_time, operations, products, from_time, to_time, figures FROM route_model "
            "ORDER BY made_time DESC, version LIMIT %s",
            [max(1, min(most, MOST_ROWS))],
        ).fetchall()
    return [RouteModel(row[0], micros(row[1]), row[2], row[3], _micros(row[4]), _micros(row[5]), row[6]) for row in rows]


def write_coverage(connection: Connection, rows: Iterable[CoverageRow]) -> None:
    """Keep how well intervals covered what was measured after them; a row written again takes the place of the one before."""
    with translate_errors(), connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO prediction_coverage (time, model_version, operation, family, measure, n, inside, width_mean) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (model_version, operation, family, measure, time) DO UPDATE SET "
            "n = excluded.n, inside = excluded.inside, width_mean = excluded.width_mean",
            [
                (moment(one.time_us), one.model_version, one.operation, one.family, one.measure, one.n, one.inside, one.width)
                for one in rows
            ],
        )


def read_coverage(connection: Connection, *, model_version: str | None = None, most: int = 500) -> list[CoverageRow]:
    """Return the newest row of each model, operation, family and measure, the newest first."""
    with translate_errors():
        rows = connection.execute(
            "SELECT time, model_version, operation, family, measure, n, inside, width_mean FROM ("
            "SELECT DISTINCT ON (model_version, operation, family, measure) * FROM prediction_coverage "
            "WHERE %(model)s::text IS NULL OR model_version = %(model)s ORDER BY model_version, operation, family, measure, time DESC"
            ") newest ORDER BY time DESC, operation, family, measure LIMIT %(most)s",
            {"model": model_version, "most": max(1, min(most, 5000))},
        ).fetchall()
    return [CoverageRow(micros(row[0]), *row[1:]) for row in rows]


def chosen(
    product: str | None,
    stages: Sequence[Stage] | None,
    answer: Answer | None,
    newest: bool,
    realised: bool,
    before: int | None,
    most: int,
) -> dict[str, Any]:
    """Return what ``WHICH`` asks for by name."""
    return {
        "product": product,
        "stages": None if stages is None else [stage.value for stage in stages],
        "answer": None if answer is None else answer.value,
        "newest": newest,
        "realised": realised,
        "before": before,
        "most": max(1, min(most, MOST_ROWS)),
    }


def realised_of(row: dict[str, Any]) -> RealisedGain | None:
    """Return the measured gain that a row holds, None where none was measured."""
    if row["g_time"] is None:
        return None
    return RealisedGain(
        *(micros(row["g_time"]), row["orders"], row["operations"], micros(row["from_time"]), micros(row["to_time"])),
        *(row["g_mean"], row["g_low"], row["g_high"]),
    )


def _stored(row: dict[str, Any]) -> StoredRecommendation:
    return StoredRecommendation(
        id=row["id"],
        family=row["family"],
        made_us=micros(row["made_time"]),
        model_version=row["model_version"],
        asked_by=row["asked_by"],
        request=row["request_id"],
        stage=_stage(row["stage"]),
        stage_us=micros(row["stage_time"]),
        stage_actor=row["stage_actor"],
        stage_reason=row["stage_reason"],
        stage_note=row["stage_note"],
        superseded_by=row["superseded_by"],
        realised=realised_of(row),
        recommendation=recommendation_of(row["document"]),
    )


def _stage(word: str | None) -> Stage | None:
    return None if word is None else Stage(word)


def _moment(time_us: int | None) -> Any:
    return None if time_us is None else moment(time_us)


def _micros(time: Any) -> int | None:
    return None if time is None else micros(time)
