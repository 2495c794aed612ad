"""Process windows: drafts that wait for approval, what is in force with what is in use inside, versions and what differs between them."""

from __future__ import annotations

from typing import Any

from dash import ALL, Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component
from pydantic import ValidationError

from dashboard.context import PageContext, current_context
from dashboard.page_app import PageApp
from dashboard.pages.parts import NONE_SHOWN, also, exports, moment, notice, problems_of, state, table
from dashboard.pages.window_form import form, read_form
from dashboard.pages.window_parts import changes_shown, place_words, range_bar, span_words, with_unit
from dashboard.services import Services
from dashboard.texts import Texts, texts_of
from dashboard.views_windows import ProcessWindowView, WindowDraftView, WindowParameterView, WindowRefusalDraft, WindowSetView
from plant.errors import Rejected, SettingsError, Unavailable
from storage.people import Role

_REFUSED = (Rejected, Unavailable, PermissionError, ValidationError, ValueError, SettingsError)


def layout(context: PageContext, services: Services) -> Component:
    """Return the page; nothing on it moves by itself while somebody reads or writes."""
    t = texts_of(context.language)
    return html.Div(
        className="recommendations windows",
        children=[
            html.H1(t("Process windows")),
            html.P(
                t("Hard limits of what may be recommended and sent. One person writes them, another approves them; nothing learns them."),
                className="quiet",
            ),
            html.Div(id="windows-said"),
            html.Div(_drafts(services, context, t), id="windows-drafts"),
            html.H2(t("In force")),
            html.Div(_in_force(services, context, t), id="windows-in-force"),
            html.H2(t("Versions")),
            html.Div(_versions(services, context, t), id="windows-versions", className="panel", **also(data_opens="windows-compare")),
            html.Div(id="windows-compared"),
            dcc.Store(id="windows-compare"),
        ],
    )


def register(app: PageApp, services: Services) -> None:
    """Show what differs, open the form, take drafts and decisions."""
    _register_compare(app, services)
    _register_write(app, services)
    _register_decide(app, services)


def _register_compare(app: PageApp, services: Services) -> None:
    @app.callback(Output("windows-compared", "children"), Input("windows-compare", "data"), prevent_initial_call=True)
    def compare(asked: int | None) -> Any:
        if not isinstance(asked, int):
            return no_update
        t = texts_of(current_context().language)
        try:
            changes = services.windows.changes(asked - 1, asked)
        except (Rejected, Unavailable, SettingsError) as error:
            return notice(problems_of(error, t), wrong=True)
        head = t("Version {newer} against version {older}", newer=asked, older=asked - 1) if asked > 1 else t("Version 1")
        return html.Div([html.H3(head), *changes_shown(changes, t)], className="panel")


def _register_write(app: PageApp, services: Services) -> None:
    @app.callback(
        Output("windows-in-force", "children"),
        Input({"part": "windows-write", "number": ALL}, "n_clicks"),
        prevent_initial_call=True,
        role=Role.ENGINEER,
    )
    def write(_clicks: list[int | None]) -> Any:
        asked = ctx.triggered_id
        if not ctx.triggered or not ctx.triggered[0]["value"] or not isinstance(asked, dict):
            return no_update
        context = current_context()
        t, number = texts_of(context.language), int(asked["number"])
        try:
            return _in_force(services, context, t, number, form(_numbered(services, number), number, t))
        except _REFUSED as error:
            return [notice(problems_of(error, t), wrong=True)]

    @app.callback(
        Output("windows-form-said", "children"),
        Output("windows-in-force", "children", allow_duplicate=True),
        Output("windows-drafts", "children"),
        Input({"part": "windows-propose", "number": ALL}, "n_clicks"),
        State({"part": "windows-field", "of": ALL, "name": ALL, "field": ALL}, "value"),
        State({"part": "windows-field", "of": ALL, "name": ALL, "field": ALL}, "id"),
        State({"part": "windows-why", "number": ALL}, "value"),
        prevent_initial_call=True,
        role=Role.ENGINEER,
    )
    def propose(_clicks: list[int | None], values: list[Any], ids: list[dict[str, str]], notes: list[str | None]) -> tuple[Any, Any, Any]:
        asked = ctx.triggered_id
        if not ctx.triggered or not ctx.triggered[0]["value"] or not isinstance(asked, dict):
            return no_update, no_update, no_update
        context = current_context()
        t, number = texts_of(context.language), int(asked["number"])
        try:
            draft = read_form(services, _numbered(services, number), ids, values, (notes[0] if notes else "") or "")
            kept = services.windows.propose(context.person, draft)
        except _REFUSED as error:
            return notice(problems_of(error, t), wrong=True), no_update, no_update
        said = notice(t("Draft {number} is kept; another person approves it.", number=kept.id))
        return no_update, _in_force(services, context, t, number, said), _drafts(services, context, t)


