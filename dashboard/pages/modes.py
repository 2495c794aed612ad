"""Modes: how much is delivered to each work unit, why, how its controller does; closed loop by two persons, all ended at once."""

from __future__ import annotations

from typing import Any

from dash import ALL, Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component
from pydantic import ValidationError

from dashboard.context import PageContext, current_context
from dashboard.delivery_words import MODE_LOOKS, actor_words, dropped_words, mode_words
from dashboard.links import link
from dashboard.page_app import PageApp
from dashboard.pages.delivery_parts import process_banner
from dashboard.pages.parts import NONE_SHOWN, also, exports, facts, moment, notice, problems_of, state, table
from dashboard.services import Services
from dashboard.texts import Texts, texts_of
from dashboard.views_modes import DropDraft, LoopConfirmDraft, LoopDraft, ModeDraft, ModeView
from plant.delivery_modes import Mode
from plant.errors import Rejected, Unavailable
from storage.people import Role

_REFUSED = (Rejected, Unavailable, PermissionError, ValidationError, ValueError)
_LOST_TIMES = 3


def layout(context: PageContext, services: Services) -> Component:
    """Return the page; its table is drawn again every two seconds while the stream lives, a work unit when it is opened."""
    t = texts_of(context.language)
    return html.Div(
        className="recommendations modes",
        children=[
            html.Div([html.H1(t("Delivery modes")), *_drop(context, t)], className="window-head"),
            html.P(
                " ".join(
                    (
                        t("Off: nothing. Shadow: made and checked, never sent. Advisory: a person approves each."),
                        t("Closed loop: two persons allow it for hours."),
                    )
                ),
                className="quiet",
            ),
            html.Div(id="modes-said"),
            html.Div(
                html.Div(_list(services, context, t), id="modes-list", className="live"),
                **also(data_opens_word="modes-open"),
            ),
            html.Div(id="modes-shown"),
            dcc.Store(id="modes-open"),
            dcc.Store(id="modes-beat"),
            html.Div(**also(data_beat="modes-beat")),
        ],
    )


def register(app: PageApp, services: Services) -> None:
    """Draw the table with each beat, a work unit when it is opened, and take what people ask for."""

    @app.callback(Output("modes-list", "children"), Input("modes-beat", "data"), prevent_initial_call=True)
    def again(_beat: Any) -> Any:
        context = current_context()
        return _list(services, context, texts_of(context.language))

    @app.callback(
        Output("modes-shown", "children"), Output("modes-said", "children"), Input("modes-open", "data"), prevent_initial_call=True
    )
    def show(asked: str | None) -> tuple[Any, Any]:
        context = current_context()
        return (_one(services, context, texts_of(context.language), asked), "") if asked else (no_update, no_update)

    @app.callback(
        Output("modes-shown", "children", allow_duplicate=True),
        Output("modes-said", "children", allow_duplicate=True),
        Output("modes-list", "children", allow_duplicate=True),
        Input({"part": "modes-do", "unit": ALL, "act": ALL}, "n_clicks"),
        State({"part": "modes-mode", "unit": ALL}, "value"),
        State({"part": "modes-hours", "unit": ALL}, "value"),
        State({"part": "modes-reason", "unit": ALL}, "value"),
        State("modes-drop-reason", "value"),
        prevent_initial_call=True,
        role=Role.INSPECTOR,  # lower modes for inspectors, higher ones and closed loops for approvers: the service holds each to its own
    )
    def act(
        _clicks: list[int | None], modes: list[str | None], hours: list[Any], reasons: list[str | None], drop_reason: str | None
    ) -> tuple[Any, Any, Any]:
        asked = ctx.triggered_id
        if not ctx.triggered or not ctx.triggered[0]["value"] or not isinstance(asked, dict):
            return no_update, no_update, no_update
        context = current_context()
        t, unit = texts_of(context.language), str(asked["unit"])
        reason = drop_reason if asked["act"] == "drop" else reasons[0] if reasons else ""
        try:
            said = _done(services, context, t, unit, str(asked["act"]), modes, hours, (reason or "").strip()[:1000])
        except _REFUSED as error:
            return no_update, notice(problems_of(error, t), wrong=True), no_update
        shown = no_update if asked["act"] == "drop" else _one(services, context, t, unit)
        return shown, notice(said, wrong=False), _list(services, context, t)


