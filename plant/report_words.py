"""A report of a shift in words: sections of facts and tables in English or Chinese, for a page, a printed document and a message alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from plant.report_translations import EN, ZH
from plant.shift_reports import COMPARED

NONE_SHOWN: Final = "\N{EN DASH}"


@dataclass(frozen=True, slots=True)
class Said:
    """What stands in a cell."""

    text: str
    href: str = ""
    """Path of a page of the dashboard that tells more."""
    share: float | None = None
    """Drawn as a bar, 0 to 1."""
    state: str = ""
    """normal, warning or bad: shape and word, for it is no colour alone."""


@dataclass(frozen=True, slots=True)
class Section:
    """One part of a report."""

    title: str
    facts: tuple[tuple[str, Said], ...] = ()
    heads: tuple[tuple[str, bool], ...] = ()
    """Each with whether its column holds numbers."""
    rows: tuple[tuple[Said, ...], ...] = ()
    note: str = ""
    nothing: str = ""
    """Said where there are no rows."""


class ReportWords:
    """Words, numbers and times of one language and one time zone."""

    def __init__(self, language: str, zone: str) -> None:
        self._said = ZH if language == "zh" else EN
        self.language, self._zone = language, ZoneInfo(zone)

    def __call__(self, message: str, **values: object) -> str:
        """Return a message in this language."""
        said = self._said.get(message, message)
        return said.format(**values) if values else said

    def clock(self, time_us: int) -> str:
        """Return a moment as date and time in plant time."""
        return datetime.fromtimestamp(time_us // 1_000_000, UTC).astimezone(self._zone).strftime("%Y-%m-%d %H:%M:%S")

    def time(self, time_us: int) -> str:
        """Return the time of day of a moment in plant time."""
        return datetime.fromtimestamp(time_us // 1_000_000, UTC).astimezone(self._zone).strftime("%H:%M:%S")

    def span(self, us: int | None) -> str:
        """Return how long something took."""
        if us is None:
            return NONE_SHOWN
        minutes, seconds = divmod(round(us / 1e6), 60)
        hours, minutes = divmod(minutes, 60)
        return self("{h} h {m} min", h=hours, m=minutes) if hours else self("{m} min {s} s", m=minutes, s=seconds)

    def percent(self, ratio: float | None) -> str:
        """Return a ratio in percent."""
        return NONE_SHOWN if ratio is None else f"{100 * ratio:.1f} %"

    def number(self, value: float | None) -> str:
        """Return a number; a whole one in groups of three."""
        if value is None:
            return NONE_SHOWN
        return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}") if isinstance(value, int) else f"{value:.4g}"


def title_of(content: Mapping[str, Any], say: ReportWords) -> str:
    """Return the title of a report."""
    return say("Shift report: {line}, {day} {shift}", line=content["line_name"], day=content["day"], shift=content["shift"])


def sections_of(content: Mapping[str, Any], language: str) -> list[Section]:
    """Return the sections of a report in a language."""
    say = ReportWords(language, content["time_zone"])
    makers: tuple[Callable[[Mapping[str, Any], ReportWords], Section | None], ...] = (
        *(_head, _notes, _figures, _compared, _units, _losses, _plan, _quality, _alarms),
        *(_standing, _improvement, _deliveries, _samples, _gaps),
    )
    return [section for make in makers if (section := make(content, say)) is not None]


def _head(content: Mapping[str, Any], say: ReportWords) -> Section:
    running = content["until_us"] < content["to_us"]
    span = f"{say.clock(content['from_us'])} \N{EN DASH} {say.time(content['to_us'])}"
    facts = [
        (say("Site"), Said(content["site"])),
        (say("Line"), Said(content["line_name"], f"/equipment/{content['line']}")),
        (say("Shift"), Said(f"{content['day']} {content['shift']}" + (f" \N{MIDDLE DOT} {content['team']}" if content["team"] else ""))),
        (say("From, to"), Said(f"{span} ({content['time_zone']})")),
        (say("Planned time"), Said(say.span(content["planned_us"]))),
        (say("Made"), Said(say.clock(content["made_us"]))),
    ]
    still = say("The shift still runs: all figures are up to {time}.", time=say.time(content["until_us"]))
    return Section("", tuple(facts), note=still if running else "")


def _figures(content: Mapping[str, Any], say: ReportWords) -> Section:
    one = content["figures"]
    facts = (
        (say("OEE"), Said(say.percent(one["oee"]))),
        (say("Availability"), Said(f"{say.percent(one['availability'])} = {say.span(one['apt_us'])} / {say.span(one['pbt_us'])}")),
        (
            say("Effectiveness"),
            Said(f"{say.percent(one['effectiveness'])} = {say.span(one['planned_run_us'])} / {say.span(one['apt_us'])}"),
        ),
        (say("Quality ratio"), Said(f"{say.percent(one['quality_ratio'])} = {say.number(one['good'])} / {say.number(one['produced'])}")),
        (say("Pieces"), Said(say("{good} good of {all}; scrap {scrap}, rework {rework}", **_pieces(one, say)))),
        (say("Breakdowns"), Said(say("{n}; mean time to repair {mttr}", n=one["failures"], mttr=say.span(one["mttr_us"])))),
        (say("Time nobody knows of"), Said(say.span(one["unknown_us"]), state="warning" if one["unknown_us"] else "")),
    )
    formula = say(
        "OEE = availability x effectiveness x quality ratio (ISO 22400-2): actual production time / planned busy time, "
        "planned run time of all pieces / actual production time, good pieces / all pieces."
    )
    missing = [name or say("all products") for name in one["without_run_time"]]
    wrong = " " + say("No planned run time is known of: {products}.", products=", ".join(missing)) if missing else ""
    return Section(say("Figures"), facts, note=formula + wrong)


def _pieces(one: Mapping[str, Any], say: ReportWords) -> dict[str, str]:
    return {"good": say.number(one["good"]), "all": say.number(one["produced"]), **{k: say.number(one[k]) for k in ("scrap", "rework")}}


def _compared(content: Mapping[str, Any], say: ReportWords) -> Section:
    before, title = content["before"], say("Against the shift before")
    if before is None:
        return Section(title, nothing=say("There is no report of a shift before."), heads=((say("Figure"), False),))
    names = {
        "oee": "OEE",
        "availability": "Availability",
        "effectiveness": "Effectiveness",
        "quality_ratio": "Quality ratio",
        "produced": "Pieces",
        "good": "Good pieces",
        "scrap": "Scrap",
        "rework": "Rework",
        "failures": "Breakdowns",
        "unknown_us": "Time nobody knows of",
    }
    now, then = content["figures"], before["figures"]
    rows = [_difference(say(names[key]), key, now.get(key), then.get(key), say) for key in COMPARED]
    rows += [
        _difference(say("Alarms"), "alarms", content["alarms"]["count"], before["alarms"], say),
        _difference(say("Not OK"), "not_ok", content["quality"]["not_ok"], before["not_ok"], say),
        _difference(say("Samples missed"), "missed", content["samples"]["gap"], before["missed"], say),
    ]
    heads = ((say("Figure"), False), (say("This shift"), True), (f"{before['day']} {before['shift']}", True), (say("Difference"), True))
    return Section(title, heads=heads, rows=tuple(rows))


def _difference(name: str, key: str, now: float | None, then: float | None, say: ReportWords) -> tuple[Said, ...]:
    show: Callable[[Any], str] = say.number
    if key in {"oee", "availability", "effectiveness", "quality_ratio"}:
        show = say.percent
    elif key.endswith("_us"):
        show = say.span
    if now is None or then is None:
        return Said(name), Said(show(now)), Said(show(then)), Said(NONE_SHOWN)
    change = now - then
    sign = "+" if change > 0 else "\N{MINUS SIGN}" if change < 0 else "\N{PLUS-MINUS SIGN}"
    if show == say.percent:
        return Said(name), Said(show(now)), Said(show(then)), Said(say("{sign}{n} points", sign=sign, n=f"{100 * abs(change):.1f}"))
    return Said(name), Said(show(now)), Said(show(then)), Said(f"{sign}{show(abs(change))}")


def _units(content: Mapping[str, Any], say: ReportWords) -> Section:
    rows = [
        (
            Said(one["name"], f"/equipment/{one['equipment']}"),
            Said(say.percent(one["oee"]), share=one["oee"]),
            *(Said(say.percent(one[key])) for key in ("availability", "effectiveness", "quality_ratio")),
            Said(say.number(one["produced"])),
            Said(say.number(one["failures"])),
        )
        for one in content["units"]
    ]
    names = ("OEE", "Availability", "Effectiveness", "Quality ratio", "Pieces", "Breakdowns")
    heads = ((say("Work unit"), False), *((say(name), True) for name in names))
    return Section(say("Work units"), heads=heads, rows=tuple(rows), nothing=say("No states are known of this shift."))


def _losses(content: Mapping[str, Any], say: ReportWords) -> Section:
    rows = [
        (
            Said(say(f"loss {one['loss']}")),
            Said(one["name"].get(say.language) or one["reason"] or say("no reason told")),
            Said(say.span(one["us"])),
            Said(say.percent(one["share"]), share=one["share"]),
            Said(say.number(one["stops"])),
            Said(say.span(one["longest_us"])),
        )
        for one in content["losses"]
    ]
    heads = tuple((say(name), name not in {"Loss", "Reason"}) for name in ("Loss", "Reason", "Time", "Share", "Stops", "Longest"))
    return Section(say("What planned time was lost to"), heads=heads, rows=tuple(rows), nothing=say("Nothing was lost."))


def _plan(content: Mapping[str, Any], say: ReportWords) -> Section:
    plan = content["plan"]
    title = say("Plan against actual")
    if plan is None:
        return Section(title, heads=((say("Work unit"), False),), nothing=say("No plan says anything of this line in this shift."))
    rows = [
        (Said(one["unit"]), Said(say.number(one["planned"])), Said(say.number(one["done"])), Said(f"{one['done'] - one['planned']:+d}"))
        for one in plan["units"]
    ]
    facts = ((say("Operations"), Said(say("{done} done, {planned} planned", done=plan["done"], planned=plan["planned"]), "/schedule")),)
    heads = ((say("Work unit"), False), (say("Planned"), True), (say("Done"), True), (say("Difference"), True))
    return Section(title, facts, heads, tuple(rows), note=say("By plan {n}, which stood when the shift began.", n=plan["version"]))


def _quality(content: Mapping[str, Any], say: ReportWords) -> Section:
    one = content["quality"]

    def counts(of: Mapping[str, int], kind: str) -> str:
        return ", ".join(f"{say(f'{kind} {word}')} {count}" for word, count in of.items() if count) or NONE_SHOWN

    facts = (
        (say("Tightenings"), Said(counts(one["tightenings"], "verdict"), "/tightening")),
        (say("Joints"), Said(counts(one["joints"], "joint"), "/joints")),
        (say("Pictures"), Said(counts(one["inspections"], "found"), "/welds")),
        (say("Not OK"), Said(say.number(one["not_ok"]), state="bad" if one["not_ok"] else "normal")),
        (say("Waits for a person"), Said(say.number(one["undecided"]), state="warning" if one["undecided"] else "normal")),
    )
    pages = {"joint": "/joints?joint={id}", "inspection": "/welds?inspection={id}"}
    rows = [
        (
            Said(say.clock(row["time_us"])),
            Said(row["what"], pages[row["kind"]].format(id=row["id"])),
            Said(row["part"]),
            Said(say(f"{'joint' if row['kind'] == 'joint' else 'found'} {row['state']}")),
            Said(row["decided_by"] or say("nobody yet")),
        )
        for row in one["list"]
    ]
    heads = tuple((say(name), False) for name in ("Time", "Joint or view", "Part", "State", "Decided by"))
    more = say("The first {n} of {all}.", n=len(rows), all=one["listed_of"]) if one["listed_of"] > len(rows) else ""
    return Section(say("Joints and welds"), facts, heads, tuple(rows), more, say("Nothing was found not OK."))


def _alarms(content: Mapping[str, Any], say: ReportWords) -> Section:
    one = content["alarms"]
    flood = say("{n} floods, {share} of the time", n=len(one["floods"]), share=say.percent(one["share_in_flood"]))
    facts = (
        (say("Alarms"), Said(say.number(one["count"]), "/alarms")),
        (say("Most in ten minutes"), Said(say.number(one["peak"]))),
        (say("Floods"), Said(flood if one["floods"] else say("none"), state="bad" if one["floods"] else "normal")),
        (
            say("Most often"),
            Said("; ".join(f"{row['message'] or row['alarm']} ({row['count']})" for row in one["frequent"][:5]) or NONE_SHOWN),
        ),
    )
    rows = [_alarm(row, say) for row in one["longest"]]
    heads = ((say("Longest alarms"), False), (say("Equipment"), False), (say("Since"), False), (say("Lasted"), True))
    return Section(say("Alarms"), facts, heads, tuple(rows), nothing=say("No alarm was active."))


def _standing(content: Mapping[str, Any], say: ReportWords) -> Section | None:
    rows = [_alarm(row, say) for row in content["alarms"]["standing"]]
    if not rows:
        return None
    heads = ((say("Alarm"), False), (say("Equipment"), False), (say("Since"), False), (say("Lasted"), True))
    return Section(say("Still active when the shift ended: {n}", n=content["alarms"]["standing_count"]), heads=heads, rows=tuple(rows))


def _alarm(row: Mapping[str, Any], say: ReportWords) -> tuple[Said, ...]:
    return Said(row["message"] or row["alarm"]), Said(row["equipment"]), Said(say.clock(row["began_us"])), Said(say.span(row["us"]))


def _improvement(content: Mapping[str, Any], say: ReportWords) -> Section | None:
    rows = [
        (
            Said(f"{row['product']} (#{row['id']})", f"/recommendations?recommendation={row['id']}"),
            Said(say(f"stage {row['stage']}")),
            Said(row["actor"]),
            Said(say.number(row["predicted"])),
            Said(say.number(row["realised"])),
            Said(say.number(row["orders"])),
        )
        for row in content["improvement"]["recommendations"]
    ]
    names = (
        ("Recommendation", False),
        ("Stage", False),
        ("By", False),
        ("Gain predicted", True),
        ("Gain realised", True),
        ("Orders", True),
    )
    heads = tuple((say(name), number) for name, number in names)
    return Section(say("Recommendations of the site"), heads=heads, rows=tuple(rows), nothing=say("None was proposed or decided."))


def _deliveries(content: Mapping[str, Any], say: ReportWords) -> Section | None:
    rows = [
        (
            Said(say("sent " + row["kind"]) + f" #{row['id']}", f"/deliveries?delivery={row['id']}"),
            Said(row["work_unit"]),
            Said(say(f"stage {row['stage']}")),
            Said(say.clock(row["time_us"])),
            Said(row["approved_by"] or NONE_SHOWN),
        )
        for row in content["improvement"]["deliveries"]
    ]
    if not rows:
        return None
    heads = tuple((say(name), False) for name in ("Delivery", "Work unit", "Stage", "Time", "Approved by"))
    return Section(say("Sent to controllers"), heads=heads, rows=tuple(rows))


def _samples(content: Mapping[str, Any], say: ReportWords) -> Section:
    one = content["samples"]
    names = ("expected", "stored", "unchanged", "filtered", "duplicate", "rejected", "gap")
    facts = tuple((say(f"samples {name}"), Said(say.number(one[name]))) for name in names)
    holds = one["not_explained"] == 0
    words = say("The sum holds: each expected sample is accounted for.") if holds else say("Not explained: {n}.", n=one["not_explained"])
    words = words if one["expected"] else say("No samples were expected.")
    return Section(say("Samples"), facts, note=f"{words} {say('Sources')}: {', '.join(one['sources']) or NONE_SHOWN}.")


def _gaps(content: Mapping[str, Any], say: ReportWords) -> Section | None:
    one = content["samples"]
    rows = [
        (
            Said(row["source"], "/ledger"),
            Said(say.clock(row["from_us"])),
            Said(say.clock(row["to_us"])),
            Said(say.number(row["count"])),
            Said(say(f"gap {row['reason']}")),
        )
        for row in one["gaps"]
    ]
    if not rows:
        return None
    heads = ((say("Source"), False), (say("From"), False), (say("To"), False), (say("Samples missed"), True), (say("Reason"), False))
    return Section(say("Gaps: {n}", n=one["gap_count"]), heads=heads, rows=tuple(rows))


def _notes(content: Mapping[str, Any], say: ReportWords) -> Section:
    rows = [(Said(say.time(row["time_us"])), Said(row["actor"]), Said(row["text"])) for row in content["notes"]]
    heads = tuple((say(name), False) for name in ("Time", "By", "Note"))
    return Section(say("Handover notes"), heads=heads, rows=tuple(rows), nothing=say("Nobody wrote a note."))


def plain_text(content: Mapping[str, Any], language: str) -> str:
    """Return a report as lines of text, for messages."""
    say = ReportWords(language, content["time_zone"])
    lines = [title_of(content, say), ""]
    for section in sections_of(content, language):
        lines += [section.title, "-" * max(4, len(section.title))] if section.title else []
        lines += [f"{name}: {said.text}" for name, said in section.facts]
        lines += [" | ".join(cell.text for cell in row) for row in section.rows] or ([section.nothing] if section.nothing else [])
        lines += [section.note] if section.note else []
        lines.append("")
    return "\n".join(lines)


def all_said(sections: Sequence[Section]) -> list[str]:
    """Return every text of some sections."""
    found: list[str] = []
    for section in sections:
        found += [section.title, section.note, section.nothing, *(name for name, _ in section.heads)]
        found += [word for name, said in section.facts for word in (name, said.text)]
        found += [said.text for row in section.rows for said in row]
    return found