def _numbered(services: Services, number: int) -> ProcessWindowView:
    found = services.windows.windows().windows
    if not 0 <= number < len(found):
        raise Rejected("the windows in force were changed meanwhile; load the page again")
    return found[number]


def _register_decide(app: PageApp, services: Services) -> None:
    @app.callback(
        Output("windows-said", "children", allow_duplicate=True),
        Output("windows-drafts", "children", allow_duplicate=True),
        Output("windows-in-force", "children", allow_duplicate=True),
        Output("windows-versions", "children"),
        Input({"part": "windows-decide", "draft": ALL, "decision": ALL}, "n_clicks"),
        State({"part": "windows-reason", "draft": ALL}, "value"),
        State({"part": "windows-reason", "draft": ALL}, "id"),
        prevent_initial_call=True,
        role=Role.INSPECTOR,  # engineers withdraw, approvers approve and decline: the service holds each to its own
    )
    def decide(_clicks: Any, reasons: list[str | None], ids: list[dict[str, Any]]) -> tuple[Any, Any, Any, Any]:
        asked = ctx.triggered_id
        if not ctx.triggered or not ctx.triggered[0]["value"] or not isinstance(asked, dict):
            return (no_update,) * 4
        context, number = current_context(), int(asked["draft"])
        t = texts_of(context.language)
        reason = next(((each or "").strip() for each, name in zip(reasons, ids, strict=True) if name["draft"] == number), "")
        try:
            match asked["decision"]:
                case "approve":
                    kept = services.windows.approve(context.person, number)
                    said = t("Version {version} is in force.", version=kept.set_version)
                case "decline" | "withdraw" as decision:
                    if len(reason) < 3:
                        return notice(t("Say in a word or two why."), wrong=True), no_update, no_update, no_update
                    end = services.windows.decline if decision == "decline" else services.windows.withdraw
                    end(context.person, number, WindowRefusalDraft(reason=reason))
                    said = t("The decision is kept.")
                case _:
                    raise Rejected(f"there is no decision '{asked['decision']}'")
        except _REFUSED as error:
            return notice(problems_of(error, t), wrong=True), no_update, no_update, no_update
        return notice(said), _drafts(services, context, t), _in_force(services, context, t), _versions(services, context, t)


def _drafts(services: Services, context: PageContext, t: Texts) -> list[Component]:
    """Return the drafts that wait, whole, and those lately decided in a line."""
    try:
        found = services.windows.drafts(20)
    except (Unavailable, SettingsError) as error:
        return [notice(problems_of(error, t), wrong=True)]
    waiting = [one for one in found if one.stage == "waiting"]
    decided = [one for one in found if one.stage != "waiting"]
    shown: list[Component] = [html.H2(t("Waits for approval"))] if waiting else []
    shown += [_draft(one, context, t) for one in waiting]
    if decided:
        summary = html.Summary(t("Drafts before: {n}", n=len(decided)))
        shown.append(html.Details([summary, _decided(decided, context, t)], className="panel"))
    return shown


