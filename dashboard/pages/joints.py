"""Joints: how each flange stands, where its bolts are and what became of them, why, and what an inspector decides."""

from __future__ import annotations

import json
from typing import Any

from dash import ALL, Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component

from dashboard.context import PageContext, current_context
from dashboard.inspection_words import decision_words
from dashboard.links import asked, asked_number, serial_link
from dashboard.page_app import PageApp
from dashboard.pages.parts import NONE_SHOWN, also, exports, facts, moment, notice, problems_of, state, table
from dashboard.services import Services
from dashboard.texts import Texts, texts_of
from dashboard.views_joints import JointDecisionDraft, JointGroupView, JointView, SpindleView
from plant.errors import Rejected, Unavailable
from plant.joints import JointGroupPlan, JointState, spot_on_circle
from storage.people import Role

_FLANGES = 12
_CASES = 12
_LOOKS = {"released": "normal", "waiting": "waiting", "case": "warning", "stopped": "critical"}


def layout(context: PageContext, services: Services) -> Component:
    """Return the page with the newest flange that needs a person, or the newest one."""
    t = texts_of(context.language)
    return html.Div(
        [
            html.H1(t("Joints")),
            html.P(t("A bolt is released only when torque and angle, order and mark agree."), className="quiet"),
            html.Div(id="joint-said"),
            html.Div(_lists(services, context, t), id="joint-lists", className="live"),
            html.Div(_flange(services, context, t, None), id="joint-flange"),
            html.Div(_first(services, context, t), id="joint-shown"),
            html.H2(t("Curve")),
            html.Div(
                className="panel",
                children=[
                    html.Div(className="curve", **also(data_curve=json.dumps({"zone": context.time_zone}))),
                    html.Div(
                        className="legend",
                        children=[
                            html.Span([html.I(className="limit2"), t("window of torque and angle")]),
                            html.Span([html.I(className="reference"), t("last OK curves of the same spindle and program")]),
                            html.Span([html.I(className="learned"), t("where good runs of the program lie")]),
                        ],
                    ),
                ],
            ),
            dcc.Store(id="joint-beat"),
            html.Div(**also(data_beat="joint-beat")),
        ]
    )


def register(app: PageApp, services: Services) -> None:
    """Draw the lists with each beat, a flange and a joint when they are asked for, and take decisions."""
    _register_named(app, services)

    @app.callback(Output("joint-lists", "children"), Input("joint-beat", "data"), prevent_initial_call=True)
    def again(_beat: Any) -> Any:
        context = current_context()
        return _lists(services, context, texts_of(context.language))

    @app.callback(
        Output("joint-flange", "children"),
        Output("joint-shown", "children", allow_duplicate=True),
        Input({"part": "joint-flange", "group": ALL, "serial": ALL}, "n_clicks"),
        prevent_initial_call=True,
    )
    def flange(_clicks: list[int | None]) -> tuple[Any, Any]:
        asked = ctx.triggered_id
        if not ctx.triggered or not ctx.triggered[0]["value"] or not isinstance(asked, dict):
            return no_update, no_update
        context = current_context()
        return _flange(services, context, texts_of(context.language), (asked["group"], asked["serial"])), []

    @app.callback(
        Output("joint-shown", "children", allow_duplicate=True),
        Output("joint-said", "children", allow_duplicate=True),
        Input({"part": "joint-open", "joint": ALL, "place": ALL}, "n_clicks"),
        prevent_initial_call=True,
    )
    def show(_clicks: list[int | None]) -> tuple[Any, Any]:
        asked = ctx.triggered_id
        if not ctx.triggered or not ctx.triggered[0]["value"] or not isinstance(asked, dict):
            return no_update, no_update
        context = current_context()
        return _joint(services, context, texts_of(context.language), int(asked["joint"])), ""

    @app.callback(
        Output("joint-shown", "children", allow_duplicate=True),
        Output("joint-said", "children", allow_duplicate=True),
        Input({"part": "joint-decide", "joint": ALL, "decision": ALL}, "n_clicks"),
        State({"part": "joint-note", "joint": ALL}, "value"),
        prevent_initial_call=True,
        role=Role.INSPECTOR,
    )
    def decide(_clicks: list[int | None], notes: list[str | None]) -> tuple[Any, Any]:
        asked = ctx.triggered_id
        if not ctx.triggered or not ctx.triggered[0]["value"] or not isinstance(asked, dict):
            return no_update, no_update
        context = current_context()
        t = texts_of(context.language)
        note = (notes[0] if notes else "") or ""
        if len(note.strip()) < 3:
            return no_update, notice(t("Say why: what was looked at, and what was found."), wrong=True)
        try:
            draft = JointDecisionDraft(decision=asked["decision"], note=note.strip()[:1000])
            added = services.joints.decide(context.person, int(asked["joint"]), draft)
        except (Rejected, Unavailable, PermissionError, ValueError) as error:
            return no_update, notice(problems_of(error, t), wrong=True)
        return _joint(services, context, t, added), notice(t("The decision is kept."))


