"""What the tour says of each chapter: its title, what to look for, what the database shows of it, and where it can be seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from dashboard.charts import unit_words
from dashboard.links import address, equipment_address, serial_address
from dashboard.services_tour import Chapter
from dashboard.texts import Texts
from storage.tour import Pieces, TourFacts

_AROUND_US: Final = 60_000_000


@dataclass(frozen=True, slots=True)
class Place:
    """A page where a chapter can be seen."""

    words: str
    href: str


@dataclass(frozen=True, slots=True)
class Told:
    """A chapter in words."""

    title: str
    look: str
    """What to look for, in a sentence."""
    places: tuple[Place, ...]


def told(chapter: Chapter, facts: TourFacts, t: Texts) -> Told:
    """Return a chapter in words; the pages are there whether or not it has come."""
    return _TOLD[chapter](facts, _robot(facts), t)


def _robot(facts: TourFacts) -> str:
    return equipment_address(facts.robot) if facts.robot else "/"


def _arc(facts: TourFacts) -> str:
    """Return the address of the robot's voltage at the time of the alarm; later until it was right again."""
    if facts.alarm is None:
        return _robot(facts)
    end_us = facts.alarm.time_us if facts.result is None else facts.result.time_us
    return equipment_address(facts.robot, at_us=facts.alarm.time_us - _AROUND_US, to_us=end_us + _AROUND_US, signal="voltage")


def shown(chapter: Chapter, facts: TourFacts, t: Texts) -> str:
    """Return what the database shows of a chapter, in figures; empty where nothing yet."""
    return _SHOWN[chapter](facts, t)


def _runs(_: TourFacts, robot: str, t: Texts) -> Told:
    look = t("Robot 1 welds booms, three seams a part, by its accepted recipe. Grey means normal: nothing asks for you.")
    return Told(t("All is normal"), look, (Place(t("Plant overview"), "/"), Place(t("Robot 1"), robot)))


def _alarm(facts: TourFacts, _: str, t: Texts) -> Told:
    look = t("Somebody turned the wire feed down at the robot's pendant. Its arc gets long: voltage jumps over the limit in every seam.")
    places = (
        Place(t("Alarms"), "/alarms"),
        Place(t("Trend of the arc"), _arc(facts)),
        Place(t("Andon board"), "/andon"),
    )
    return Told(t("Something goes wrong"), look, places)


def _chart(facts: TourFacts, _: str, t: Texts) -> Told:
    look = t("The part is measured: its seam is too thin, the point on the control chart lies below its limit, and the part is known.")
    found = facts.violation
    places = [Place(t("Control chart"), address("/charts", chart=None if found is None else found.chart))]
    if found is not None and found.part:
        places.append(Place(t("Genealogy of the part"), serial_address(found.part)))
    return Told(t("The measurement confirms it"), look, tuple(places))


def _picture(facts: TourFacts, _: str, t: Texts) -> Told:
    look = t("The camera at the robot finds imperfections in the seam, and says which limit of ISO 5817 they break.")
    found = facts.picture
    places = [Place(t("Welds"), address("/welds", id=None if found is None else found.inspection))]
    if found is not None:
        places.append(Place(t("Genealogy of the part"), serial_address(found.part)))
    return Told(t("The seam shows it"), look, tuple(places))


def _loss(_: TourFacts, robot: str, t: Texts) -> Told:
    look = t("Parts become scrap: the quality ratio of robot 1 falls, and OEE with it. The losses say by how much.")
    return Told(t("It costs"), look, (Place(t("OEE and losses"), "/losses"), Place(t("Robot 1"), robot)))


def _proposed(_: TourFacts, __: str, t: Texts) -> Told:
    look = t("Seams were looked at by hand and entered; tuning learned from them and proposes a recipe, with what it expects. Approve it.")
    return Told(t("A recipe is recommended"), look, (Place(t("Tuning"), "/tuning"),))


def _executed(facts: TourFacts, _: str, t: Texts) -> Told:
    look = t("Approved by you, or by the demo after 45 s. Signed, sent to the robot's controller, carried out, and read back from it.")
    href = address("/deliveries", id=None if facts.carried is None else facts.carried.number)
    return Told(t("It is carried out"), look, (Place(t("Deliveries"), href), Place(t("Tuning"), "/tuning")))


def _gain(facts: TourFacts, _: str, t: Texts) -> Told:
    look = t("The trial is measured: predicted beside realised. The alarm is over, and the next seams lie within their limits.")
    chart = address("/charts", chart=None if facts.violation is None else facts.violation.chart)
    places = (Place(t("Tuning"), "/tuning"), Place(t("Control chart"), chart), Place(t("Trend of the arc"), _arc(facts)))
    return Told(t("The gain"), look, places)


