"""What happened to a serial number, where lots went, and what programs tell of both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from dashboard.context import Person
from dashboard.genealogy_files import built_in_of_table
from dashboard.services_people import require
from dashboard.views_genealogy import (
    BranchView,
    BuiltInDraft,
    DesignVersionView,
    FlangeView,
    FoundNameView,
    ItemView,
    JobView,
    LookView,
    LotDraft,
    LotView,
    MadePieceView,
    MessageView,
    PartAtView,
    PlateView,
    RecallView,
    RouteReasonView,
    SerialView,
    StayAlarmView,
    StayView,
    StepView,
    TakenBuiltInView,
    TakenOutDraft,
    TightenedView,
    WrittenBuiltInView,
    WrittenLotsView,
)
from dashboard.views_part_orders import RefusedRowView
from plant.clock import Clock
from plant.design_changes import version_for
from plant.equipment import EquipmentId
from plant.errors import Rejected, SettingsError
from plant.genealogy import BuiltIn, Item, ItemKind, MaterialLot, Stay, Told, merged
from plant.site import load_site
from storage import genealogy, genealogy_names, genealogy_trace, genealogy_trees
from storage.database import Connection, Pool, micros
from storage.genealogy import StoredItem
from storage.genealogy_trees import MOST_RECALLED, Branch, Recalled
from storage.people import Role, Scope

MOST_BRANCHES = 500
_MINUTE_US = 60_000_000


class GenealogyService:
    """Each call reads the database in the calling thread. Raises Unavailable while it is away."""

    def __init__(self, pool: Pool, clock: Clock, site_file: Path) -> None:
        self._pool, self._clock, self._site_file = pool, clock, site_file

    def search(self, wanted: str, most: int = 50) -> list[FoundNameView]:
        """Return serials, lots, heats, orders and job orders whose name holds ``wanted``; the likeliest first."""
        with self._pool.connection() as connection:
            found = genealogy_names.search_names(connection, _clean(wanted), most)
        return [FoundNameView(one.kind, one.name) for one in found]

    def jobs(self, order: str) -> list[JobView]:
        """Return the pieces of a customer order; of a job order its one."""
        with self._pool.connection() as connection:
            known = genealogy_trace.read_jobs(connection, _clean(order), order=True)
            return [_job(row) for row in known or genealogy_trace.read_jobs(connection, _clean(order))]

    def part_at(self, equipment: str, at_us: int) -> PartAtView:
        """Return which piece was at a work unit at a time."""
        with self._pool.connection() as connection:
            return PartAtView(equipment, at_us, genealogy_trace.part_at(connection, _clean(equipment), at_us))

    def made_by(self, recommendation: int, most: int = 50) -> list[MadePieceView]:
        """Return the pieces that were made by the route of a recommendation, the newest first; none where it was not approved."""
        if not 0 < recommendation < 2**62:
            return []
        with self._pool.connection() as connection:
            return [_made(row) for row in genealogy_trace.read_made_by(connection, recommendation, most)]

    def known_lots(self, names: Iterable[str]) -> frozenset[str]:
        """Return those of these names that are material lots of which something was told."""
        with self._pool.connection() as connection:
            return genealogy.known_lots(connection, sorted({_clean(name) for name in names}))

    def serial(self, name: str) -> SerialView:
        """Return what a piece has been through: of a name that nothing knows, empty lists."""
        serial = _clean(name)
        with self._pool.connection() as connection, connection.transaction():
            read = _Read(connection, serial, genealogy.read_item(connection, Item(ItemKind.SERIAL, serial)))
            stays = self._stays(read)
            during = read.during(stays)
        jobs = tuple(_job(row) for row in read.jobs)
        energy = [row["energy_kwh"] for row in read.operations if row["energy_kwh"] is not None]
        return SerialView(
            serial=serial,
            known=bool(read.item or jobs or read.operations or stays or read.tightenings or read.inspections or read.joints),
            item=None if read.item is None else _item(read.item),
            jobs=jobs,
            operations=tuple(_step(row, read.places) for row in read.operations),
            stays=during,
            joints=tuple(_flange(row) for row in read.joints),
            tightenings=tuple(_tightened(row) for row in read.tightenings),
            inspections=tuple(_look(row) for row in read.inspections),
            route=_route(read.route),
            deliveries=tuple(_message(row) for row in read.deliveries),
            versions=_versions(serial, read.changes),
            plates=tuple(_plate(row) for row in read.plates),
            made_of=_branches(read.made_of),
            part_of=_branches(read.part_of),
            energy_kwh=sum(energy) if energy else None,
        )

    def lot(self, kind: str, name: str) -> LotView:
        """Return a lot, sublot or heat and where it went. Raises Rejected where nothing is known of it."""
        with self._pool.connection() as connection, connection.transaction():
            starts = self._starts(connection, kind, name)
            if kind == "heat":
                items = genealogy_trees.lots_of_heat(connection, _clean(name))
                above = [one for lot in items for one in genealogy_trees.read_uses(connection, lot.id, most=MOST_BRANCHES // len(items))]
                below: list[Branch] = []
            else:
                found = genealogy.read_item(connection, Item(ItemKind(kind), _clean(name)))
                items = [] if found is None else [found]
                above = genealogy_trees.read_uses(connection, starts[0], most=MOST_BRANCHES)
                below = genealogy_trees.read_components(connection, starts[0], most=MOST_BRANCHES)
            pieces = [one for one in genealogy_trees.read_recall(connection, starts) if one.item.kind is ItemKind.SERIAL]
        return LotView(
            kind,
            _clean(name),
            tuple(_item(one) for one in items),
            _branches(below),
            _branches(above),
            len(pieces),
            sum(one.holds for one in pieces),
            sum(one.holds and not one.stands_in for one in pieces),
        )

    def tree(self, kind: str, name: str, *, up: bool, most: int = MOST_BRANCHES) -> list[BranchView]:
        """Return what an item is made of, or (``up``) what it is built into, level by level."""
        read = genealogy_trees.read_uses if up else genealogy_trees.read_components
        with self._pool.connection() as connection:
            starts = self._starts(connection, kind, name)
            return list(_branches([one for start in starts for one in read(connection, start, most=most)]))

    def recall(self, kind: str, name: str, most: int = MOST_RECALLED) -> list[RecallView]:
        """Return each piece and lot that it stands in or stood in, directly or not, once."""
        with self._pool.connection() as connection:
            return [_recalled(one) for one in genealogy_trees.read_recall(connection, self._starts(connection, kind, name), most=most)]

    def write_built_in(self, who: Person, drafts: Sequence[BuiltInDraft]) -> WrittenBuiltInView:
        """Keep what is built in; the same again does nothing, a wrong row is refused and the others are kept. Audited."""
        require(who, Role.ENGINEER, Scope.ORDERS)
        now_us = self._clock.now_us()
        rows = [_built_in(draft, now_us) for draft in drafts]
        with self._pool.connection() as connection:
            written = genealogy.write_built_in(connection, rows, source="rest", actor=who.name, now_us=now_us, address=who.address)
        return WrittenBuiltInView(written.added, written.same, {str(place + 1): why for place, why in written.refused.items()})

    def take_in(self, who: Person, content: bytes, name: str, zone: str, *, only_say: bool) -> TakenBuiltInView:
        """Return what a table (CSV, XLSX) of what is built in brings, or would bring: a wrong row is told by its line, the others are kept.

        Raises SettingsError for what is no such table. It is audited.
        """
        require(who, Role.ENGINEER)
        now_us = self._clock.now_us()
        rows = built_in_of_table(content, name, zone)
        good = [(row, _built_in(row.draft, now_us)) for row in rows if row.draft is not None]
        refused = [RefusedRowView(row.row, row.name, row.problems) for row in rows if row.draft is None]
        with self._pool.connection() as connection, connection.transaction(force_rollback=only_say):
            written = genealogy.write_built_in(
                connection, [one for _, one in good], source="person", actor=who.name, now_us=now_us, address=who.address
            )
        refused += [RefusedRowView(good[place][0].row, good[place][0].name, (why,)) for place, why in written.refused.items()]
        return TakenBuiltInView(written.added, written.same, tuple(sorted(refused, key=lambda one: one.row)), written=not only_say)

    def write_lots(self, who: Person, drafts: Sequence[LotDraft]) -> WrittenLotsView:
        """Keep what is told of lots; what a draft leaves empty stays as it was. Audited."""
        require(who, Role.ENGINEER, Scope.ORDERS)
        lots = [_lot(draft) for draft in drafts]
        with self._pool.connection() as connection:
            return WrittenLotsView(genealogy.write_lots(connection, lots, actor=who.name, now_us=self._clock.now_us(), address=who.address))

    def take_out(self, who: Person, draft: TakenOutDraft) -> None:
        """Say that a component was taken out again. Raises Rejected where it does not stand in it. Audited."""
        require(who, Role.INSPECTOR, Scope.ORDERS)
        with self._pool.connection() as connection:
            genealogy.take_out(
                connection,
                Item(draft.into_kind, draft.into),
                Item(draft.component_kind, draft.component),
                place=draft.place,
                actor=who.name,
                reason=draft.reason.strip(),
                now_us=self._clock.now_us(),
                address=who.address,
            )

    @staticmethod
    def _starts(connection: Connection, kind: str, name: str) -> list[int]:
        if kind != "heat" and kind not in set(ItemKind):
            raise Rejected(f"there is no kind '{kind}'; there are: {', '.join(ItemKind)}, heat")
        starts = genealogy_trees.starts_of(connection, kind, _clean(name))
        if not starts:
            raise Rejected(f"nothing is known of {kind} '{name[:200]}'")
        return starts

    def _stays(self, read: _Read) -> list[Stay]:
        """Return where a piece was, by all that tells."""
        found = list(read.stays)
        for row in read.operations:
            begin = _us(row["started"])
            minutes = float(row["duration_min"]) + float(row["rework_min"] or 0.0)
            place = read.places.get(row["work_unit"])
            if place and begin is not None:
                found.append(Stay(EquipmentId(place), begin, begin + round(minutes * _MINUTE_US), frozenset({Told.OPERATION})))
        stations = self._stations() if read.inspections else {}
        told = [(row["equipment"], row["time"], Told.TIGHTENING) for row in read.tightenings]
        told += [(stations.get(row["station"], ""), row["taken"], Told.PICTURE) for row in read.inspections]
        found += [Stay(EquipmentId(place), micros(time), micros(time), frozenset({what})) for place, time, what in told if place]
        return merged(found)

    def _stations(self) -> Mapping[str, str]:
        try:
            return {station.id: station.equipment or "" for station in load_site(self._site_file).vision.stations}
        except SettingsError:  # the file is being changed: pictures tell no place then
            return {}


class _Read:
    """What the tables know of a serial."""

    def __init__(self, connection: Connection, serial: str, item: StoredItem | None) -> None:
        self._connection = connection
        self.item = item
        self.jobs = genealogy_trace.read_jobs(connection, serial)
        self.operations = genealogy_trace.read_operations(connection, serial)
        self.tightenings = genealogy_trace.read_tightenings_of(connection, serial)
        self.joints = genealogy_trace.read_joints_of(connection, serial)
        self.inspections = genealogy_trace.read_inspections_of(connection, serial)
        self.deliveries = genealogy_trace.read_deliveries_of(connection, serial)
        self.stays = genealogy_trace.read_state_stays(connection, serial)
        self.made_of = [] if item is None else genealogy_trees.read_components(connection, item.id, most=MOST_BRANCHES)
        self.part_of = [] if item is None else genealogy_trees.read_uses(connection, item.id, most=MOST_BRANCHES)
        self.plates = genealogy_trace.read_plates_of(connection, [row["order"] for row in self.jobs])
        self.places = genealogy_trace.places_of(connection, sorted({row["work_unit"] for row in self.operations if row["work_unit"]}))
        products = sorted({row["product"] for row in (*self.jobs, *self.operations)})
        self.changes = genealogy_trace.read_changes_of(connection, products) if products else []
        first = next(iter(self.operations), None)
        steps = [row["alternative"] for row in self.operations]
        self.route = (
            None if first is None else genealogy_trace.read_route_reason(connection, first["product"], steps, micros(first["started"]))
        )

    def during(self, stays: Sequence[Stay]) -> tuple[StayView, ...]:
        """Return stays with the alarms and samples of the work unit at that time."""
        alarms: dict[int, list[StayAlarmView]] = {}
        for place, row in genealogy_trace.read_alarms_during(self._connection, stays):
            alarms.setdefault(place, []).append(_alarm(row))
        samples = genealogy_trace.read_samples_during(self._connection, stays)
        return tuple(
            StayView(
                equipment=one.equipment,
                from_us=one.from_us,
                to_us=one.to_us,
                told=tuple(sorted(one.told)),
                alarms=tuple(alarms.get(place, ())),
                samples=samples[place].samples if place in samples else 0,
                bad=samples[place].bad if place in samples else 0,
            )
            for place, one in enumerate(stays)
        )


def _clean(text: str) -> str:
    """Return text as the database takes it."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8").strip()


