"""Slices, states and figures as views."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dashboard.views_losses import OeeView, SliceView, UnitView
from plant.calendars import Shift
from plant.losses import Slice
from plant.oee import Oee
from plant.states import EquipmentState, Loss, ReasonTree, StateInterval, StateModel, loss_of


def unit_view(
    model: StateModel, name: str, one: StateInterval | None, shift: Shift | None, reasons: ReasonTree, language: str, *, late: bool
) -> UnitView:
    """Return what an equipment does now; ``late``: nothing was heard for so long that its last state says nothing any more."""
    gone = one is None or late
    state = EquipmentState.UNKNOWN if one is None or late else one.state
    told = Loss.UNKNOWN if one is None or late else loss_of(one.state, one.mode)
    reason = "" if one is None or late else one.reason
    since_us = None if one is None else one.to_us if late else one.since_us
    return UnitView(
        equipment=model.equipment,
        name=name,
        state=state.value,
        machinery_state=state.machinery,
        mode="" if one is None or gone else one.mode.value,
        loss=(told if told in {Loss.PRODUCTION, Loss.UNKNOWN} else reasons.loss(reason) or told).value,
        reason=reason,
        reason_name=reasons.name(reason, language),
        since_us=since_us,
        known_until_us=None if one is None else one.to_us,
        is_late=gone,
        product="" if one is None else one.product,
        order="" if one is None else one.order,
        part="" if one is None else one.part,
        shift="" if shift is None else shift.name,
        team="" if shift is None else shift.team,
    )


def slice_view(one: Slice, name: str) -> SliceView:
    """Return a slice; ``name`` is its reason as people read it."""
    shift = one.shift
    return SliceView(
        equipment=one.equipment,
        from_us=one.from_us,
        to_us=one.to_us,
        us=one.us,
        planned=one.planned.value,
        shift="" if shift is None else shift.name,
        day="" if shift is None else shift.day.isoformat(),
        team="" if shift is None else shift.team,
        loss=one.loss.value,
        state=one.state.value,
        machinery_state=one.state.machinery,
        mode=one.mode.value,
        reason=one.reason,
        told_reason=one.told_reason,
        reason_name=name,
        product=one.product,
        order=one.order,
        part=one.part,
        word=one.word,
        stop_us=one.stop_us,
    )


def oee_view(group: str, one: Oee, *, without_calendar: bool) -> OeeView:
    """Return the figures of a group."""
    t, q, lost = one.times, one.quantities, one.times.losses
    return OeeView(
        group=group,
        availability=one.availability,
        availability_at_most=one.availability_at_most,
        effectiveness=one.effectiveness,
        quality_ratio=one.quality_ratio,
        oee=one.oee,
        nee=one.nee,
        utilization_efficiency=one.utilization_efficiency,
        allocation_efficiency=one.allocation_efficiency,
        technical_efficiency=one.technical_efficiency,
        setup_ratio=one.setup_ratio,
        scrap_ratio=one.scrap_ratio,
        rework_ratio=one.rework_ratio,
        calendar_us=t.calendar_us,
        not_planned_us=t.not_planned_us,
        break_us=t.break_us,
        pbt_us=t.pbt_us,
        apt_us=t.apt_us,
        aust_us=t.aust_us,
        adet_us=t.adet_us,
        adot_us=t.adot_us,
        aupt_us=t.aupt_us,
        aubt_us=t.aubt_us,
        unknown_us=t.unknown_us,
        breakdown_us=lost.get(Loss.BREAKDOWN, 0),
        minor_stop_us=lost.get(Loss.MINOR_STOP, 0),
        waiting_us=lost.get(Loss.WAITING, 0),
        maintenance_us=lost.get(Loss.MAINTENANCE, 0),
        idle_us=lost.get(Loss.IDLE, 0),
        off_us=lost.get(Loss.OFF, 0),
        planned_run_us=one.planned_run_us,
        produced=q.produced,
        good=q.good,
        scrap=q.scrap,
        rework=q.rework,
        failures=one.failures,
        minor_stops=one.minor_stops,
        mtbf_us=None if one.mtbf_us is None else round(one.mtbf_us),
        mttr_us=None if one.mttr_us is None else round(one.mttr_us),
        pieces_per_hour=one.pieces_per_hour,
        produced_unplanned_us=t.produced_unplanned_us,
        pieces_unplanned=one.pieces_unplanned,
        run_time_is_wrong=one.run_time_is_wrong,
        without_run_time=one.without_run_time,
        without_calendar=without_calendar,
    )


def merged(found: Sequence[Slice]) -> list[Slice]:
    """Return slices with those made one that differ in part and product only."""
    kept: list[Slice] = []
    for one in found:
        last = kept[-1] if kept else None
        if last is not None and last.to_us == one.from_us and _look(last) == _look(one):
            kept[-1] = replace(last, to_us=one.to_us)
        else:
            kept.append(one)
    return kept


def _look(one: Slice) -> tuple[object, ...]:
    return one.equipment, one.loss, one.state, one.mode, one.reason, one.planned, one.word, one.stop_us