def _lists(services: Services, context: PageContext, t: Texts) -> list[Component]:
    try:
        flanges = services.joints.groups(most=_FLANGES)
        cases = services.joints.joints(cases=True, most=_CASES, language=context.language)
    except Unavailable as error:
        return [notice(t("The database is away: {why}", why=error), wrong=True)]
    return [html.Div([_flanges(flanges, context, t), _cases(cases, t)], className="vision-side-by-side")]


def _flanges(flanges: list[JointGroupView], context: PageContext, t: Texts) -> Component:
    heads = [(t("Part"), False), (t("Released"), True), (t("Waiting"), True), (t("Cases"), True), (t("State"), False), (t("Last"), False)]
    rows = [
        [
            html.Button(
                one.part or NONE_SHOWN, id={"part": "joint-flange", "group": one.group, "serial": one.part}, className="tool small"
            ),
            f"{one.released}/{one.bolts}",
            str(one.waiting),
            str(one.cases + one.stopped),
            _state(one.state, t),
            moment(one.end_us, context.time_zone)[11:],
        ]
        for one in flanges
    ]
    nothing = t("No joints yet. Name a flange in 'joint_groups' of the settings.")
    return html.Div(
        [
            html.H2(t("Flanges")),
            table(heads, rows, caption=t("Flanges"), below=exports("/api/v1/joints/groups", t, most=5000), nothing=nothing),
        ],
        className="panel",
    )


def _cases(cases: list[JointView], t: Texts) -> Component:
    heads = [(t("Part"), False), (t("Bolt"), True), (t("State"), False), (t("Why"), False)]
    rows = [
        [
            _opener(one.part, {"part": "joint-open", "joint": one.id, "place": "case"}),
            str(one.bolt),
            _state(one.state, t),
            html.Span(one.reasons[0].words if one.reasons else "", className="small"),
        ]
        for one in cases
    ]
    shown = table(heads, rows, caption=t("For a person"), below=exports("/api/v1/joints", t, most=5000), nothing=t("No case is open."))
    return html.Div([html.H2(t("For a person")), shown], className="panel")


def _register_named(app: PageApp, services: Services) -> None:
    @app.callback(
        Output("joint-flange", "children", allow_duplicate=True),
        Output("joint-shown", "children", allow_duplicate=True),
        Input("address", "search"),
        prevent_initial_call="initial_duplicate",
    )
    def named(search: str | None) -> tuple[Any, Any]:
        given = asked(search)
        context = current_context()
        t = texts_of(context.language)
        joint = asked_number(given, "joint")
        if joint is not None:
            return _named_joint(services, context, t, joint)
        if given.get("group") and given.get("part"):
            return _flange(services, context, t, (given["group"], given["part"])), []
        return no_update, no_update


def _named_joint(services: Services, context: PageContext, t: Texts, number: int) -> tuple[Any, Any]:
    """Return the flange of a joint that an address names, and the joint."""
    try:
        one = services.joints.revisions(number, context.language)[-1]
    except (Rejected, Unavailable) as error:
        return no_update, [notice(problems_of(error, t), wrong=True)]
    return _flange(services, context, t, (one.group, one.part)), _joint(services, context, t, number)


def _opener(part: str, name: dict[str, Any]) -> Component:
    return html.Button(part or NONE_SHOWN, id=name, className="tool small")


