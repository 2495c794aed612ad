"""Fine-tuning: the accepted recipe in its window, the proposed trial with intervals and reasons, approve or decline, trials, roll-backs."""

from __future__ import annotations

from typing import Any

from dash import ALL, Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component

from dashboard.charts import unit_words
from dashboard.context import PageContext, current_context
from dashboard.mishaps import told
from dashboard.page_app import PageApp
from dashboard.pages import recommendation_parts as drawn
from dashboard.pages.carried import carried
from dashboard.pages.parts import NONE_SHOWN, also, exports, facts, moment, notice, problems_of, state, table
from dashboard.pages.tuning_drawings import safety_bar, trials_drawing, window_bar
from dashboard.recommendation_words import LOOKS, declined_words, stage_words
from dashboard.services import Services
from dashboard.texts import Texts, texts_of
from dashboard.tuning_words import outcome_words, purpose_words, refused_words
from dashboard.views_tuning import (
    AcceptDraft,
    PolicyDraft,
    ProposalView,
    TargetDraft,
    TuningApprovalDraft,
    TuningDeclineDraft,
    TuningLine,
    TuningView,
)
from plant.errors import Rejected, SettingsError, Unavailable
from plant.recommendations import Declined, Stage
from storage.people import Role

_REFUSED = (Rejected, Unavailable, PermissionError, ValueError, SettingsError)
_POLICY_HOURS, _POLICY_TRIALS = 8.0, 5


def layout(context: PageContext, services: Services) -> Component:
    """Return the page; its list is drawn again every two seconds while the stream lives, a program when it is opened."""
    t = texts_of(context.language)
    lines = _lines(services)
    return html.Div(
        className="recommendations tuning",
        children=[
            html.H1(t("Tuning")),
            html.P(
                t("Small steps near the accepted recipe, inside hard process windows. Each trial waits for a person's yes."),
                className="quiet",
            ),
            html.Div(
                html.Div(_list(lines, t), id="tuning-list", className="live"),
                className="panel recommendation-list",
                **also(data_opens="tuning-open"),
            ),
            html.Div(id="tuning-said"),
            html.Div(_one(services, context, t, _key(lines[0]) if lines else ""), id="tuning-shown"),
            dcc.Store(id="tuning-open"),
            dcc.Store(id="tuning-beat"),
            html.Div(**also(data_beat="tuning-beat")),
        ],
    )


def register(app: PageApp, services: Services) -> None:
    """Draw the list with each beat, a program when it is asked for, and take decisions."""

    @app.callback(Output("tuning-list", "children"), Input("tuning-beat", "data"), prevent_initial_call=True)
    def again(_beat: Any) -> Any:
        return _list(_lines(services), texts_of(current_context().language))

    @app.callback(
        Output("tuning-shown", "children"),
        Output("tuning-said", "children"),
        Input("tuning-open", "data"),
        prevent_initial_call=True,
    )
    def show(asked: int | None) -> tuple[Any, Any]:
        context = current_context()
        lines = sorted(_lines(services), key=_key)
        if not isinstance(asked, int) or not 0 <= asked < len(lines):
            return no_update, no_update
        return _one(services, context, texts_of(context.language), _key(lines[asked])), ""

    @app.callback(
        Output("tuning-shown", "children", allow_duplicate=True),
        Output("tuning-said", "children", allow_duplicate=True),
        Input({"part": "tuning-decide", "target": ALL, "proposal": ALL, "decision": ALL}, "n_clicks"),
        State({"part": "tuning-why", "proposal": ALL}, "value"),
        State({"part": "tuning-note", "proposal": ALL}, "value"),
        prevent_initial_call=True,
        role=Role.APPROVER,
    )
    def decide(_clicks: list[int | None], reasons: list[str | None], notes: list[str | None]) -> tuple[Any, Any]:
        asked = ctx.triggered_id
        if not ctx.triggered or not ctx.triggered[0]["value"] or not isinstance(asked, dict):
            return no_update, no_update
        context = current_context()
        t = texts_of(context.language)
        note = ((notes[0] if notes else "") or "").strip()[:1000]
        try:
            said = _decided(services, context, t, asked, reasons[0] if reasons else None, note)
        except _REFUSED as error:
            return no_update, notice(problems_of(error, t), wrong=True)
        if said is None:
            return no_update, notice(t("Choose the reason why it is declined."), wrong=True)
        return _one(services, context, t, asked["target"]), notice(said)


