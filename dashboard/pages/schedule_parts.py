"""Pieces of the schedule page: how the plan stands, one operation with its reasons, plans side by side, versions."""

from __future__ import annotations

from collections.abc import Sequence

from dash import dcc, html
from dash.development.base_component import Component

from dashboard.context import PageContext
from dashboard.pages.parts import NONE_SHOWN, Cell, age, also, duration, facts, moment, notice, state, table, whole
from dashboard.plan_words import cause_words, disturbance_words, job_words, lock_words, reason_words, version_words
from dashboard.services import Services
from dashboard.texts import Texts
from dashboard.views_plan import DisturbanceView, EditView, MeasuresView, OperationView, PlanStateView, PlanVersionView, ReasonView
from plant.errors import Unavailable
from storage.people import Role

_SECOND_US = 1_000_000


def head(found: PlanStateView, now_us: int, context: PageContext, t: Texts) -> list[Component]:
    """Return how the plan stands: which one, since when, why, what moved, and what the planner is at."""
    told: list[Component] = []
    live = found.live
    if live is None:
        told.append(notice(t("There is no plan yet. It is made as soon as there are orders and a process network.")))
    else:
        late = int(live.measures.get("late_jobs", 0))
        pairs: list[tuple[str, Cell]] = [
            (t("Plan"), f"{live.id}"),
            (t("Made"), html.Span(t("{age} ago", age=age(live.made_us, now_us, t)), title=moment(live.made_us, context.time_zone))),
            (t("Why"), html.Span(reason_words(live.reason, t), title=cause_words(live.causes, t))),
            (t("Moved operations"), whole(live.moved)),
            (t("Parts"), whole(live.jobs)),
            (t("Late"), state("warning", whole(late)) if late else whole(0)),
        ]
        if found.waiting_edits:
            pairs.append((t("Edits that wait"), whole(found.waiting_edits)))
        told.append(facts(pairs))
    told += [_progress(f"{job_words(job, t)}: {job.step}" if job.step else job_words(job, t), job.share, t) for job in found.jobs]
    if not found.optimizer_runs:
        told.append(notice(t("The optimizer does not run: the plan stays as it is.")))
    return told


def _progress(words: str, share: float, t: Texts) -> Component:
    bar = html.Progress(value=f"{share:.2f}", max="1", **also(aria_label=words))
    return html.Div(
        [html.Span(t("The planner {does}", does=words)), bar, html.Span(f"{share:.0%}", className="number")], className="schedule-job small"
    )


def legend(t: Texts) -> Component:
    """Return what shapes and colours mean."""
    entries = [
        ("", t("as planned")),
        ("started", t("under way")),
        ("setup", t("setup")),
        ("late", t("its part will be late")),
        ("stop", t("stands still")),
        ("closed", t("closed")),
        ("frozen", t("frozen zone")),
        ("moved", t("moved against the reference")),
    ]
    return html.Ul([html.Li([html.I(className=name), words]) for name, words in entries], className="schedule-legend")


def nothing_chosen(t: Texts) -> list[Component]:
    """Return what to do, while no operation is chosen."""
    keys = [
        ("← →", t("the operation before or after")),
        ("↑ ↓", t("the lane above or below")),
        ("Shift ← →", t("earlier or later")),
        ("+ -", t("zoom, also Ctrl and the wheel")),
        ("Home, End", t("now, the whole plan")),
        ("M", t("move without dragging")),
        ("F", t("find")),
    ]
    return [
        html.H2(t("Why here, why late?")),
        html.P(t("Choose an operation: a click, a tap, or the keys.")),
        html.Dl([html.Div([html.Dt(html.Kbd(key)), html.Dd(words)]) for key, words in keys], className="facts keys"),
    ]


def one_operation(found: OperationView, context: PageContext, t: Texts) -> list[Component]:
    """Return one operation: its facts, why it is here, why it is late, what else there is."""
    line, zone = found.line, context.time_zone
    late = state("warning", t("late by {span}", span=duration(line.late_us, t))) if line.late_us else state("normal", t("in time"))
    pairs: list[tuple[str, Cell]] = [
        (t("Part"), html.A(line.job, href=f"/orders?number={line.order}") if line.order else line.job),
        (t("Product"), line.product or NONE_SHOWN),
        (t("Unit"), line.unit),
        (t("Start"), moment(line.start_us, zone, seconds=False)),
        (t("End"), moment(line.end_us, zone, seconds=False)),
        (t("Due"), moment(line.due_us, zone, seconds=False)),
        (t("State"), late),
    ]
    if line.setup_us < line.start_us:
        pairs.append((t("Setup"), duration(line.start_us - line.setup_us, t)))
    if line.lock:
        pairs.append((t("Stands fast"), lock_words(line.lock, t)))
    return [
        html.H2(f"{line.operation}"),
        facts(pairs),
        *_reasons(t("Why then"), found.why_here),
        *_reasons(t("Why on this unit"), found.why_unit),
        *_reasons(t("Why late"), found.why_late),
        *_alternatives(found, t),
        *_path(found, zone, t),
    ]


