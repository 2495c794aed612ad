"""Tightenings: lists by filter, one with its curve, and how the spindles do."""

from __future__ import annotations

from dashboard import viewing
from dashboard.views_tightening import CurveView, SpindleView, TighteningView
from plant.errors import Rejected
from plant.tightening import error_names, strategy_name
from plant.verdict import Verdict
from storage import tightening
from storage.database import Pool
from storage.tightening import StoredTightening, Wanted


class TighteningService:
    """Each call reads the database in the calling thread. Raises Rejected for what is not there, Unavailable while it is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def tightenings(
        self,
        *,
        equipment: str | None = None,
        source: str | None = None,
        spindle: int | None = None,
        part: str | None = None,
        verdict: str | None = None,
        from_us: int | None = None,
        to_us: int | None = None,
        before: int | None = None,
        most: int = 200,
    ) -> list[TighteningView]:
        """Return tightenings, the newest first. ``before``: the number of the last one of the page before."""
        if verdict is not None and verdict not in set(Verdict):
            raise Rejected(f"there is no verdict '{verdict}'; there are: {', '.join(Verdict)}")
        wanted = Wanted(
            from_us,
            to_us,
            source or None,
            equipment or None,
            spindle,
            (part or "").replace("\0", "") or None,
            None if verdict is None else Verdict(verdict),
            before,
            most,
        )
        with self._pool.connection() as connection:
            return [_view(one) for one in tightening.read_tightenings(connection, wanted)]

    def tightening(self, number: int) -> TighteningView:
        """Return one tightening by its number here."""
        with self._pool.connection() as connection:
            found = tightening.read_tightening(connection, number)
        if found is None:
            raise Rejected(f"there is no tightening {number}")
        return _view(found)

    def curve(self, number: int) -> CurveView:
        """Return the curve of a tightening by its number here."""
        with self._pool.connection() as connection:
            found = tightening.read_curve(connection, number)
        if found is None:
            raise Rejected(f"there is no curve of tightening {number}")
        return CurveView(
            number,
            found.tightening_id,
            found.time_us,
            (found.elapsed_us / 1000).tolist(),
            None if found.torque_nm is None else viewing.numbers(found.torque_nm),
            None if found.angle_deg is None else viewing.numbers(found.angle_deg),
            list(found.steps),
            found.packed_bytes,
        )

    def spindles(self, from_us: int, to_us: int) -> list[SpindleView]:
        """Return how each spindle did over a span."""
        if not 0 <= from_us < to_us:
            raise Rejected("'from' must lie before 'to', both as microseconds since 1970")
        with self._pool.connection() as connection:
            found = tightening.read_spindles(connection, from_us, to_us)
        return [
            SpindleView(
                *(str(one.source), str(one.equipment), one.station, one.spindle, one.ok, one.not_ok, one.undecided, one.last_us),
                *(one.mean_torque_nm, one.tool, one.tool_calibrated_us, one.without_curve, one.fetched),
            )
            for one in found
        ]


def _view(stored: StoredTightening) -> TighteningView:
    result = stored.result
    return TighteningView(
        id=stored.id,
        source=str(result.source),
        equipment=str(result.equipment),
        station=result.station,
        spindle=result.spindle,
        tightening_id=result.tightening_id,
        time_us=result.time_us,
        received_us=result.received_us,
        verdict=result.verdict.value,
        kind=result.kind.value,
        fetched=result.fetched,
        has_curve=stored.has_curve,
        controller=result.controller,
        program=result.program,
        program_name=result.program_name,
        strategy=strategy_name(result.strategy),
        job=result.job,
        part=result.part,
        identifiers=result.identifiers,
        bolt=result.bolt_number,
        batch_size=result.batch_size,
        batch_counter=result.batch_counter,
        batch_verdict=result.batch_verdict.value,
        sync_id=result.sync_id,
        torque_nm=result.torque_nm,
        torque_min_nm=result.torque_min_nm,
        torque_max_nm=result.torque_max_nm,
        torque_target_nm=result.torque_target_nm,
        torque_status=None if result.torque_status is None else result.torque_status.value,
        angle_deg=result.angle_deg,
        angle_min_deg=result.angle_min_deg,
        angle_max_deg=result.angle_max_deg,
        angle_target_deg=result.angle_target_deg,
        angle_status=None if result.angle_status is None else result.angle_status.value,
        rundown_angle_deg=result.rundown_angle_deg,
        prevail_torque_nm=result.prevail_torque_nm,
        current_percent=result.current_percent,
        errors=tuple(error_names(result.errors)),
        customer_error=result.customer_error,
        tool=result.tool,
        tool_calibrated_us=result.tool_calibrated_us,
        stages=tuple((stage.torque_nm, stage.angle_deg) for stage in result.stages),
    )