def _flange(services: Services, context: PageContext, t: Texts, asked: tuple[str, str] | None) -> list[Component]:
    """Return the map of a flange: each bolt where it stands, with what became of it."""
    try:
        found = services.joints.groups(group=asked[0], part=asked[1], most=1) if asked else _wanted(services.joints.groups(most=_FLANGES))
        if not found:
            return []
        one = found[0]
        bolts = services.joints.joints(group=one.group, part=one.part, most=1000, language=context.language)
        spindles = services.joints.spindles(one.group, context.language)
    except Unavailable:
        return []
    plan = services.joints.plan(one.group)
    known = {each.bolt: each for each in bolts if each.part == one.part}
    place = [_bolt(number, known.get(number), plan, one.bolts, t) for number in range(1, one.bolts + 1)]
    circle = html.Div(
        className="panel joint-flange",
        children=[
            html.Div([html.Div([html.Strong(f"{one.released}/{one.bolts}"), _state(one.state, t)], className="joint-hub"), *place]),
            html.Div([_state(name, t) for name in _LOOKS], className="legend"),
        ],
    )
    return [
        html.H2([f"{one.group if plan is None else plan.name}, ", serial_link(one.part) if one.part else NONE_SHOWN]),
        html.Div([circle, _spindles(spindles, context, t)], className="vision-side-by-side") if spindles else circle,
    ]


def _spindles(spindles: list[SpindleView], context: PageContext, t: Texts) -> Component:
    """Return how the spindles that tighten at once stand among each other, and what to do about it."""
    heads = [(t("Spindle"), True), (t("Reads more by"), True), (t("State"), False), (t("Advice"), False)]
    rows = [
        [
            str(one.spindle),
            NONE_SHOWN if one.standing == "unsure" else f"{100 * one.apart:+.1f} % ({100 * one.low:+.1f} … {100 * one.high:+.1f})",
            _standing(one.standing, t),
            html.Span(
                [one.words, f" {t('Since {time}.', time=moment(one.since_us, context.time_zone))}" if one.since_us else ""],
                className="small",
            ),
        ]
        for one in spindles
    ]
    return html.Div(
        className="panel",
        children=[
            html.H3(t("Spindles, compared")),
            table(heads, rows, caption=t("Spindles, compared")),
            html.P(
                t("Each against the others of its round, by the gradient of torque over angle: joints and lot are the same for all."),
                className="small quiet",
            ),
        ],
    )


def _standing(name: str, t: Texts) -> Component:
    words = {"even": t("like the others"), "apart": t("stands apart"), "drifted": t("drifted"), "unsure": t("too few rounds")}[name]
    return state({"even": "normal", "unsure": "waiting"}.get(name, "warning"), words)


def _wanted(flanges: list[JointGroupView]) -> list[JointGroupView]:
    """Return the flange to begin with: the newest that needs a person, else the newest."""
    return [one for one in flanges if one.cases or one.stopped][:1] or flanges[:1]


def _bolt(number: int, one: JointView | None, plan: JointGroupPlan | None, bolts: int, t: Texts) -> Component:
    right, up = spot_on_circle(number, bolts) if plan is None else plan.spot(number)
    where = {"left": f"{50 + 43 * right:.2f}%", "top": f"{50 - 43 * up:.2f}%"}
    if one is None:
        return html.Span(str(number), className="joint-bolt none", style=where, title=t("not tightened yet"))
    words = _state_words(one.state, t)
    named = also(aria_label=t("Bolt {n}: {state}", n=number, state=words))
    return html.Button(
        str(number),
        id={"part": "joint-open", "joint": one.id, "place": "map"},
        className=f"joint-bolt {_LOOKS[one.state]}",
        style=where,
        title=words,
        **named,
    )


def _first(services: Services, context: PageContext, t: Texts) -> list[Component]:
    """Return the joint to begin with: the newest case, else nothing."""
    try:
        cases = services.joints.joints(cases=True, most=1)
    except Unavailable:
        return []
    return _joint(services, context, t, cases[0].id) if cases else []


