"""Design changes: taken from PLM, compared with what is in force, acknowledged by stations; which version holds for a serial."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dashboard.context import Person
from dashboard.services_people import require
from dashboard.texts import Texts, texts_of
from dashboard.views_design_changes import (
    AcknowledgementDraft,
    DesignChangeView,
    EffectView,
    StationView,
    VersionView,
    WithdrawalDraft,
)
from plant.clock import Clock
from plant.design_changes import (
    EFFECT_WORDS,
    ChangeStage,
    DesignChange,
    Effect,
    InForce,
    Setting,
    change_problems,
    effects,
    new_product,
    stations_of,
    version_for,
)
from plant.errors import Rejected, SettingsError
from plant.site import load_site
from storage import design_changes, new_products, process_networks, products
from storage.audit import add_audit
from storage.database import Connection, Pool
from storage.design_changes import StoredDesignChange
from storage.people import Role, Scope
from storage.write_keys import write_once


class DesignChangeService:
    """Each call reads the database in the calling thread. Raises Rejected for what is not there, Unavailable while it is away."""

    def __init__(self, pool: Pool, clock: Clock, site_file: Path) -> None:
        self._pool, self._clock, self._site_file = pool, clock, site_file

    def changes(
        self,
        *,
        product: str | None = None,
        stage: str | None = None,
        before: int | None = None,
        most: int = 100,
        language: str = "en",
    ) -> list[DesignChangeView]:
        """Return design changes, the newest first."""
        if stage and stage not in set(ChangeStage):
            raise Rejected(f"there is no stage '{stage}'; there are: {', '.join(ChangeStage)}")
        wanted = ChangeStage(stage) if stage else None
        with self._pool.connection() as connection:
            found = design_changes.read_design_changes(connection, product=_clean(product), stage=wanted, before=before, most=most)
            asked = new_products.requests_of_changes(connection, [one.id for one in found])
        t = texts_of(language)
        return [_view(one, asked.get(one.id), t) for one in found]

    def change(self, number: int, language: str = "en") -> DesignChangeView:
        """Return one design change."""
        with self._pool.connection() as connection:
            one = _found(connection, number)
            request = new_products.requests_of_changes(connection, [number]).get(number)
        return _view(one, request, texts_of(language))

    def add(self, who: Person, change: DesignChange, key: str = "") -> int:
        """Take a change and return its number: what it touches is told, stations are to acknowledge it, the optimizer is asked for a route.

        For engineers, and tokens of PLM; it is audited. Raises SettingsError for what the plant does not know.
        """
        require(who, Role.ENGINEER, Scope.DESIGN)
        now_us = self._clock.now_us()

        def write(connection: Connection) -> Any:
            now = self._in_force(connection, change)
            problems = change_problems(change, now)
            if problems:
                raise SettingsError(problems)
            told = effects(change, now)
            number = design_changes.add_design_change(connection, change, told, stations_of(change, now), time_us=now_us, sent_by=who.name)
            product = new_product(change, now)
            if product is not None and now.network is not None and any(one.kind in {"feature", "route"} for one in told):
                new_products.ask_new_product(
                    connection,
                    product=product.id,
                    family=product.family,
                    features=product.features,
                    time_us=now_us,
                    asked_by=who.name,
                    design_change=number,
                )
            self._note(connection, who, "design_change.add", change, now_us, next_={"id": number, "effective_from": change.effective_from})
            return {"id": number}

        body = change.model_dump(mode="json")
        with self._pool.connection() as connection:
            made = write_once(connection, actor=who.name, key=key, act="design_change.add", body=body, time_us=now_us, write=write)
        return int(made["id"])

    def acknowledge(self, who: Person, number: int, draft: AcknowledgementDraft, key: str = "") -> None:
        """Keep what a station says of a change; with the last yes it is in force. For inspectors, and tokens of stations; it is audited."""
        require(who, Role.INSPECTOR, Scope.STATIONS)
        if not draft.accepted and not draft.note.strip():
            raise Rejected("say why the station cannot make it so")
        now_us = self._clock.now_us()

        def write(connection: Connection) -> Any:
            before = _found(connection, number)
            stage = design_changes.answer_design_change(
                connection, number, draft.station, accepted=draft.accepted, time_us=now_us, actor=who.name, note=draft.note.strip()
            )
            said = {"station": draft.station, "accepted": draft.accepted, "note": draft.note.strip(), "stage": stage.value}
            self._note(connection, who, "design_change.answer", before.change, now_us, before.stage.value, said)
            return {"id": number}

        body = {"change": number, **draft.model_dump(mode="json")}
        with self._pool.connection() as connection:
            write_once(connection, actor=who.name, key=key, act="design_change.answer", body=body, time_us=now_us, write=write)

    def withdraw(self, who: Person, number: int, draft: WithdrawalDraft, key: str = "") -> None:
        """Take a change back. For engineers, and tokens of PLM; it is audited."""
        require(who, Role.ENGINEER, Scope.DESIGN)
        now_us = self._clock.now_us()

        def write(connection: Connection) -> Any:
            before = _found(connection, number)
            design_changes.withdraw_design_change(connection, number, time_us=now_us, actor=who.name, note=draft.note)
            self._note(connection, who, "design_change.withdraw", before.change, now_us, before.stage.value, {"note": draft.note})
            return {"id": number}

        body = {"change": number, "note": draft.note}
        with self._pool.connection() as connection:
            write_once(connection, actor=who.name, key=key, act="design_change.withdraw", body=body, time_us=now_us, write=write)

    def version(self, product: str, serial: str) -> VersionView:
        """Return which version of a product holds for a serial number."""
        with self._pool.connection() as connection:
            known = design_changes.read_effective(connection, product.replace("\0", ""))
        return VersionView(product, serial, version_for(serial, known))

    def _in_force(self, connection: Connection, change: DesignChange) -> InForce:
        stored = process_networks.read_network(connection)
        return InForce(
            None if stored is None else stored.network,
            products.read_product(connection, change.product),
            design_changes.tightening_in_force(connection, [one.station for one in change.tightening]),
            self._vision_in_force() if change.vision else {},
        )

    def _vision_in_force(self) -> dict[tuple[str, str, str], Setting]:
        try:
            stations = load_site(self._site_file).vision.stations
        except SettingsError:  # the file is being changed: what it says is told as not known
            return {}
        return {
            (station.id, view.id, name): value
            for station in stations
            for view in station.views
            for name, value in _flat(view.model_dump(mode="json"))
        }

    def _note(
        self,
        connection: Connection,
        who: Person,
        act: str,
        change: DesignChange,
        now_us: int,
        previous: str | None = None,
        next_: Mapping[str, Any] | None = None,
    ) -> None:
        add_audit(
            connection,
            time_us=now_us,
            actor=who.name,
            act=act,
            subject=f"{change.number} {change.product} {change.version}",
            previous=None if previous is None else {"stage": previous},
            next_=None if next_ is None else dict(next_),
            address=who.address,
        )


def effect_sentence(effect: Effect, t: Texts) -> str:
    """Return what a change does, in the reader's language."""
    words = EFFECT_WORDS.get(effect.code)
    if words is None:
        return effect.code
    try:
        return t(words).format(**effect.values)
    except (KeyError, IndexError, ValueError):
        return effect.code