def _done(
    services: Services, context: PageContext, t: Texts, unit: str, act: str, modes: list[str | None], hours: list[Any], reason: str
) -> str:
    """Do what a button means and return what is said of it. Raises Rejected where something is missing."""
    service, who = services.modes, context.person
    if act != "confirm" and len(reason) < 3:
        raise Rejected(t("Say in a word or two why."))
    match act:
        case "drop":
            dropped = service.drop_all(who, DropDraft(reason=reason)).work_units
            return t("Ended: {units}.", units=", ".join(dropped)) if dropped else t("No closed loop was at work.")
        case "set":
            if not modes or not modes[0]:
                raise Rejected(t("Choose a mode."))
            service.set(who, ModeDraft.model_validate({"work_unit": unit, "mode": modes[0], "reason": reason}))
            return t("The mode is set.")
        case "ask":
            service.ask(who, LoopDraft(work_unit=unit, hours=_hours(hours), reason=reason))
            return t("Asked. Another person confirms it within 15 minutes, on this page.")
        case "confirm":
            service.confirm(who, LoopConfirmDraft(work_unit=unit))
            return t("The closed loop has begun.")
        case _:
            raise Rejected(f"there is no act '{act}'")


def _hours(written: list[Any]) -> float:
    words = str(written[0] if written else "").strip().replace(",", ".")
    try:
        return float(words)
    except ValueError as error:
        raise Rejected(f"'{words[:40]}' is no number of hours") from error


def _drop(context: PageContext, t: Texts) -> list[Component]:
    """Return the one button that ends all closed loops; a second one confirms it."""
    if not context.may(Role.INSPECTOR):
        return []
    reason = dcc.Input(id="modes-drop-reason", type="text", maxLength=1000, autoComplete="off", placeholder=t("Why"))
    sure = html.Button(t("Yes, end all closed loops"), id={"part": "modes-do", "unit": "", "act": "drop"}, className="button first")
    summary = html.Summary(t("All to advisory"), className="button drop")
    return [html.Details([summary, html.Div([reason, sure], className="recommendation-answers")], className="modes-drop")]


def _list(services: Services, context: PageContext, t: Texts) -> list[Component]:
    try:
        found = services.modes.modes()
        now_us = services.plant.clock().now_us
    except Unavailable as error:
        return [notice(t("The database is away: {why}", why=error), wrong=True)]
    found.sort(key=lambda one: (one.asked is None, not one.troubles and not one.dropped, one.work_unit))
    heads = [(t("Work unit"), False), (t("Mode"), False), (t("Since"), False), (t("Controller"), False), (t("Heard"), False)]
    heads += [(t("Told"), False), (t("Counter"), True), (t("Waits"), False)]
    rows = [
        [
            html.Button(one.work_unit, className="tool small", **also(data_open_word=one.work_unit)),
            _mode(one, t),
            html.Div([moment(one.since_us, context.time_zone, seconds=False), html.Div(_by(one, t), className="small quiet wrap")]),
            _controller(one, t),
            _heard(one, now_us, t),
            _age(one.told_us),
            _counter(one, t),
            _waits(one, t),
        ]
        for one in found
    ]
    nothing = t("No work unit yet. Controllers stand under [delivery] in site.toml; docs/delivery.md tells how.")
    return [
        *process_banner(services, t),
        html.Div(
            table(heads, rows, caption=t("Work units"), below=exports("/api/v1/modes", t), nothing=nothing),
            className="panel recommendation-list",
        ),
    ]


def _mode(one: ModeView, t: Texts) -> Component:
    lines = [state(MODE_LOOKS.get(Mode(one.mode), "normal"), mode_words(one.mode, t))]
    if one.until_us is not None:
        lines.append(html.Div(html.Span("…", **also(data_until=str(one.until_us))), className="small"))
    if one.asked is not None:
        lines.append(html.Div(state("warning", t("closed loop asked for by {who}", who=one.asked.actor)), className="small"))
    if one.dropped:
        why = f"{t('fell back')}: {dropped_words(one.dropped, t)}"
        lines.append(html.Div(state("warning", why), className="small drop-words", title=one.reason))
    return html.Div(lines)