def _us(time: datetime | None) -> int | None:
    return None if time is None else micros(time)


def _job(row: Mapping[str, Any]) -> JobView:
    words = (row[name] for name in ("job", "serial", "order", "customer", "product", "state"))
    return JobView(*words, *(_us(row[name]) for name in ("due", "started", "ended")))


def _step(row: Mapping[str, Any], places: Mapping[str, str]) -> StepView:
    named = {name: row[name] for name in StepView.__slots__ if name in row}
    return StepView(started_us=micros(row["started"]), equipment=places.get(row["work_unit"], ""), **named)


def _alarm(row: Mapping[str, Any]) -> StayAlarmView:
    named = {name: row[name] for name in StayAlarmView.__slots__ if name in row}
    return StayAlarmView(since_us=row["time_us"], **named)


def _flange(row: Mapping[str, Any]) -> FlangeView:
    named = {name: row[name] for name in FlangeView.__slots__ if name in row}
    return FlangeView(begun_us=micros(row["begun"]), ended_us=micros(row["ended"]), **named)


def _tightened(row: Mapping[str, Any]) -> TightenedView:
    program = f"{'' if row['program'] is None else row['program']} {row['program_name']}".strip()
    named = {name: row[name] for name in TightenedView.__slots__ if name in row and name not in {"program", "joint_state"}}
    return TightenedView(time_us=micros(row["time"]), program=program, joint_state=row["joint_state"] or "", **named)