def _reasons(title: str, reasons: Sequence[ReasonView]) -> list[Component]:
    if not reasons:
        return []
    items = [html.Li(one.words, className="root" if one.root else "") for one in reasons]
    return [html.H3(title), html.Ul(items, className="schedule-why")]


def _alternatives(found: OperationView, t: Texts) -> list[Component]:
    others = [one for one in found.alternatives if not one.is_planned]
    if not others:
        return [html.H3(t("Alternatives")), html.P(t("No other unit can do it."), className="small quiet")]
    items = [html.Li(f"{one.unit}: {duration(one.duration_us, t)}") for one in others]
    return [html.H3(t("Alternatives")), html.Ul(items, className="schedule-why")]


def _path(found: OperationView, zone: str, t: Texts) -> list[Component]:
    rows = [
        html.Li(
            f"{moment(one.start_us, zone, seconds=False)[5:]} {one.operation} · {one.unit}",
            className="root" if one.row == found.line.row else "",
        )
        for one in found.path
    ]
    return [
        html.Details([html.Summary(t("Its way through the plant")), html.Ol(rows, className="schedule-why")], className="schedule-table")
    ]


def _button(words: str, act: str, of: str) -> Component:
    made: Component = html.Button(words, id={"part": "plan-act", "act": act, "of": of}, className="tool small")
    return made


def _shower(words: str, number: int) -> Component:
    made: Component = html.Button(words, className="tool small", **also(data_open=str(number)))
    return made


def side_by_side(worth: Sequence[tuple[PlanVersionView, MeasuresView]], context: PageContext, t: Texts) -> list[Component]:
    """Return the plan that holds, the reference and what-ifs with their measures in columns."""
    if len(worth) < 2:
        return []
    may = context.may(Role.ENGINEER)
    base = worth[0][1]

    def cell(value: float, than: float, words: str) -> Component:
        sign = "" if value == than else " ▲" if value > than else " ▼"
        return html.Span(f"{words}{sign}", className="number", style={"fontWeight": 600 if value > than else 400})

    def span(seconds: float) -> str:
        return duration(round(seconds * _SECOND_US), t)

    heads = [(t("Measure"), False), *((_title(one, t), True) for one, _ in worth)]
    rows: list[list[Cell]] = [
        [t("Late parts"), *(cell(w.late_jobs, base.late_jobs, whole(w.late_jobs)) for _, w in worth)],
        [t("Lateness, weighted"), *(cell(w.tardiness_s, base.tardiness_s, span(w.tardiness_s)) for _, w in worth)],
        [t("Whole plan"), *(cell(w.makespan_s, base.makespan_s, span(w.makespan_s)) for _, w in worth)],
        [t("Setups"), *(cell(w.setup_s, base.setup_s, span(w.setup_s)) for _, w in worth)],
        [t("Moved operations"), *(whole(w.moved) for _, w in worth)],
        ["", *(_what_if_acts(one, t, may=may) for one, _ in worth)],
    ]
    return [html.H2(t("Side by side")), html.Div(table(heads, rows, caption=t("Side by side")), className="panel measures")]


def _title(one: PlanVersionView, t: Texts) -> str:
    if one.is_live:
        return t("{plan}, holds", plan=version_words(one, t))
    return t("{plan}, reference", plan=version_words(one, t)) if one.is_reference else version_words(one, t)


def _what_if_acts(one: PlanVersionView, t: Texts, *, may: bool) -> Component:
    acts = [_shower(t("Show"), one.id)]
    if may and one.kind == "what_if":
        acts += [_button(t("Take over"), "adopt", str(one.id)), _button(t("Throw away"), "forget", one.name)]
    return html.Div(acts, className="schedule-acts-row", style={"justifyContent": "flex-end"})


def disturbances(found: Sequence[DisturbanceView], context: PageContext, t: Texts) -> list[Component]:
    """Return what came between and goes on."""
    if not found:
        return []
    may = context.may(Role.ENGINEER)
    heads = [
        (t("What"), False),
        (t("Where"), False),
        (t("Since"), False),
        (t("Until"), False),
        (t("Told by"), False),
        (t("Note"), False),
        ("", False),
    ]
    rows = [
        [
            state("critical" if one.kind == "breakdown" else "warning", disturbance_words(one.kind, t)),
            one.subject,
            moment(one.from_us, context.time_zone, seconds=False),
            moment(one.until_us, context.time_zone, seconds=False) if one.until_us else t("nobody knows"),
            one.actor or one.source,
            html.Span(one.note, className="wrap"),
            _button(t("It is over"), "end", str(one.id)) if may else "",
        ]
        for one in found
    ]
    return [html.H2(t("What came between")), html.Div(table(heads, rows, caption=t("What came between")), className="panel")]


