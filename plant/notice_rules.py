"""``[mail]``, ``[[receivers]]`` and ``[[notices]]`` of the settings as rules, with everything wrong in them said by file and key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from plant import patterns
from plant.alarms import Priority
from plant.calendars import Calendars
from plant.equipment import EquipmentId
from plant.notices import MINUTE_US, Mail, Notices, Receiver, Rule, Step
from plant.settings_notices import MailSettings, NoticeSettings, ReceiverSettings


def assemble_notices(
    root: EquipmentId,
    folder: Path,
    equipment: Mapping[EquipmentId, object],
    calendars: Calendars,
    mail: tuple[str, MailSettings] | None,
    receivers: Iterable[tuple[str, ReceiverSettings]],
    rules: Iterable[tuple[str, NoticeSettings]],
    problems: list[str],
) -> Notices:
    """Return who is told of what; each piece comes with its place in the settings. Adds what is wrong to ``problems``.

    ``folder``: where relative names of secret files start from.
    """
    known: dict[str, Receiver] = {}
    for place, receiver in receivers:
        if receiver.name in known:
            problems.append(f"{place}.name: there is a receiver '{receiver.name}' already")
        if receiver.mail and mail is None:
            problems.append(f"{place}.mail: no [mail] says which server e-mails go out by")
        known[receiver.name] = _receiver(receiver, folder)
    below = [path.removeprefix(root + "/") for path in equipment if path.startswith(root + "/")]
    names: set[str] = set()
    made = []
    for place, rule in rules:
        if rule.name in names:
            problems.append(f"{place}.name: there is a notice '{rule.name}' already")
        names.add(rule.name)
        for key, to in (("to", rule.to), *((f"escalate[{n}].to", step.to) for n, step in enumerate(rule.escalate, 1))):
            problems.extend(
                f"{place}.{key}: there is no receiver '{name}'; there are: {', '.join(sorted(known)) or 'none'}"
                for name in to
                if name not in known
            )
        if not any(patterns.matches(rule.equipment, path) for path in below):
            problems.append(f"{place}.equipment: no equipment fits '{rule.equipment}'; there is e.g. '{next(iter(below), 'none')}'")
        problems.extend(f"{place}.{words}" for words in _unknown_times(rule, calendars))
        made.append(_rule(rule))
    return Notices(tuple(made), tuple(known.values()), None if mail is None else _mail(mail[1], folder))


def _unknown_times(rule: NoticeSettings, calendars: Calendars) -> list[str]:
    all_of = [calendar for _, calendar in calendars.all]
    days = [day for calendar in all_of for day in (*calendar.week, *calendar.exceptions.values())]
    shifts = {one.name for day in days for one in day}
    teams = {team for calendar in all_of if calendar.teams is not None for order in calendar.teams.order.values() for team in order}
    return [
        f"{key}: no calendar has a {word} '{name}'; there are: {', '.join(sorted(known)) or 'none'}"
        for key, word, names, known in (("shifts", "shift", rule.shifts, shifts), ("teams", "team", rule.teams, teams))
        for name in names
        if name not in known
    ]


def _rule(settings: NoticeSettings) -> Rule:
    first = Step(round(settings.after_seconds * 1_000_000), settings.to)
    later = (Step(round(step.after_minutes * MINUTE_US), step.to) for step in settings.escalate)
    return Rule(
        settings.name,
        settings.alarms,
        settings.equipment,
        Priority[settings.priority.upper()],
        (first, *later),
        settings.shifts,
        settings.teams,
        None if settings.repeat_minutes is None else round(settings.repeat_minutes * MINUTE_US),
        settings.say_end,
        round(settings.digest_minutes * MINUTE_US),
    )


def _receiver(settings: ReceiverSettings, folder: Path) -> Receiver:
    return Receiver(
        settings.name,
        settings.webhook,
        _file(folder, settings.secret_file),
        _file(folder, settings.ca_file),
        settings.timeout_seconds,
        settings.mail,
        settings.language,
    )


def _mail(settings: MailSettings, folder: Path) -> Mail:
    return Mail(
        settings.host,
        settings.port,
        settings.security,
        settings.sender,
        settings.username,
        _file(folder, settings.password_file),
        _file(folder, settings.ca_file),
        settings.timeout_seconds,
    )


def _file(folder: Path, name: str | None) -> Path | None:
    return None if name is None else folder / name
