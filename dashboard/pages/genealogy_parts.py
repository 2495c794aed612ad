"""Pieces of the genealogy page: where a piece was, what was done there, pictures, trees of what is built in, and the list for a recall."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dash import html
from dash.development.base_component import Component

from dashboard.context import PageContext
from dashboard.delivery_words import delivery_stage_words, kind_words
from dashboard.inspection_words import decision_words
from dashboard.links import (
    delivery_link,
    design_change_link,
    equipment_link,
    flange_link,
    inspection_link,
    item_link,
    joint_link,
    nest_link,
    order_link,
    part_order_link,
    recommendation_link,
    serial_link,
    tightening_link,
    trend_link,
)
from dashboard.pages.parts import NONE_SHOWN, Cell, also, duration, moment, state, table, whole
from dashboard.recommendation_words import stage_words
from dashboard.texts import Texts
from dashboard.views_genealogy import (
    BranchView,
    FlangeView,
    JobView,
    LookView,
    PlateView,
    RecallView,
    SerialView,
    StayView,
    StepView,
    TightenedView,
)
from plant.genealogy import Told
from plant.verdict import Verdict

MOST_SHOWN = 100
_PICTURES = 24
_OPEN_DEPTH = 2
"""So many levels of a tree are open at first."""
_LOOKS = {"ok": "normal", "nok": "critical", "review": "warning", "not_decidable": "warning"}
_VERDICTS = {Verdict.OK: "normal", Verdict.NOT_OK: "critical", Verdict.NOT_DECIDABLE: "warning", Verdict.UNDEFINED: "waiting"}
_JOB_LOOKS = {"scrapped": "critical", "waiting": "waiting", "cancelled": "stale"}


def item_words(kind: str, t: Texts) -> str:
    """Return what a name names."""
    words = {
        "serial": t("Serial"),
        "lot": t("Material lot"),
        "sublot": t("Material sublot"),
        "heat": t("Heat"),
        "order": t("Customer order"),
        "job": t("Job order"),
    }
    return words[kind]


def job_state(name: str, t: Texts) -> Component:
    """Return how far a job order is."""
    words = {
        "waiting": t("waiting"),
        "started": t("under way"),
        "done": t("done"),
        "scrapped": t("scrapped"),
        "cancelled": t("cancelled"),
    }
    return state(_JOB_LOOKS.get(name, "normal"), words.get(name, name))


def jobs_table(jobs: Sequence[JobView], context: PageContext, t: Texts) -> Component:
    """Return the pieces of an order, each with what leads to it."""
    zone = context.time_zone
    heads = [
        (t("Serial"), False),
        (t("Job order"), False),
        (t("Customer order"), False),
        (t("Product"), False),
        (t("State"), False),
        (t("Begun"), False),
        (t("Ended"), False),
    ]
    rows = [
        [
            serial_link(one.serial),
            one.job,
            order_link(one.order),
            one.product,
            job_state(one.state, t),
            moment(one.started_us, zone, seconds=False),
            moment(one.ended_us, zone, seconds=False),
        ]
        for one in jobs
    ]
    return table(heads, rows, caption=t("Its parts"), nothing=t("No such order."))


def lanes(one: SerialView, names: dict[str, str], context: PageContext) -> Component | None:
    """Return where a piece was over time as a drawing: a lane for each work unit, marks where something was not right."""
    if not one.stays:
        return None
    begin, end = min(stay.from_us for stay in one.stays), max(stay.to_us for stay in one.stays)
    span = max(end - begin, 1)
    places = list(dict.fromkeys(stay.equipment for stay in one.stays))

    def at(time_us: int) -> float:
        return 100 * (time_us - begin) / span

    def bar(stay: StayView) -> Component:
        wrong = bool(stay.alarms) or stay.bad > 0
        words = f"{moment(stay.from_us, context.time_zone)} … {moment(stay.to_us, context.time_zone)}"
        width = f"max({at(stay.to_us) - at(stay.from_us):.2f}%, 6px)"
        made: Component = html.I(
            className="stay wrong" if wrong else "stay",
            style={"left": f"min({at(stay.from_us):.2f}%, calc(100% - 6px))", "width": width},
            title=words,
        )
        return made

    rows = [
        html.Div(
            [
                html.Span(names.get(place, place), className="lane-name", title=place),
                html.Div([bar(stay) for stay in one.stays if stay.equipment == place], className="lane-bars"),
            ],
            className="lane",
        )
        for place in places
    ]
    scale = html.Div(
        [html.Span(moment(begin, context.time_zone)), html.Span(moment(end, context.time_zone))], className="lane-scale small quiet"
    )
    drawn: Component = html.Div([*rows, scale], className="lanes", **also(aria_hidden="true"))
    return drawn


def stays_table(stays: Sequence[StayView], names: dict[str, str], context: PageContext, t: Texts) -> Component:
    """Return where a piece was, with the alarms and bad samples of that place and time, and the way to its trends."""
    zone = context.time_zone
    heads = [
        (t("Work unit"), False),
        (t("From"), False),
        (t("Duration"), True),
        (t("Told by"), False),
        (t("Alarms there then"), False),
        (t("Bad samples"), True),
        (t("Trend"), False),
    ]
    rows: list[list[Cell]] = [
        [
            equipment_link(one.equipment, names.get(one.equipment, one.equipment), title=one.equipment),
            moment(one.from_us, zone),
            duration(one.to_us - one.from_us, t),
            ", ".join(_told_words(word, t) for word in one.told),
            [_alarm(each.equipment, each.message or each.alarm.rpartition("/")[2], each.since_us, each.signal, t) for each in one.alarms]
            or t("none"),
            _bad(one, t),
            trend_link(one.equipment, t("at that time"), one.from_us, to_us=None if one.to_us == one.from_us else one.to_us),
        ]
        for one in stays
    ]
    return table(heads, rows, caption=t("Where it was"), nothing=t("Nobody told where it was."))


def _alarm(equipment: str, words: str, since_us: int, signal: str, t: Texts) -> Component:
    name = signal.rpartition("/")[2]
    return html.Div([state("warning", ""), trend_link(equipment, words, since_us, signal=name)], title=t("Trend at that time"))


def _bad(one: StayView, t: Texts) -> str | Component:
    if not one.samples:
        return html.Span(t("not kept"), className="quiet small")
    words = t("{n} of {m}", n=whole(one.bad), m=whole(one.samples))
    return state("warning", words) if one.bad else words


def _told_words(word: str, t: Texts) -> str:
    return {
        Told.OPERATION: t("operation history"),
        Told.STATE: t("equipment"),
        Told.TIGHTENING: t("tool"),
        Told.PICTURE: t("camera"),
    }[Told(word)]


def steps_table(steps: Sequence[StepView], context: PageContext, t: Texts) -> Component:
    """Return the operations that were done on a piece."""
    heads = [
        (t("Operation"), False),
        (t("Work unit"), False),
        (t("Program"), False),
        (t("Begun"), False),
        (t("Minutes"), True),
        (t("Rework, min"), True),
        (t("Energy, kWh"), True),
        (t("Result"), False),
        (t("Route chosen by"), False),
    ]
    rows = [
        [
            html.Div([one.operation, html.Div(one.alternative, className="small quiet")]),
            equipment_link(one.equipment, one.work_unit) if one.equipment else one.work_unit or NONE_SHOWN,
            one.program or NONE_SHOWN,
            moment(one.started_us, context.time_zone, seconds=False),
            f"{one.duration_min:.1f}",
            NONE_SHOWN if one.rework_min is None else f"{one.rework_min:.1f}",
            NONE_SHOWN if one.energy_kwh is None else f"{one.energy_kwh:.2f}",
            made_words(t, first_pass=one.first_pass, scrapped=one.scrapped),
            one.decided_by or NONE_SHOWN,
        ]
        for one in steps[:MOST_SHOWN]
    ]
    return html.Div([table(heads, rows, caption=t("Operations"), nothing=t("No operation is known of it.")), *_more(len(steps), t)])


def made_words(t: Texts, *, first_pass: bool, scrapped: bool) -> Component:
    """Return how an operation, or all of a piece, came out."""
    if scrapped:
        return state("critical", t("scrapped"))
    return state("normal", t("right at once")) if first_pass else state("warning", t("reworked"))


def joints_part(
    flanges: Sequence[FlangeView], tightened: Sequence[TightenedView], serial: str, context: PageContext, t: Texts
) -> list[Component]:
    """Return the flanges of a piece, and each tightening with the way to its joint and its curve."""
    heads = [(t("Joint group"), False), (t("Released"), True), (t("Cases"), True), (t("Decided by people"), True), (t("Ended"), False)]
    rows: list[list[Cell]] = [
        [
            flange_link(one.group, serial),
            f"{one.released}/{one.bolts}",
            state("warning", whole(one.cases)) if one.cases else "0",
            whole(one.by_people),
            moment(one.ended_us, context.time_zone),
        ]
        for one in flanges
    ]
    worst = sorted(tightened, key=lambda one: (one.verdict == Verdict.OK, one.joint_state in {"", "released"}, one.time_us))
    shown = [table(heads, rows, caption=t("Joints"))] if flanges else []
    return [*shown, *([_tightenings(worst, serial, context, t)] if tightened else [])]


def _tightenings(tightened: Sequence[TightenedView], serial: str, context: PageContext, t: Texts) -> Component:
    wrong = sum(one.verdict != Verdict.OK for one in tightened)
    heads = [
        (t("Time"), False),
        (t("Bolt"), True),
        (t("Spindle"), True),
        (t("Program"), False),
        (t("Torque"), True),
        (t("Angle"), True),
        (t("Verdict"), False),
        (t("Joint"), False),
        (t("Curve"), False),
    ]
    words = {
        Verdict.OK: t("OK"),
        Verdict.NOT_OK: t("Not OK"),
        Verdict.NOT_DECIDABLE: t("Not decidable"),
        Verdict.UNDEFINED: t("Not judged"),
    }
    states = {"released": t("released"), "waiting": t("waits"), "case": t("for a person"), "stopped": t("stopped")}
    rows: list[list[Cell]] = [
        [
            moment(one.time_us, context.time_zone),
            NONE_SHOWN if one.bolt is None else str(one.bolt),
            str(one.spindle),
            one.program,
            NONE_SHOWN if one.torque_nm is None else f"{one.torque_nm:.1f} N·m",
            NONE_SHOWN if one.angle_deg is None else f"{one.angle_deg:.1f}°",
            state(_VERDICTS[Verdict(one.verdict)], words[Verdict(one.verdict)]),
            NONE_SHOWN if one.joint is None else joint_link(one.joint, states.get(one.joint_state, one.joint_state), tightening=one.id),
            tightening_link(one.id, t("Curve"), serial=serial) if one.has_curve else t("none"),
        ]
        for one in tightened[:MOST_SHOWN]
    ]
    summary = t("tightenings: {n}, not OK: {m}", n=len(tightened), m=wrong)
    content = [html.Summary(summary), table(heads, rows, caption=summary), *_more(len(tightened), t)]
    return html.Details(content, open=len(tightened) <= 12 or wrong > 0, className="tightenings")


def pictures(looks: Sequence[LookView], context: PageContext, t: Texts) -> Component:
    """Return the pictures of a piece with what was decided, what is not OK first."""
    order = sorted(looks, key=lambda one: (one.decision == "ok", one.taken_us))

    def card(one: LookView) -> Component:
        words = t("Picture of {station}", station=f"{one.station} / {one.view}")
        shown = (
            html.Img(src=f"/api/v1/frames/{one.frame}", alt=words)
            if one.has_picture
            else html.Div(t("not kept"), className="gone quiet small")
        )
        said = [
            state(_LOOKS.get(one.decision, "waiting"), decision_words(one.decision, t)),
            html.Span(f"{one.station} / {one.view}", className="small quiet"),
        ]
        return html.Figure(
            [
                inspection_link(one.id, shown),
                html.Figcaption([*said, html.Span(moment(one.taken_us, context.time_zone), className="small quiet")]),
            ]
        )

    return html.Div([html.Div([card(one) for one in order[:_PICTURES]], className="look-cards"), *_more(len(looks), t, _PICTURES)])


def route_table(one: SerialView, context: PageContext, t: Texts) -> Component:
    """Return what decided how a piece was made: recommendation, messages to controllers, design changes."""
    zone = context.time_zone
    heads = [(t("What"), False), (t("Which"), False), (t("How it stands"), False), (t("Time"), False), (t("Approved by"), False)]
    rows: list[list[Cell]] = []
    if one.route is not None:
        route = one.route
        which = recommendation_link(
            route.recommendation, t("Recommendation {n} for {product}", n=route.recommendation, product=route.product)
        )
        rows.append([t("Route"), which, stage_words(route.stage, t), moment(route.made_us, zone), route.approved_by])
        if route.delivery is not None:
            rows.append(
                [t("Route"), delivery_link(route.delivery, t("Delivery {n}", n=route.delivery)), NONE_SHOWN, NONE_SHOWN, NONE_SHOWN]
            )
    rows += [
        [
            kind_words(each.kind, t),
            delivery_link(each.number, t("Delivery {n} to {unit}", n=each.number, unit=each.work_unit)),
            delivery_stage_words(each.stage, t),
            moment(each.time_us, zone),
            each.approved_by or NONE_SHOWN,
        ]
        for each in one.deliveries[:MOST_SHOWN]
    ]
    rows += [
        [
            t("Design change"),
            design_change_link(each.id, f"{each.number}, {each.version}"),
            state("normal", t("holds for it")) if each.holds else t("does not hold for it"),
            t("from {serial}", serial=each.effective_from),
            NONE_SHOWN,
        ]
        for each in one.versions
    ]
    return table(heads, rows, caption=t("Why it was made so"), nothing=t("No recommendation, message or design change is about it."))


def plates_table(plates: Sequence[PlateView], context: PageContext, t: Texts) -> Component:
    """Return the sheets that parts for the order of a piece were cut from."""
    heads = [
        (t("Part order"), False),
        (t("Part"), False),
        (t("Nest"), False),
        (t("Sheet, lot"), False),
        (t("Heat"), False),
        (t("Material"), False),
        (t("Cut"), False),
    ]
    rows: list[list[Cell]] = [
        [
            part_order_link(one.part_order),
            one.part,
            nest_link(one.nest, str(one.nest)),
            item_link("lot", one.sheet) if one.cut_us is not None else one.sheet,
            item_link("heat", one.heat) if one.heat else NONE_SHOWN,
            t("{material}, {thickness} mm", material=one.material, thickness=f"{one.thickness_mm:g}"),
            t("not yet") if one.cut_us is None else moment(one.cut_us, context.time_zone, seconds=False),
        ]
        for one in plates[:MOST_SHOWN]
    ]
    return table(heads, rows, caption=t("Plates"))


def tree(branches: Sequence[BranchView], context: PageContext, t: Texts, *, nothing: str) -> Component:
    """Return a tree to open and close; what was taken out again is said to be."""
    if not branches:
        return html.P(nothing, className="quiet")
    below: dict[str, list[BranchView]] = {}
    for one in branches:
        below.setdefault(one.parent, []).append(one)

    def grown(parent: str, draw: Callable[[BranchView], Component]) -> Component:
        return html.Ul([html.Li(draw(one)) for one in below.get(parent, ())])

    def draw(one: BranchView) -> Component:
        hidden = one.further - len(below.get(one.id, ()))
        more = [html.P(t("and {n} more", n=hidden), className="small quiet")] if hidden > 0 else []
        if not below.get(one.id):
            return html.Div([_branch(one, context, t), *more])
        return html.Details([html.Summary(_branch(one, context, t)), grown(one.id, draw), *more], open=one.depth < _OPEN_DEPTH)

    made: Component = html.Div(grown("", draw), className="built-in-tree")
    return made


def _branch(one: BranchView, context: PageContext, t: Texts) -> Component:
    amount = (
        "" if one.quantity is None else t("{n} pieces", n=f"{one.quantity:g}") if one.unit in {"", "1"} else f"{one.quantity:g} {one.unit}"
    )
    about = [
        one.material,
        t("heat {heat}", heat=one.heat) if one.heat else "",
        one.place,
        amount,
        moment(one.built_us, context.time_zone, seconds=False),
    ]
    out = (
        [state("stale", t("taken out {time}: {why}", time=moment(one.out_us, context.time_zone, seconds=False), why=one.out_reason))]
        if one.out_us
        else []
    )
    nest: list[Component] = [nest_link(one.nest, t("nest {n}", n=one.nest))] if one.nest is not None else []
    words = " · ".join(part for part in about if part)
    return html.Span(
        [
            html.Span(f"{item_words(one.kind, t)} ", className="small quiet"),
            item_link(one.kind, one.name),
            html.Span(f" {words} ", className="small quiet"),
            *nest,
            *out,
        ],
        className="branch gone" if one.out_us else "branch",
    )


def recall_table(rows: Sequence[RecallView], context: PageContext, t: Texts) -> Component:
    """Return the pieces and lots that something stands in or stood in."""
    heads = [
        (t("Piece or lot"), False),
        (t("Holds it"), False),
        (t("Stands in"), False),
        (t("Came in with"), False),
        (t("Built in"), False),
        (t("Work unit"), False),
        (t("Customer order"), False),
        (t("Customer"), False),
    ]
    shown: list[list[Cell]] = [
        [
            html.Div([item_link(one.kind, one.name), html.Div(item_words(one.kind, t), className="small quiet")]),
            state("normal", t("yes")) if one.holds else state("stale", t("taken out: {why}", why=one.out_reason)),
            serial_link(one.stands_in) if one.stands_in else NONE_SHOWN,
            html.Div([item_link(one.by_kind, one.by_name), html.Div(one.place, className="small quiet")]),
            moment(one.built_us, context.time_zone, seconds=False),
            one.work_unit or NONE_SHOWN,
            order_link(one.order) if one.order else NONE_SHOWN,
            one.customer or NONE_SHOWN,
        ]
        for one in rows[:MOST_SHOWN]
    ]
    return html.Div([table(heads, shown, caption=t("For a recall"), nothing=t("It stands in nothing.")), *_more(len(rows), t)])


def _more(count: int, t: Texts, most: int = MOST_SHOWN) -> list[Component]:
    return [html.P(t("and {n} more", n=count - most), className="small quiet")] if count > most else []
