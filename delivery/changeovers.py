"""A work unit is switched over as one: each device its part, all read back, and only then is the first part let in; else all go back.

Where it stands is told by the deliveries of its group alone (``changeover:...``), so a process that was killed goes on from there, and
nothing is ever half released: the release is proposed in a transaction that sees every device read back alike. Parts that have a controller
of their own are named as a work unit below the unit: ``welding/cell-1/robot_program``. Who approves one message approves the whole, and who
declines one declines the whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from delivery.live_plan import LivePlan, Start, Switch
from delivery.places import Places
from plant.changeover_sets import ChangeoverSet, PartKind, Readback, SetFault, readback_faults
from plant.deliveries import Draft, Kind, SetPart
from plant.recommendations import Stage
from storage.database import Connection
from storage.deliveries import Delivery, Step, read_deliveries, step
from storage.delivery_origins import groups_at_work, last_switched, propose_new
from storage.delivery_troubles import StandingTrouble, TroubleKind, add_troubles, standing_troubles

ACTOR: Final = "delivery"
AS_ONE: Final = "as_one"
"""Why a message of a changeover is taken back: another one of it was refused, declined, or came too late."""
BEGINS: Final = "changeover:"
_DONE: Final = (Stage.EXECUTED, Stage.MEASURED)
_ENDED: Final = (Stage.DECLINED, Stage.REFUSED, Stage.EXPIRED, Stage.ROLLED_BACK)
_WAITING: Final = (Stage.PROPOSED, Stage.APPROVED)
_MINUTE_US: Final = 60_000_000
_DAY_US: Final = 86_400_000_000
_BACK: Final = ":back"
_HELD: Final = ":hold"
_LET: Final = ":release"
_HOLD_SECONDS: Final = 28_800.0


def devices_of(places: Places, unit: str, parts: Mapping[PartKind, SetPart]) -> dict[str, tuple[SetPart, ...]] | None:
    """Return who is sent which parts: devices by controllers of their own, the rest by the unit's; None where nobody takes one."""
    own = places.takes(unit, Kind.CHANGEOVER)
    found: dict[str, tuple[SetPart, ...]] = {}
    for kind, part in parts.items():
        device = f"{unit}/{kind.value}"
        controller = places.takes(device, Kind.CHANGEOVER)
        name = device if controller is not None and controller is not own else unit
        if name == unit and own is None:
            return None
        found[name] = (*found.get(name, ()), part)
    return found


def take_changeovers(connection: Connection, places: Places, live: LivePlan, now_us: int) -> int:
    """Propose the next changeover of each unit that comes soon, as one message a device; return how many are new."""
    if not any(Kind.CHANGEOVER in one.takes for one in places.plan.settings.controllers):
        return 0
    within_us = max(_MINUTE_US, round(places.planning.settings.frozen_minutes * _MINUTE_US))
    found = live.switches(connection, now_us, within_us)
    if found is None:
        return 0
    wanted = {group_of(one): one for one in found}
    steps = _outdated(connection, wanted, now_us)
    for group, switch in wanted.items():
        steps += _propose(connection, places, group, switch, now_us)
    return steps


def group_of(one: Switch) -> str:
    """Return the word that all messages of a changeover bear."""
    return f"{BEGINS}{one.first.work_unit}:{one.first.job}:{one.first.operation}:{one.book_version}"


def _propose(connection: Connection, places: Places, group: str, switch: Switch, now_us: int) -> int:
    unit, wanted = switch.first.work_unit, switch.change.set
    if wanted is None or read_deliveries(connection, group=group, most=1):
        return 0
    parts = {kind: SetPart(kind.value, one.name, one.version) for kind, one in wanted.parts.items()}
    devices = devices_of(places, unit, parts)
    if devices is None or all(_has(connection, device, asked) for device, asked in devices.items()):
        return 0
    with connection.transaction():
        return propose_new(connection, [_switch(places, group, switch, device, asked) for device, asked in devices.items()], now_us)


def _has(connection: Connection, device: str, parts: Sequence[SetPart]) -> bool:
    last = last_switched(connection, device)
    return last is not None and set(parts) <= set(last.draft.parts)


def _switch(places: Places, group: str, switch: Switch, device: str, parts: tuple[SetPart, ...]) -> Draft:
    controller = places.takes(device, Kind.CHANGEOVER)
    assert controller is not None  # noqa: S101 - asked before
    return Draft(
        kind=Kind.CHANGEOVER,
        work_unit=device,
        source=group,
        slot="changeover",
        valid_seconds=controller.valid_seconds,
        job=switch.first.job,
        product=switch.first.product,
        serial=switch.first.serial,
        parts=parts,
        reason=_why(switch.first),
        group=group,
    )