def _look(row: Mapping[str, Any]) -> LookView:
    named = {name: row[name] for name in LookView.__slots__ if name in row}
    return LookView(taken_us=micros(row["taken"]), **named)


def _message(row: Mapping[str, Any]) -> MessageView:
    named = {name: row[name] for name in MessageView.__slots__ if name in row}
    return MessageView(time_us=micros(row["time"]), **named)


def _route(row: Mapping[str, Any] | None) -> RouteReasonView | None:
    if row is None:
        return None
    return RouteReasonView(row["id"], row["product"], row["stage"], row["approved_by"], micros(row["made"]), row["delivery"])


def _made(row: Mapping[str, Any]) -> MadePieceView:
    words = (row[name] for name in ("operations", "first_pass", "scrapped"))
    return MadePieceView(row["serial"], micros(row["started"]), micros(row["last"]), *words)


def _versions(serial: str, changes: Sequence[Mapping[str, Any]]) -> tuple[DesignVersionView, ...]:
    held = version_for(serial, [(row["effective_from"], row["version"]) for row in changes])
    return tuple(
        DesignVersionView(row["id"], row["number"], row["version"], row["effective_from"], row["version"] == held) for row in changes
    )


def _plate(row: Mapping[str, Any]) -> PlateView:
    named = {name: row[name] for name in PlateView.__slots__ if name in row}
    return PlateView(nest_state=row["state"], cut_us=micros(row["time"]) if row["state"] == "cut" else None, **named)