def _by(one: ModeView, t: Texts) -> str:
    if not one.actor:
        return t("from the beginning")
    who = actor_words(one.actor, t)
    return f"{who}, {one.second}" if one.second else who


def _controller(one: ModeView, t: Texts) -> Component:
    words = html.Span(one.controller or t("none in the settings"), className="wrap" if one.controller else "quiet")
    lines: list[Component] = [words, html.Div(" · ".join(word for word in (one.way, one.state) if word), className="small quiet wrap")]
    if one.ai_off:
        lines.append(html.Div(state("warning", t("AI off at the machine")), className="small"))
    lines += [
        html.Div(state("bad", _trouble(each.kind, t)), className="small", title=each.words)
        for each in one.troubles
        if each.kind != "mode_drop"
    ]
    return html.Div(lines)


def _trouble(kind: str, t: Texts) -> str:
    words = {
        "heartbeat": t("nothing is heard of it"),
        "counter": t("it counts otherwise: somebody else sends"),
        "in_doubt": t("a message is in doubt"),
        "read_back": t("it reads back something else"),
        "changeover": t("it was not switched over as one"),
    }
    return words.get(kind, kind)


def _heard(one: ModeView, now_us: int, t: Texts) -> Component | str:
    if one.heard_us is None:
        return html.Span(t("never"), className="quiet") if one.controller else NONE_SHOWN
    late = one.heartbeat_seconds is not None and now_us - one.heard_us > _LOST_TIMES * one.heartbeat_seconds * 1e6
    return html.Span(_age(one.heard_us), className="state bad nowrap" if late else "nowrap")


def _age(time_us: int | None) -> Component | str:
    return NONE_SHOWN if time_us is None else html.Span("…", className="small nowrap", **also(data_since=str(time_us)))


def _counter(one: ModeView, t: Texts) -> Component:
    words = t("accepted {n}, given {given}", n=one.counter, given=one.counter_given)
    return html.Span(f"{one.counter}/{one.counter_given}", title=words, className="number")


def _waits(one: ModeView, t: Texts) -> Component | str:
    lines: list[Component] = []
    if one.in_doubt:
        lines.append(html.Div(state("critical", t("{n} in doubt", n=one.in_doubt))))
    if one.proposed:
        lines.append(html.Div(state("warning", t("{n} to decide", n=one.proposed))))
    if one.under_way:
        lines.append(html.Div(html.Span(t("{n} under way", n=one.under_way), className="quiet")))
    return link(lines, "/deliveries", name="mode-waits") if lines else NONE_SHOWN


def _one(services: Services, context: PageContext, t: Texts, unit: str) -> list[Component]:
    try:
        one = next((each for each in services.modes.modes() if each.work_unit == unit), None)
        changes = services.modes.changes(unit, 20)
    except Unavailable as error:
        return [notice(problems_of(error, t), wrong=True)]
    if one is None:
        return [notice(t("There is no work unit {unit}.", unit=unit), wrong=True)]
    heads = [(t("Time"), False), (t("Mode"), False), (t("Until"), False), (t("Who"), False), (t("Confirmed by"), False), (t("Why"), False)]
    rows = [
        [
            moment(each.time_us, context.time_zone),
            mode_words(each.mode, t),
            moment(each.until_us, context.time_zone, seconds=False),
            actor_words(each.actor, t),
            each.second or NONE_SHOWN,
            html.Span(_why(each.actor, each.reason, t), className="wrap"),
        ]
        for each in changes
    ]
    asked = [] if one.asked is None else _asked(one, context, t)
    return [
        html.H2(unit),
        html.Div([facts(_facts(one, context, t)), *asked, *_acts(one, services, context, t)], className="panel"),
        html.Div(
            [
                html.H3(t("What happened")),
                table(
                    heads,
                    rows,
                    caption=t("What happened"),
                    below=exports("/api/v1/modes/changes", t, most=1000),
                    nothing=t("Nobody ever set a mode."),
                ),
            ],
            className="panel",
        ),
    ]