def _why(first: Start) -> str:
    return f"{first.work_unit} is switched over for {first.product or '?'}: {first.operation} of job {first.job} comes next"


def _outdated(connection: Connection, wanted: Mapping[str, Switch], now_us: int) -> int:
    """Take back changeovers that nobody decided and that the plan does not have any more."""
    waiting = read_deliveries(connection, kinds=[Kind.CHANGEOVER], stages=[Stage.PROPOSED], most=1000)
    old = [one for one in waiting if one.draft.group.startswith(BEGINS) and one.draft.group not in wanted]
    words = "the plan that holds has another changeover there"
    return sum(step(connection, [Step(one.number, Stage.EXPIRED, now_us, ACTOR, "plan", words) for one in old])) if old else 0


def carry_on(connection: Connection, places: Places, now_us: int) -> int:
    """Bring each changeover one step further that is at work or was until a day ago; return how many steps that was."""
    steps = 0
    for group in groups_at_work(connection, BEGINS, now_us - _DAY_US):
        with connection.transaction():
            found = Group.of(read_deliveries(connection, group=group, oldest_first=True, most=200))
            steps += _carry(connection, places, found, now_us)
    return steps


@dataclass(frozen=True, slots=True)
class Group:
    """The messages of one changeover."""

    name: str
    switches: tuple[Delivery, ...]
    backs: Mapping[str, Delivery]
    """By device."""
    hold: Delivery | None
    release: Delivery | None

    @classmethod
    def of(cls, found: Sequence[Delivery]) -> Group:
        """Return the messages of a group by what they are for."""
        name = found[0].draft.group
        by_source = {(one.draft.source, one.draft.work_unit): one for one in found}
        return cls(
            name,
            tuple(one for (source, _), one in by_source.items() if source == name),
            {unit: one for (source, unit), one in by_source.items() if source == name + _BACK},
            next((one for (source, _), one in by_source.items() if source == name + _HELD), None),
            next((one for (source, _), one in by_source.items() if source == name + _LET), None),
        )

    @property
    def unit(self) -> str:
        """The work unit that is switched over."""
        return self.name.removeprefix(BEGINS).rsplit(":", 3)[0]

    @property
    def approver(self) -> str:
        """Who approved it; empty: nobody yet."""
        return next((one.approved_by for one in self.switches if one.approved_by), "")

    @property
    def failed(self) -> bool:
        """Whether a part of it will not be switched, so that none may stay."""
        return any(one.stage in _ENDED for one in self.switches)


def _carry(connection: Connection, places: Places, group: Group, now_us: int) -> int:
    if group.failed:
        return _take_back(connection, places, group, now_us)
    if not group.approver:
        return 0
    rest = [Step(one.number, Stage.APPROVED, now_us, group.approver, AS_ONE) for one in group.switches if one.stage is Stage.PROPOSED]
    taken = sum(step(connection, rest)) if rest else 0
    taken += _hold(connection, places, group, now_us)
    if any(one.stage not in _DONE for one in group.switches):
        return taken
    wrong = faults(group)
    if wrong:
        # a device that cannot be read back is a person's to look at; nothing is let in by what a controller merely says
        return taken + _tell(connection, group, "; ".join(one.words for one in wrong), now_us)
    return taken + _release(connection, places, group, now_us) + _tell(connection, group, "", now_us)


def _tell(connection: Connection, group: Group, words: str, now_us: int) -> int:
    """Tell people that a unit was not switched over, once; empty: it is all right now. Only the newest changeover of a unit has a say."""
    newest = next(
        iter(read_deliveries(connection, work_units=[one.draft.work_unit for one in group.switches], kinds=[Kind.CHANGEOVER], most=1)), None
    )
    if newest is None or newest.draft.group != group.name:
        return 0
    standing = [one for one in standing_troubles(connection) if (one.work_unit, one.kind) == (group.unit, TroubleKind.CHANGEOVER)]
    if bool(standing) is bool(words):
        return 0
    add_troubles(connection, [StandingTrouble(group.unit, TroubleKind.CHANGEOVER, bool(words), now_us, words[:500])])
    return 1