def _decided(services: Services, context: PageContext, t: Texts, asked: dict[str, Any], why: str | None, note: str) -> str | None:
    """Do what a button means and return what is said of it; None where the reason is missing."""
    service, who, number = services.tuning, context.person, int(asked["proposal"])
    work_unit, program, job = _target(asked["target"])
    target = {"work_unit": work_unit, "program": program, "job": job}
    match asked["decision"]:
        case "approve":
            service.approve(who, number, TuningApprovalDraft(note=note))
        case "decline":
            if not why:
                return None
            service.decline(who, number, TuningDeclineDraft(reason=Declined(why), note=note))
        case "accept":
            best = service.program(work_unit, program, job).best
            service.accept(who, AcceptDraft(**target, parameters=best or {}, reason="best beyond doubt of those tried"))
        case "policy":
            service.enable_policy(who, PolicyDraft(**target, hours=_POLICY_HOURS, budget=_POLICY_TRIALS))
        case "policy-end":
            service.end_policy(who, TargetDraft(**target))
        case _:
            raise Rejected(f"there is no decision '{asked['decision']}'")
    return t("The decision is kept.")


def _key(one: TuningLine | TuningView) -> str:
    return f"{one.work_unit}\n{one.program}\n{one.job}"


def _target(key: str) -> tuple[str, str, str]:
    parts = key.split("\n")
    if len(parts) != 3:
        raise Rejected("this is no program")
    return parts[0], parts[1], parts[2]


def _lines(services: Services) -> list[TuningLine]:
    try:
        return services.tuning.programs()
    except Unavailable:
        return []


def _list(lines: list[TuningLine], t: Texts) -> Component:
    order = {_key(one): number for number, one in enumerate(sorted(lines, key=_key))}
    heads = [(t("Program"), False), (t("Trials"), True), (t("Accepted, first pass"), True), (t("State"), False), (t("Why"), False)]
    rows = [
        [
            html.Div(
                [
                    html.Button(one.program, className="tool small", **also(data_open=str(order[_key(one)]))),
                    html.Div(" / ".join(word for word in (one.work_unit, one.job) if word), className="small quiet"),
                ]
            ),
            str(one.trials),
            NONE_SHOWN if one.accepted_first_pass is None else drawn.percent(one.accepted_first_pass.mean),
            state("normal", t("nothing to decide")) if one.stage is None else _stage(one.stage, t),
            html.Span(
                purpose_words(one.purpose, t) if one.purpose else refused_words(one.refusal, t) if one.refusal else NONE_SHOWN,
                className="small wrap",
            ),
        ]
        for one in lines
    ]
    nothing = t("No program is tuned yet: trials come over REST, process windows by 'leadhand import'.")
    return table(heads, rows, caption=t("Programs"), below=exports("/api/v1/tuning", t), nothing=nothing)


def _stage(stage: str, t: Texts) -> Component:
    return state(LOOKS.get(Stage(stage), "normal"), stage_words(stage, t))


def _one(services: Services, context: PageContext, t: Texts, key: str) -> list[Component]:
    if not key:
        return []
    try:
        one = services.tuning.program(*_target(key))
    except (Rejected, Unavailable) as error:
        return [notice(problems_of(error, t), wrong=True)]
    about = html.Div([html.H3(t("Recipe in its window")), _recipe(one, t), facts(_facts(one, context, t))], className="panel")
    return [
        html.H2(f"{one.program}, {one.work_unit}"),
        html.Div([_proposal(services, one, context, t), about], className="vision-side-by-side"),
        html.Div(
            className="panel",
            children=[
                html.H3(t("Trials: share of good parts")),
                trials_drawing(one, context.theme, t("Share of good parts, trial by trial")) if one.trials else html.P(NONE_SHOWN),
                html.P(
                    t(
                        "Hollow: accepted recipe. Filled: a trial. Square: rolled back. Dashed: what is expected of the proposal. "
                        "Bars: 90 % intervals."
                    ),
                    className="small quiet",
                ),
                _trials(one, context, t),
            ],
        ),
        html.Div(
            className="vision-side-by-side",
            children=[
                html.Div([html.H3(t("Rolled back")), _rollbacks(one, context, t)], className="panel"),
                html.Div([html.H3(t("Proposals before")), _before(one, context, t)], className="panel"),
            ],
        ),
    ]


