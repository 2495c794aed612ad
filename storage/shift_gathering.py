"""The report of a shift, made from what is stored: the same for the monitor that keeps it and for who asks for the shift that runs."""

from __future__ import annotations

from plant.calendars import Shift
from plant.equipment import EquipmentId
from plant.shift_reports import Content, Place, Work, compared, report_content
from plant.signals import SourceId
from plant.site import Site
from storage import shift_facts, states
from storage.database import Connection
from storage.losses import read_slices
from storage.shift_reports import read_notes, read_report_before


def gather_report(connection: Connection, site: Site, line: EquipmentId, shift: Shift, now_us: int, until_us: int | None = None) -> Content:
    """Return the report of a shift of a line, from its begin to its end, or to ``until_us`` while it runs; nothing is kept.

    Raises Unavailable while the database is away.
    """
    span = (shift.from_us, shift.to_us if until_us is None else max(shift.from_us + 1, min(until_us, shift.to_us)))
    before = read_report_before(connection, line, shift.from_us)
    stations = [station.id for station in site.vision.stations if _is_at(line, site.vision.equipment[station.id])]
    units = [str(node.id) for node in site.equipment if _is_at(line, node.id)]
    notes = read_notes(connection, line, shift.from_us, shift.to_us)
    names = {node.id: node.name for node in site.equipment}
    told = {
        "alarms": shift_facts.read_alarms(connection, line, span),
        "quality": shift_facts.read_quality(connection, line, stations, span),
        "plan": shift_facts.read_plan_against_actual(connection, line.removeprefix(site.path).lstrip("/"), site.path, span),
        "improvement": shift_facts.read_improvement(connection, [*units, *(one.removeprefix(site.path + "/") for one in units)], span),
        "samples": shift_facts.read_samples(connection, _sources(site, line), span),
        "notes": [{"time_us": note.time_us, "actor": note.actor, "text": note.text} for note in notes],
        "before": None if before is None else compared(before.content, before.id),
    }
    place = Place(site.name, site.path, line, names.get(line, line), site.time_zone)
    return report_content(place, shift, span[1], now_us, _work(connection, site, line, span), told)


def _work(connection: Connection, site: Site, line: EquipmentId, span: tuple[int, int]) -> Work:
    models = {model.equipment: model for model in site.states.models if _is_at(line, model.equipment)}
    slices = read_slices(connection, models, site.states.reasons, site.calendars, span)
    made = states.read_pieces(connection, list(models), *span)
    return Work(slices, made, models, {node.id: node.name for node in site.equipment}, site.states.reasons)


def _sources(site: Site, line: EquipmentId) -> list[SourceId]:
    """Return the sources that read anything of a line, those that share its signals too."""
    read = {signal.source for signal in site.signals if _is_at(line, signal.equipment)}
    shared = {source for source, whose in site.shared if whose in read}
    return [SourceId(source.id) for source in site.sources if source.id in read | shared]


def _is_at(line: EquipmentId, equipment: str) -> bool:
    return equipment == line or equipment.startswith(line + "/")