def faults(group: Group) -> tuple[SetFault, ...]:
    """Return why the first part must not be let in: what was not read back since the change, or is another part than asked for."""
    asked: dict[str, object] = {"work_unit": group.unit, "model": "*", "version": 1, "author": "plan", "approver": "check"}
    read: dict[PartKind, Readback] = {}
    begun = min((one.issued_us or 0 for one in group.switches), default=0)
    for one in group.switches:
        asked |= {part.kind: {"name": part.name, "version": part.version} for part in one.draft.parts}
        wanted = {part.kind for part in one.draft.parts}
        for part in (one.stage_detail or {}).get("parts") or ():
            if part["kind"] in wanted:
                read[PartKind(part["kind"])] = Readback(part["name"], part["version"], one.stage_us)
    return readback_faults(ChangeoverSet.model_validate(asked), read, begun)


def _hold(connection: Connection, places: Places, group: Group, now_us: int) -> int:
    """Keep the first part out while its unit is being switched over."""
    first = group.switches[0].draft
    if group.hold is not None or not first.serial or places.takes(group.unit, Kind.HOLD) is None or group.release is not None:
        return 0
    words = f"{first.serial} waits until {group.unit} is switched over and read back"
    return propose_new(connection, [_beside(group, Kind.HOLD, _HELD, words, ACTOR)], now_us)


def _release(connection: Connection, places: Places, group: Group, now_us: int) -> int:
    first = group.switches[0].draft
    if group.release is not None or not first.serial or places.takes(group.unit, Kind.RELEASE) is None:
        return _let_go(connection, group, now_us)
    words = f"{group.unit} is switched over: " + ", ".join(
        f"{part.kind.replace('_', ' ')} {part.name} {part.version}" for one in group.switches for part in one.draft.parts
    )
    return propose_new(connection, [_beside(group, Kind.RELEASE, _LET, f"{words}; all was read back alike", group.approver)], now_us)


def _let_go(connection: Connection, group: Group, now_us: int) -> int:
    """Note that the hold is over once its part was let go."""
    hold, release = group.hold, group.release
    if hold is None or release is None or hold.stage not in _DONE or release.stage not in _DONE:
        return 0
    return sum(step(connection, [Step(hold.number, Stage.ROLLED_BACK, now_us, ACTOR, "released", f"delivery {release.number}")]))


def _beside(group: Group, kind: Kind, suffix: str, words: str, approved_by: str) -> Draft:
    first = group.switches[0].draft
    return Draft(
        kind=kind,
        work_unit=group.unit,
        source=group.name + suffix,
        slot=f"part:{first.serial}",
        valid_seconds=max(_HOLD_SECONDS, first.valid_seconds),
        job=first.job,
        serial=first.serial,
        product=first.product,
        reason=words[:2000],
        approved_by=approved_by,
        group=group.name,
    )


def _take_back(connection: Connection, places: Places, group: Group, now_us: int) -> int:
    """Let nothing more begin, and bring each device that was switched back to what it had; what a device is at, it ends first."""
    because = next(one for one in group.switches if one.stage in _ENDED)
    note = f"delivery {because.number} is {because.stage.value}: {because.stage_reason}"
    waiting = [one for one in (*group.switches, *([group.release] if group.release else [])) if one.stage in _WAITING]
    taken = sum(step(connection, [Step(one.number, Stage.DECLINED, now_us, ACTOR, AS_ONE, note) for one in waiting])) if waiting else 0
    for one in group.switches:
        if one.stage in _DONE:
            taken += _back(connection, places, group, one, note, now_us)
    return taken + (_tell(connection, group, note, now_us) if group.approver else 0)


def _back(connection: Connection, places: Places, group: Group, one: Delivery, note: str, now_us: int) -> int:
    back = group.backs.get(one.draft.work_unit)
    if back is not None:
        done = back.stage in _DONE
        return sum(step(connection, [Step(one.number, Stage.ROLLED_BACK, now_us, ACTOR, AS_ONE, note)])) if done else 0
    before = _before(connection, one)
    controller = places.takes(one.draft.work_unit, Kind.CHANGEOVER)
    if before is None or controller is None:
        # what it had before is not known: it stays as it is, and people are told
        return 0
    draft = Draft(
        kind=Kind.CHANGEOVER,
        work_unit=one.draft.work_unit,
        source=group.name + _BACK,
        slot="changeover",
        valid_seconds=controller.valid_seconds,
        job=before.draft.job,
        product=before.draft.product,
        parts=before.draft.parts,
        reason=f"back to what was there before: {note}"[:2000],
        approved_by=group.approver,
        group=group.name,
    )
    return propose_new(connection, [draft], now_us)


def _before(connection: Connection, one: Delivery) -> Delivery | None:
    """Return the changeover that was in force at a device before this one."""
    done = read_deliveries(connection, work_unit=one.draft.work_unit, kinds=[Kind.CHANGEOVER], stages=_DONE, before=one.number, most=1)
    return done[0] if done else None