def _joint(services: Services, context: PageContext, t: Texts, number: int) -> list[Component]:
    try:
        told = services.joints.revisions(number, context.language)
    except (Rejected, Unavailable) as error:
        return [notice(problems_of(error, t), wrong=True)]
    one = told[-1]
    decisions = [(t("Torque and angle"), one.curve), (t("Order"), one.order), (t("Mark"), one.mark)]
    words = t("Show the curve of tightening {n}", n=one.tightening)
    named = also(data_tightening=str(one.tightening), data_joint=str(one.id), aria_label=words)
    opener = html.Button(t("Show the curve"), className="tool", **named)
    return [
        html.H2(t("Bolt {n} of {part}", n=one.bolt, part=one.part or NONE_SHOWN)),
        html.Div(
            className="vision-side-by-side",
            children=[
                html.Div(
                    className="panel",
                    children=[
                        html.Div([_state(one.state, t), opener], className="vision-head"),
                        html.Ul([html.Li(reason.words) for reason in one.reasons], className="joint-reasons"),
                        facts([(name, decision_words(decision, t) if decision else t("missing")) for name, decision in decisions]),
                        html.P(
                            t("How sure faults are found was shown on simulated joints, not on real faulty ones."), className="small quiet"
                        ),
                        *_decide(one, context, t),
                    ],
                ),
                html.Div([facts(_facts(one, context, t)), _history(told, context, t)], className="panel"),
            ],
        ),
    ]


def _facts(one: JointView, context: PageContext, t: Texts) -> list[tuple[str, Any]]:
    zone = context.time_zone
    figures = (
        (t("Torque"), "torque_nm", "N·m"),
        (t("Angle of the last step"), "last_step_angle_deg", "°"),
        (t("Run-down"), "run_down_deg", "°"),
        (t("Torque of the run-down"), "run_down_nm", "N·m"),
        (t("Gradient"), "gradient_nm_per_deg", "N·m/°"),
    )
    picture = html.A(one.picture[:12], href=f"/api/v1/frames/{one.picture}", target="_blank") if one.picture else t("none yet")
    far = (
        NONE_SHOWN if one.distance is None else t("{far} of {limit} spreads", far=f"{one.distance:.1f}", limit=f"{one.review_at or 0:.1f}")
    )
    return [
        (t("Part"), serial_link(one.part) if one.part else NONE_SHOWN),
        *((name, NONE_SHOWN if key not in one.measures else f"{one.measures[key]:.1f} {unit}") for name, key, unit in figures),
        (t("From good runs"), far),
        (t("Good runs known"), str(one.reference_runs)),
        (t("Risk category"), one.risk.upper()),
        (t("Tightened"), moment(one.time_us, zone)),
        (t("Spindle"), NONE_SHOWN if one.spindle is None else str(one.spindle)),
        (t("Tool"), one.tool or NONE_SHOWN),
        (t("Calibrated"), moment(one.tool_calibrated_us, zone, seconds=False)[:10]),
        (t("Picture"), picture),
    ]


def _history(told: list[JointView], context: PageContext, t: Texts) -> Component:
    heads = [(t("Time"), False), (t("State"), False), (t("By"), False)]
    rows = [[moment(one.made_us, context.time_zone), _state(one.state, t), one.actor or NONE_SHOWN] for one in told[-8:]]
    return table(heads, rows, caption=t("What was said of this joint"))


def _decide(one: JointView, context: PageContext, t: Texts) -> list[Component]:
    if one.state == JointState.RELEASED.value:
        return []
    if not context.may(Role.INSPECTOR):
        return [html.P(t("Inspectors decide here."), className="quiet")]
    choices = (("released", t("Release this bolt")), ("stopped", t("Stop this bolt")))
    return [
        html.Label(
            [
                t("Why"),
                dcc.Input(
                    id={"part": "joint-note", "joint": one.id}, type="text", maxLength=1000, autoComplete="off", className="joint-note"
                ),
            ]
        ),
        html.Div(
            [
                html.Button(words, id={"part": "joint-decide", "joint": one.id, "decision": decision}, className="tool")
                for decision, words in choices
            ],
            className="vision-head",
        ),
    ]


def _state(name: str, t: Texts) -> Component:
    return state(_LOOKS[name], _state_words(name, t))


def _state_words(name: str, t: Texts) -> str:
    return {"released": t("released"), "waiting": t("waits"), "case": t("for a person"), "stopped": t("stopped")}[name]