def _why(actor: str, reason: str, t: Texts) -> str:
    if actor != "delivery":
        return reason or NONE_SHOWN
    word, _, rest = reason.partition(": ")
    return ": ".join(each for each in (dropped_words(word, t), rest) if each)


def _facts(one: ModeView, context: PageContext, t: Texts) -> list[tuple[str, Any]]:
    return [
        (t("Mode"), mode_words(one.mode, t)),
        (t("Until"), moment(one.until_us, context.time_zone, seconds=False)),
        (t("Set by"), _by(one, t)),
        (t("Why"), html.Span(_why(one.actor, f"{one.dropped}: {one.reason}" if one.dropped else one.reason, t), className="wrap")),
        (t("Controller"), one.controller or NONE_SHOWN),
        (t("Way"), one.way or NONE_SHOWN),
        (t("Its state"), one.state or NONE_SHOWN),
        (t("AI off at the machine"), t("on") if one.ai_off else t("no")),
        (t("Counter accepted"), str(one.counter)),
        (t("Counter given"), str(one.counter_given)),
    ]


def _asked(one: ModeView, context: PageContext, t: Texts) -> list[Component]:
    asked = one.asked
    assert asked is not None  # noqa: S101 - the caller looked
    words = t("{who} asks for a closed loop of {hours} h: {why}", who=asked.actor, hours=f"{asked.hours:g}", why=asked.reason or NONE_SHOWN)
    left = html.Span("…", className="small quiet", **also(data_until=str(asked.lapses_us)))
    shown: list[Component] = [html.P([html.Strong(words), " ", left], className="wrap")]
    if asked.actor == context.person.name:
        return [*shown, html.P(t("You asked for it: another person confirms it."), className="quiet")]
    if not context.may(Role.APPROVER):
        return [*shown, html.P(t("Approvers confirm it here."), className="quiet")]
    return [
        *shown,
        html.Div(_button(one.work_unit, "confirm", t("Confirm the closed loop"), first=True), className="recommendation-answers"),
    ]


def _acts(one: ModeView, services: Services, context: PageContext, t: Texts) -> list[Component]:
    if not context.may(Role.INSPECTOR):
        return []
    unit, now = one.work_unit, Mode(one.mode)
    modes = [mode for mode in (Mode.OFF, Mode.SHADOW, Mode.ADVISORY) if mode is not now]
    if not context.may(Role.APPROVER):  # whoever sees something wrong may lower, approvers raise
        order = [Mode.OFF, Mode.SHADOW, Mode.ADVISORY, Mode.CLOSED_LOOP]
        modes = [mode for mode in modes if order.index(mode) < order.index(now)]
    words = t("End the closed loop") if now is Mode.CLOSED_LOOP else t("Set the mode")
    name, why = f"modes-mode-{unit}", f"modes-reason-{unit}"
    options = [{"value": mode.value, "label": mode_words(mode.value, t)} for mode in modes]
    chosen = Mode.ADVISORY.value if now is Mode.CLOSED_LOOP else None
    choice = dcc.Dropdown(id={"part": "modes-mode", "unit": unit}, options=options, value=chosen, placeholder=t("choose"), searchable=False)
    reason = dcc.Input(id={"part": "modes-reason", "unit": unit}, type="text", maxLength=1000, autoComplete="off")
    row = [
        html.Div([html.Label(t("Reason"), htmlFor=why, className="small quiet"), html.Div(reason, id=why)]),
        html.Div([html.Label(t("Another mode"), htmlFor=name, className="small quiet"), html.Div(choice, id=name)]),
        _button(unit, "set", words),
    ]
    if context.may(Role.APPROVER) and now is Mode.ADVISORY and one.asked is None:
        hours = dcc.Input(id={"part": "modes-hours", "unit": unit}, type="text", value=f"{services.modes.longest_hours():g}", size="4")
        row.append(html.Div([html.Label(t("Hours"), className="small quiet"), hours], className="modes-hours"))
        row.append(_button(unit, "ask", t("Ask for a closed loop")))
    return [html.Div(row, className="recommendation-answers")] if modes else []


def _button(unit: str, act: str, words: str, *, first: bool = False) -> Component:
    return html.Button(words, id={"part": "modes-do", "unit": unit, "act": act}, className="button first" if first else "button")