def _flat(record: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Setting]]:
    for name, value in record.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        elif isinstance(value, str | int | float | bool):
            yield f"{before}{name}", value


def _found(connection: Connection, number: int) -> StoredDesignChange:
    one = design_changes.read_stored_change(connection, number) if 0 < number < 2**62 else None
    if one is None:
        raise Rejected(f"there is no design change {number}")
    return one


def _view(one: StoredDesignChange, request: int | None, t: Texts) -> DesignChangeView:
    change = one.change
    return DesignChangeView(
        id=one.id,
        number=change.number,
        product=change.product,
        version=change.version,
        title=change.title,
        reason=change.reason,
        author=change.author,
        effective_from=change.effective_from,
        received_us=one.received_us,
        sent_by=one.sent_by,
        stage=one.stage.value,
        stage_us=one.stage_us,
        stage_actor=one.stage_actor,
        stage_note=one.stage_note,
        effects=tuple(EffectView(e.kind, e.code, dict(e.values), effect_sentence(e, t), e.stations) for e in one.effects),
        stations=tuple(StationView(s.station, s.sent_us, s.accepted, s.answered_us, s.actor, s.note) for s in one.stations),
        request=request,
        document=change.model_dump(mode="json"),
    )


def _clean(word: str | None) -> str | None:
    return (word or "").replace("\0", "") or None