_TOLD: Final[dict[Chapter, Callable[[TourFacts, str, Texts], Told]]] = {
    Chapter.RUNS: _runs,
    Chapter.ALARM: _alarm,
    Chapter.CHART: _chart,
    Chapter.PICTURE: _picture,
    Chapter.LOSS: _loss,
    Chapter.PROPOSED: _proposed,
    Chapter.EXECUTED: _executed,
    Chapter.GAIN: _gain,
}


def _alarm_shown(facts: TourFacts, t: Texts) -> str:
    found = facts.alarm
    if found is None:
        return ""
    unit = unit_words(found.unit)
    return t("{value} {unit}, limit {limit} {unit}", value=f"{found.value:.1f}", limit=f"{found.limit:g}", unit=unit)


def _chart_shown(facts: TourFacts, t: Texts) -> str:
    found = facts.violation
    if found is None or found.low is None or found.high is None:
        return ""
    words = {"value": f"{found.value:.2f}", "low": f"{found.low:.2f}", "high": f"{found.high:.2f}", "unit": unit_words(found.unit)}
    return t("throat {value} {unit}, control limits {low} to {high} {unit}", **words)


def _picture_shown(facts: TourFacts, t: Texts) -> str:
    return "" if facts.picture is None else t("part {serial}", serial=facts.picture.part)


def _loss_shown(facts: TourFacts, t: Texts) -> str:
    found = facts.lost
    if found is None or not found.scrap:
        return ""
    return t("{scrap} of {made} parts are scrap since the alarm", scrap=found.scrap, made=found.scrap + found.good)


def _proposed_shown(facts: TourFacts, t: Texts) -> str:
    found, sample = facts.proposed, facts.sample
    if found is None or sample is None:
        return ""
    return t(
        "by hand {good} of {parts} good; expected {mean} good ({low} to {high})",
        good=sample.good,
        parts=sample.parts,
        mean=f"{found.mean:.0%}",
        low=f"{found.low:.0%}",
        high=f"{found.high:.0%}",
    )


def _executed_shown(facts: TourFacts, t: Texts) -> str:
    found = facts.carried
    if found is None or found.executed_us is None:
        return ""
    read = ", ".join(f"{_parameter(name, t)} {value:g} {unit_words(unit)}" for name, value, unit in found.read)
    return t("approved by {who}; in force: {read}", who=found.approved_by, read=read)


def _parameter(name: str, t: Texts) -> str:
    known = {
        "current": t("welding current"),
        "voltage": t("arc voltage"),
        "travel_speed": t("travel speed"),
        "wire_feed": t("wire feed"),
    }
    return known.get(name, name)


def _gain_shown(facts: TourFacts, t: Texts) -> str:
    result, expected, sample = facts.result, facts.proposed, facts.sample
    if result is None or expected is None or sample is None:
        return ""
    parts = [
        t(
            "{good} of {parts} good: {share}, predicted {mean} ({low} to {high}), before {before}",
            good=result.good,
            parts=result.parts,
            share=f"{result.good / result.parts:.0%}",
            mean=f"{expected.mean:.0%}",
            low=f"{expected.low:.0%}",
            high=f"{expected.high:.0%}",
            before=f"{sample.good / sample.parts:.0%}",
        )
    ]
    wrong, since = facts.violation, facts.since
    if facts.throat is not None and wrong is not None:
        parts.append(t("throat {wrong} mm, of the next part {now} mm", wrong=f"{wrong.value:.2f}", now=f"{facts.throat:.2f}"))
    if since is not None and since.good + since.scrap:
        parts.append(_since(since, t))
    if facts.alarm_over_us is not None:
        parts.append(t("the alarm of the arc is over"))
    return "; ".join(parts)


def _since(since: Pieces, t: Texts) -> str:
    return t("since then {good} of {made} parts good", good=since.good, made=since.good + since.scrap)


_SHOWN: Final[dict[Chapter, Callable[[TourFacts, Texts], str]]] = {
    Chapter.RUNS: lambda _, __: "",
    Chapter.ALARM: _alarm_shown,
    Chapter.CHART: _chart_shown,
    Chapter.PICTURE: _picture_shown,
    Chapter.LOSS: _loss_shown,
    Chapter.PROPOSED: _proposed_shown,
    Chapter.EXECUTED: _executed_shown,
    Chapter.GAIN: _gain_shown,
}