def _item(one: StoredItem) -> ItemView:
    lot = one.lot
    words = (lot.material, lot.supplier, lot.heat, lot.certificate, lot.quantity, lot.unit, lot.note)
    return ItemView(lot.item.kind.value, lot.item.name, *words, one.told_us, one.actor)


def _branches(found: Iterable[Branch]) -> tuple[BranchView, ...]:
    return tuple(
        BranchView(
            id="/".join(map(str, one.way)),
            parent="/".join(map(str, one.way[:-1])),
            kind=one.of.item.kind.value,
            name=one.of.item.name,
            material=one.of.lot.material,
            heat=one.of.lot.heat,
            depth=one.depth,
            relation=one.relation.value,
            place=one.place,
            quantity=one.quantity,
            unit=one.unit,
            built_us=one.built_us,
            work_unit=one.work_unit,
            operation=one.operation,
            job_order=one.job_order,
            nest=one.nest,
            out_us=one.out_us,
            out_reason=one.out_reason,
            further=one.further,
        )
        for one in found
    )


def _recalled(one: Recalled) -> RecallView:
    named = {name: getattr(one, name) for name in Recalled.__slots__ if name not in {"item", "by"}}
    return RecallView(kind=one.item.kind.value, name=one.item.name, by_kind=one.by.kind.value, by_name=one.by.name, **named)


def _built_in(draft: BuiltInDraft, now_us: int) -> BuiltIn:
    return BuiltIn(
        into=Item(draft.into_kind, draft.into),
        component=Item(draft.component_kind, draft.component),
        built_us=now_us if draft.built_us is None else draft.built_us,
        relation=draft.relation,
        place=draft.place,
        quantity=draft.quantity,
        unit=draft.unit,
        work_unit=draft.work_unit,
        operation=draft.operation,
        job_order=draft.job_order,
    )


def _lot(draft: LotDraft) -> MaterialLot:
    item = Item(ItemKind.SUBLOT if draft.of_lot else ItemKind.LOT, draft.lot)
    words = (draft.material, draft.supplier, draft.heat, draft.certificate, draft.quantity, draft.unit, draft.note)
    return MaterialLot(item, *words, draft.of_lot)