def _draft(one: WindowDraftView, context: PageContext, t: Texts) -> Component:
    place = place_words(one.window.work_unit, one.window.program, one.window.job, t)
    written = t("written by {who} at {when}", who=one.author, when=moment(one.time_us, context.time_zone, seconds=False))
    return html.Div(
        className="panel window-draft",
        children=[
            html.H3([state("waiting", t("waits")), f" {place}"]),
            html.P([html.Span(f"{one.note} "), html.Span(written, className="quiet small")], className="wrap"),
            *changes_shown(one.changes, t, place=False),
            *_answers(one, context, t),
        ],
    )


def _answers(one: WindowDraftView, context: PageContext, t: Texts) -> list[Component]:
    own, approver = one.author == context.person.name, context.may(Role.APPROVER)
    name = f"windows-reason-{one.id}"
    field = html.Div(
        [
            html.Label(t("Reason"), htmlFor=name, className="small quiet"),
            html.Div(dcc.Input(id={"part": "windows-reason", "draft": one.id}, type="text", maxLength=1000, autoComplete="off"), id=name),
        ]
    )
    if own:
        told = html.P(t("You wrote it: another person approves it."), className="quiet")
        return [told, html.Div([field, _button(t("Withdraw"), one.id, "withdraw")], className="recommendation-answers")]
    if not approver:
        return [html.P(t("Approvers decide here."), className="quiet")]
    buttons = [_button(t("Approve and put in force"), one.id, "approve", first=True), field, _button(t("Decline"), one.id, "decline")]
    return [html.Div(buttons, className="recommendation-answers")]


def _button(words: str, draft: int, decision: str, *, first: bool = False) -> Component:
    name = {"part": "windows-decide", "draft": draft, "decision": decision}
    return html.Button(words, id=name, className="button first" if first else "button")


def _decided(found: list[WindowDraftView], context: PageContext, t: Texts) -> Component:
    words = {"approved": t("approved"), "declined": t("declined"), "withdrawn": t("withdrawn")}
    heads = [
        (t("Decided"), False),
        (t("Window"), False),
        (t("Written by"), False),
        (t("Decision"), False),
        (t("By whom"), False),
        (t("Reason"), False),
    ]
    rows = [
        [
            moment(one.decided_us, context.time_zone, seconds=False),
            html.Span(place_words(one.window.work_unit, one.window.program, one.window.job, t), className="wrap"),
            one.author,
            words[one.stage] if one.set_version is None else t("approved, version {version}", version=one.set_version),
            one.decided_by,
            html.Span(one.reason or one.note, className="small wrap"),
        ]
        for one in found
    ]
    return table(heads, rows, caption=t("Drafts"), below=exports("/api/v1/windows/drafts", t, most=1000))


def _in_force(services: Services, context: PageContext, t: Texts, opened: int = -1, below: Component | None = None) -> list[Component]:
    """Return the windows in force; ``below`` stands below the one that is ``opened``."""
    try:
        found = services.windows.windows()
    except (Unavailable, SettingsError) as error:
        return [notice(problems_of(error, t), wrong=True)]
    if found.version is None:
        return [notice(t("No process window yet, so no parameter is recommended. Bring them in: leadhand import windows windows.toml"))]
    return [
        _version_line(found, context, t),
        *(
            _window(one, number, context, t, [below] if below is not None and number == opened else [])
            for number, one in enumerate(found.windows)
        ),
    ]


def _version_line(found: WindowSetView, context: PageContext, t: Texts) -> Component:
    version = found.version
    assert version is not None  # noqa: S101 - the caller looked
    when = moment(version.time_us, context.time_zone, seconds=False)
    words = t("Version {version}, since {when}, brought in by {who}.", version=version.version, when=when, who=version.actor)
    file = html.A(t("As a file"), href=f"/api/v1/windows/file?version={version.version}", target="_blank")
    return html.P([f"{words} ", file, html.Span(" · "), html.Span(version.sha256[:12], title=version.sha256, className="quiet small")])