def _proposal(services: Services, one: TuningView, context: PageContext, t: Texts) -> Component:
    found = one.proposal
    if found is None:
        words = refused_words(one.refusal, t) if one.refusal else t("Nothing is proposed at the moment.")
        details = [html.P(told(one.refusal_words, t), className="small quiet wrap")] if one.refusal_words else []
        return html.Div([html.H3(t("Proposed trial")), html.P(words), *details, *_accept(one, context, t)], className="panel")
    now, then = found.accepted_first_pass, found.first_pass
    gain = 100 * (then.mean - now.mean)
    interval = t("{low} to {high}", low=drawn.percent(then.low), high=drawn.percent(then.high))
    return html.Div(
        className="panel",
        children=[
            html.H3(t("Proposed trial")),
            html.Div([_stage(found.stage, t), html.Strong(purpose_words(found.purpose, t))], className="vision-head"),
            carried(services, t, f"tuning:{found.id}", f"tuning:{found.id}:back"),
            html.Div(
                className="gain",
                children=[
                    html.Div(
                        [
                            html.Span(drawn.percent(then.mean), className="big number"),
                            html.Span(t("{points} points", points=f"{gain:+.1f}"), className="quiet number"),
                        ]
                    ),
                    html.Div(
                        t("first pass expected, 90 %: {interval}; accepted recipe {now}", interval=interval, now=drawn.percent(now.mean)),
                        className="small quiet",
                    ),
                ],
            ),
            html.Ul([html.Li(told(words, t), className="wrap") for words in found.reasons], className="joint-reasons"),
            _safety(found, t),
            *_decide(one, found, context, t),
            *_accept(one, context, t),
        ],
    )


def _safety(found: ProposalView, t: Texts) -> Component:
    heads = [(t("Quality"), False), (t("Expected, 90 %"), True), (t("Limits"), True), ("", False)]
    rows = []
    for each in found.safety:
        unit = "" if each.unit == "1" else unit_words(each.unit)
        limits = _limits(each.low, each.high)
        span = f"{drawn.number(each.expected.low)} … {drawn.number(each.expected.high)} {unit}"
        rows.append([each.name, span, f"{limits} {unit}", safety_bar(each, f"{each.name}: {span}, {limits}")])
    return table(heads, rows, caption=t("Qualities"))