def edits(found: Sequence[EditView], context: PageContext, t: Texts) -> list[Component]:
    """Return what people did lately, and what became of it."""
    if not found:
        return []
    acts = {"move": t("moved"), "lock": t("locked"), "unlock": t("unlocked")}
    looks = {
        "waiting": ("waiting", t("waiting")),
        "taken": ("normal", t("in the plan")),
        "refused": ("warning", t("refused")),
        "ended": ("stale", t("ended")),
    }
    heads = [(t("Time"), False), (t("Who"), False), (t("What"), False), (t("Part"), False), (t("To"), False), (t("State"), False)]
    rows = [
        [
            moment(one.time_us, context.time_zone, seconds=False),
            one.actor,
            f"{one.operation}: {acts.get(one.act, one.act)}",
            one.job,
            f"{one.unit or ''} {moment(one.start_us, context.time_zone, seconds=False) if one.start_us else ''}".strip() or NONE_SHOWN,
            html.Div([state(*looks.get(one.state, ("normal", one.state))), html.Div(one.answer, className="small wrap")]),
        ]
        for one in found
    ]
    return [html.H2(t("Edits by people")), html.Div(table(heads, rows, caption=t("Edits by people")), className="panel")]


def versions(found: Sequence[PlanVersionView], context: PageContext, t: Texts) -> list[Component]:
    """Return the last versions with why they were made and how much moved."""
    if not found:
        return []
    may = context.may(Role.ENGINEER)
    heads = [(t("Plan"), True), (t("Made"), False), (t("Why"), False), (t("By"), False), (t("Moved"), True), (t("Late"), True), ("", False)]
    rows = []
    for one in found:
        acts: list[Component] = [_shower(t("Show"), one.id)] if one.whole else []
        if may and one.whole and not one.is_live:
            acts.append(_button(t("Hold again"), "restore", str(one.id)))
        if may and one.whole and not one.is_reference:
            acts.append(_button(t("As reference"), "reference", str(one.id)))
        marks = [word for word, true in ((t("holds"), one.is_live), (t("reference"), one.is_reference)) if true]
        rows.append(
            [
                html.Strong(str(one.id)) if one.is_live else str(one.id),
                moment(one.made_us, context.time_zone),
                html.Div([reason_words(one.reason, t), html.Div(cause_words(one.causes, t), className="small quiet wrap")]),
                one.actor or t("the optimizer"),
                whole(one.moved),
                whole(int(one.measures.get("late_jobs", 0))),
                html.Div([*(html.Span(mark, className="small quiet") for mark in marks), *acts], className="schedule-acts-row"),
            ]
        )
    return [html.H2(t("Versions")), html.Div(table(heads, rows, caption=t("Versions")), className="panel")]


def what_if_form(services: Services, t: Texts) -> list[Component]:
    """Return the fields to ask what if."""
    try:
        units = list(services.schedule.units())
    except Unavailable:
        units = []

    def field(name: str, words: str, hint: str = "") -> Component:
        given = dcc.Input(id=f"what-if-{name}", type="text", autoComplete="off", maxLength=200, placeholder=hint)
        return html.Div([html.Label(words, htmlFor=f"what-if-{name}"), given])

    unit = html.Div(
        [
            html.Label(t("Unit that stands still"), htmlFor="what-if-unit"),
            dcc.Dropdown(id="what-if-unit", options=units, placeholder=t("none")),
        ]
    )
    return [
        html.H2(t("What if?")),
        html.Div(
            className="panel",
            children=[
                html.P(
                    t("A copy of the plan is made with it; nobody follows the copy until somebody takes it over."), className="small quiet"
                ),
                html.Div([field("name", t("Name"), t("e.g. robot-2 down until noon"))], className="what-if-fields"),
                html.H3(t("A breakdown")),
                html.Div([unit, field("minutes", t("Minutes from now"), "90")], className="what-if-fields"),
                html.H3(t("A rush order")),
                html.Div(
                    [
                        field("number", t("Order number")),
                        field("product", t("Product")),
                        field("quantity", t("Parts"), "1"),
                        field("due", t("Due"), "2026-12-24 14:00"),
                    ],
                    className="what-if-fields",
                ),
                html.H3(t("Another priority")),
                html.Div([field("order", t("Order number")), field("priority", t("Priority, 1 to 9"), "9")], className="what-if-fields"),
                html.Button(t("Try it"), id="what-if-ask", className="button first"),
                html.Div(id="what-if-said"),
            ],
        ),
    ]