def _window(one: ProcessWindowView, number: int, context: PageContext, t: Texts, below: list[Component]) -> Component:
    signed = t(
        "version {version}, written by {author}, approved by {approver}", version=one.version, author=one.author, approver=one.approver
    )
    write = html.Button(t("Propose a change"), id={"part": "windows-write", "number": number}, className="button")
    head = [html.H3(place_words(one.work_unit, one.program, one.job, t)), html.Span(signed, className="quiet small")]
    return html.Div(
        className="panel",
        children=[
            html.Div([html.Div(head), *([write] if context.may(Role.ENGINEER) else [])], className="window-head"),
            _parameters(one.parameters, context, t),
            *_ties(one, t),
            *below,
        ],
    )


def _parameters(parameters: tuple[WindowParameterView, ...], context: PageContext, t: Texts) -> Component:
    heads = [
        (t("Parameter"), False),
        (t("Window"), True),
        (t("In use"), False),
        ("", False),
        (t("Largest step"), True),
        (t("In an hour"), True),
        (t("Dead band"), True),
    ]
    rows = []
    for one in parameters:
        used = [
            html.Div(
                [with_unit(each.value, one.unit), html.Span(f" {each.program}" if len(one.in_use) > 1 else "", className="small quiet")],
                title=_since(each.source, each.actor, moment(each.since_us, context.time_zone, seconds=False), t),
            )
            for each in one.in_use[:4]
        ]
        span = span_words(one.low, one.high, one.unit)
        rows.append(
            [
                one.name,
                span,
                used or NONE_SHOWN,
                range_bar(one.low, one.high, f"{one.name}: {span}", now=[each.value for each in one.in_use]),
                with_unit(one.step, one.unit),
                with_unit(one.rate, one.unit),
                with_unit(one.dead_band or None, one.unit),
            ]
        )
    return table(heads, rows, caption=t("Parameters"))


def _since(source: str, actor: str, when: str, t: Texts) -> str:
    if source == "delivery":
        return t("sent to the controller and executed {when}, approved by {who}", when=when, who=actor)
    return t("accepted recipe since {when}, by {who}", when=when, who=actor)


def _ties(one: ProcessWindowView, t: Texts) -> list[Component]:
    """Return limits that tie parameters, and those of measured qualities, in a line each."""
    lines = [
        html.Li(
            [f"{each.name}: {span_words(each.low, each.high, each.unit)} ", html.Span(f"({', '.join(each.of)})", className="small quiet")]
        )
        for each in one.joint_limits
    ]
    qualities = [f"{each.name} {span_words(each.low, each.high, each.unit)}" for each in one.responses]
    if qualities:
        lines.append(html.Li(f"{t('measured qualities')}: {'; '.join(qualities)}"))
    return [html.Ul(lines, className="joint-reasons wrap")] if lines else []


def _versions(services: Services, context: PageContext, t: Texts) -> Component:
    try:
        found = services.windows.versions(50)
    except Unavailable as error:
        return notice(problems_of(error, t), wrong=True)
    heads = [
        (t("Version"), False),
        (t("Since"), False),
        (t("Brought in by"), False),
        (t("Windows"), False),
        (t("State"), False),
        ("", False),
    ]
    rows = [
        [
            str(one.version),
            moment(one.time_us, context.time_zone, seconds=False),
            one.actor,
            str(one.windows),
            state("normal", t("in force")) if one.in_force else html.Span(t("replaced"), className="quiet"),
            html.Button(t("What changed"), className="tool small", **also(data_open=str(one.version))),
        ]
        for one in found
    ]
    return table(heads, rows, caption=t("Versions"), below=exports("/api/v1/windows/versions", t, most=1000), nothing=NONE_SHOWN)