def _limits(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f"{low:g} … {high:g}"
    return f"≤ {high:g}" if low is None else f"≥ {low:g}"


def _decide(one: TuningView, found: ProposalView, context: PageContext, t: Texts) -> list[Component]:
    if found.stage == Stage.APPROVED:
        return [html.P(t("Approved: run the trial, and its result decides."), className="quiet")]
    if found.stage != Stage.PROPOSED:
        return []
    if not context.may(Role.APPROVER):
        return [html.P(t("Approvers decide here."), className="quiet")]
    reasons = [{"value": reason.value, "label": declined_words(reason, t)} for reason in Declined]
    name = f"tuning-why-{found.id}"
    return [
        html.Label(
            [
                t("Note"),
                dcc.Input(
                    id={"part": "tuning-note", "proposal": found.id},
                    type="text",
                    maxLength=1000,
                    autoComplete="off",
                    className="joint-note",
                ),
            ]
        ),
        html.Div(
            className="recommendation-answers",
            children=[
                _button(t("Approve this trial"), one, found.id, "approve", first=True),
                html.Div(
                    [
                        html.Label(t("Reason to decline"), htmlFor=name, className="small quiet"),
                        dcc.Dropdown(
                            id={"part": "tuning-why", "proposal": found.id}, options=reasons, placeholder=t("choose"), searchable=False
                        ),
                    ],
                    id=name,
                ),
                _button(t("Decline"), one, found.id, "decline"),
            ],
        ),
    ]


def _accept(one: TuningView, context: PageContext, t: Texts) -> list[Component]:
    """Return the offer to take the best recipe of those tried, where it is another than the accepted one; and the policy."""
    offered: list[Component] = []
    accepted = {each.name: each.accepted for each in one.parameters}
    if one.best and one.best_first_pass and (one.accepted_version is None or one.best != accepted):
        words = ", ".join(f"{name} {value:g}" for name, value in one.best.items())
        offered.append(html.P(t("Best beyond doubt of those tried: {recipe}.", recipe=words), className="small wrap"))
        if context.may(Role.APPROVER):
            offered.append(_button(t("Take it as the accepted recipe"), one, 0, "accept"))
    if not context.may(Role.APPROVER):
        return offered
    if one.policy is None:
        words = t("Approve the next {n} trials within {hours} hours", n=_POLICY_TRIALS, hours=f"{_POLICY_HOURS:g}")
        return [*offered, html.Div(_button(words, one, 0, "policy"), className="tuning-policy")]
    return [*offered, html.Div(_button(t("Ask me for each trial again"), one, 0, "policy-end"), className="tuning-policy")]


def _button(words: str, one: TuningView, number: int, decision: str, *, first: bool = False) -> Component:
    name = {"part": "tuning-decide", "target": _key(one), "proposal": number, "decision": decision}
    return html.Button(words, id=name, className="button first" if first else "button")


def _recipe(one: TuningView, t: Texts) -> Component:
    heads = [(t("Parameter"), False), (t("Accepted"), True), (t("Proposed"), True), (t("Window"), True), ("", False)]
    rows: list[list[Any]] = []
    for each in one.parameters:
        unit = "" if each.unit == "1" else unit_words(each.unit)
        changed = each.delta is not None and each.proposed is not None
        then = (
            html.Div([html.Strong(f"{each.proposed:g}"), html.Div(f"{each.delta:+g}", className="small quiet")]) if changed else NONE_SHOWN
        )
        window = f"{each.low:g} … {each.high:g}"
        words = t("{name}: accepted {now}, window {window}", name=each.name, now=_shown(each.accepted), window=window)
        rows.append(
            [
                html.Div([each.name, html.Div(unit, className="small quiet")]),
                _shown(each.accepted),
                then,
                window,
                window_bar(each.low, each.high, each.accepted, each.proposed if changed else None, words),
            ]
        )
    return table(heads, rows, caption=t("Recipe in its window"), nothing=t("There is no process window for this program."))


def _shown(value: float | None) -> str:
    return NONE_SHOWN if value is None else f"{value:g}"


def _facts(one: TuningView, context: PageContext, t: Texts) -> list[tuple[str, Any]]:
    found, zone = one.proposal, context.time_zone
    until = NONE_SHOWN
    if one.policy is not None:
        until = t(
            "{who}, until {time}: {used} of {budget} trials",
            who=one.policy.enabled_by,
            time=moment(one.policy.until_us, zone, seconds=False),
            used=one.policy.used,
            budget=one.policy.budget,
        )
    return [
        (t("Accepted by"), f"{one.accepted_by}, {moment(one.accepted_us, zone, seconds=False)}" if one.accepted_by else t("nobody yet")),
        (t("Window, version"), _shown(one.window_version)),
        (t("Written and approved by"), f"{one.author}, {one.approver}" if one.author else NONE_SHOWN),
        (t("Trust region, steps"), NONE_SHOWN if found is None else f"{found.trust:.2f}"),
        (t("Model"), NONE_SHOWN if found is None else html.Span(found.model.partition(":")[2], title=found.model, className="number")),
        (t("Policy"), until),
        (t("Read back"), _readback(found, t)),
    ]


def _readback(found: ProposalView | None, t: Texts) -> Any:
    if found is None or not found.readbacks:
        return NONE_SHOWN
    newest = found.readbacks[0]
    return t("confirmed") if newest.confirmed else state("warning", t("not confirmed"))


def _trials(one: TuningView, context: PageContext, t: Texts) -> Component:
    heads = [(t("Trial"), False), (t("Time"), False), (t("Good"), True), (t("Scrapped"), True), (t("Result"), False)]
    rows = [
        [
            each.name,
            moment(each.ended_us, context.time_zone, seconds=False),
            f"{each.good}/{each.parts}",
            _shown(each.scrapped),
            state("warning" if each.outcome == "worse" else "normal", outcome_words(each.outcome, t)),
        ]
        for each in reversed(one.trials[-8:])
    ]
    return table(heads, rows, caption=t("Trials"), nothing=NONE_SHOWN)


def _rollbacks(one: TuningView, context: PageContext, t: Texts) -> Component:
    heads = [(t("Time"), False), (t("Good"), True), (t("Accepted"), True), (t("Why"), False)]
    rows = [
        [
            moment(each.time_us, context.time_zone, seconds=False),
            f"{each.good}/{each.parts}",
            drawn.percent(each.expected),
            html.Span(
                t("worse is {odds} times likelier than as good; back to the accepted recipe", odds=f"{each.odds:,.0f}"),
                className="small wrap",
            ),
        ]
        for each in one.rollbacks[:8]
    ]
    return table(heads, rows, caption=t("Rolled back"), nothing=t("No trial was taken back."))


def _before(one: TuningView, context: PageContext, t: Texts) -> Component:
    heads = [(t("Time"), False), (t("Change"), False), (t("Stage"), False)]
    rows = [
        [
            moment(each.made_us, context.time_zone, seconds=False),
            html.Span(", ".join(f"{name} {delta:+g}" for name, delta in each.deltas.items()) or NONE_SHOWN, className="small wrap"),
            _stage(each.stage, t),
        ]
        for each in one.proposals[:8]
        if one.proposal is None or each.id != one.proposal.id
    ]
    return table(heads, rows, caption=t("Proposals before"), nothing=NONE_SHOWN)
