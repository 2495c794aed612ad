"""Recommendations: what is proposed, what it gains and how sure that is, why; approve or decline; what it really brought."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from dash import ALL, Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component

from dashboard.context import PageContext, current_context
from dashboard.links import serial_link
from dashboard.mishaps import told
from dashboard.page_app import PageApp
from dashboard.pages import recommendation_parts as drawn
from dashboard.pages.carried import carried
from dashboard.pages.genealogy_parts import made_words
from dashboard.pages.parts import NONE_SHOWN, age, also, exports, facts, moment, notice, problems_of, state, table, whole
from dashboard.pages.recommendation_results import interval_coverage, realised_gains
from dashboard.recommendation_words import LOOKS, against_words, answer_words, declined_words, stage_words
from dashboard.services import Services
from dashboard.services_new_products import NO_NETWORK
from dashboard.texts import Texts, texts_of
from dashboard.views_recommendations import ApprovalDraft, DeclineDraft, RecommendationLine, RecommendationView
from plant.errors import Rejected, SettingsError, Unavailable
from plant.recommendations import Answer, Declined, Stage
from storage.people import Role

_MOST = 100
_MOST_PIECES = 50
_REFUSED = (Rejected, Unavailable, PermissionError, ValueError, SettingsError)


def layout(context: PageContext, services: Services) -> Component:
    """Return the page; its list is drawn again every two seconds while the stream lives."""
    t = texts_of(context.language)
    shown = [
        {"value": "newest", "label": t("the last of each product")},
        {"value": "open", "label": t("those to decide")},
        {"value": "all", "label": t("all")},
    ]
    return html.Div(
        className="recommendations",
        children=[
            html.H1(t("Recommendations")),
            html.P(t("Routes ranked by what the plant measured. Nothing changes without a person's yes."), className="quiet"),
            html.Div(
                className="panel recommendation-list",
                **also(data_opens="recommendation-open"),
                children=[
                    html.Div(
                        className="filters",
                        children=[
                            html.Div(
                                [
                                    html.Label(t("Shown"), htmlFor="recommendation-which"),
                                    dcc.Dropdown(
                                        id="recommendation-which", options=shown, value="newest", clearable=False, searchable=False
                                    ),
                                ]
                            ),
                            html.Div(
                                [
                                    html.Label(t("Product"), htmlFor="recommendation-product"),
                                    dcc.Input(id="recommendation-product", type="text", debounce=True, autoComplete="off", maxLength=200),
                                ]
                            ),
                        ],
                    ),
                    html.Div(_list(services, t, "newest", None), id="recommendation-list", className="live"),
                ],
            ),
            html.Div(id="recommendation-said"),
            html.Div(id="recommendation-shown"),
            html.Div(_learned(services, context, t), id="recommendation-learned", className="live"),
            dcc.Store(id="recommendation-open"),
            dcc.Store(id="recommendation-mark"),
            dcc.Store(id="recommendation-beat"),
            html.Div(**also(data_beat="recommendation-beat")),
        ],
    )


def register(app: PageApp, services: Services) -> None:
    """Draw the lists with each beat, one recommendation when it is asked for, and take decisions."""

    @app.callback(
        Output("recommendation-list", "children"),
        Output("recommendation-learned", "children"),
        Output("recommendation-mark", "data"),
        Input("recommendation-beat", "data"),
        Input("recommendation-which", "value"),
        Input("recommendation-product", "value"),
        State("recommendation-mark", "data"),
        prevent_initial_call=True,
    )
    def again(_beat: Any, which: str | None, product: str | None, drawn_as: str | None) -> tuple[Any, Any, Any]:
        context = current_context()
        t = texts_of(context.language)
        mark = _mark(services, which or "newest", product)
        if mark is not None and mark == drawn_as:
            return no_update, no_update, no_update
        return _list(services, t, which or "newest", product), _learned(services, context, t), mark

    @app.callback(
        Output("recommendation-shown", "children"),
        Output("recommendation-said", "children"),
        Input("recommendation-open", "data"),
        State("address", "search"),
    )
    def show(asked: int | None, search: str | None) -> tuple[Any, Any]:
        context = current_context()
        t = texts_of(context.language)
        return _one(services, context, t, asked or _named(search) or _first(services)), ""

    @app.callback(
        Output("recommendation-shown", "children", allow_duplicate=True),
        Output("recommendation-said", "children", allow_duplicate=True),
        Input({"part": "recommendation-decide", "recommendation": ALL, "decision": ALL}, "n_clicks"),
        State({"part": "recommendation-why", "recommendation": ALL}, "value"),
        State({"part": "recommendation-note", "recommendation": ALL}, "value"),
        prevent_initial_call=True,
        role=Role.APPROVER,
    )
    def decide(_clicks: list[int | None], reasons: list[str | None], notes: list[str | None]) -> tuple[Any, Any]:
        asked = ctx.triggered_id
        if not ctx.triggered or not ctx.triggered[0]["value"] or not isinstance(asked, dict):
            return no_update, no_update
        context = current_context()
        t = texts_of(context.language)
        one, note = int(asked["recommendation"]), ((notes[0] if notes else "") or "").strip()[:1000]
        why = reasons[0] if reasons else None
        try:
            if asked["decision"] == "approve":
                services.recommendations.approve(context.person, one, ApprovalDraft(note=note))
            elif not why:
                return no_update, notice(t("Choose the reason why it is declined."), wrong=True)
            else:
                services.recommendations.decline(context.person, one, DeclineDraft(reason=Declined(why), note=note))
        except _REFUSED as error:
            return no_update, notice(problems_of(error, t), wrong=True)
        return _one(services, context, t, one), notice(t("The decision is kept."))


def _mark(services: Services, which: str, product: str | None) -> str | None:
    """Return text that differs once the lists must be drawn anew: something came, or a minute passed; None while nobody can say."""
    try:
        minute = services.plant.clock().now_us // 60_000_000
        return f"{services.recommendations.mark()} {services.new_products.optimizer_runs()} {minute} {which} {product or ''}"
    except Unavailable:
        return None


def _named(search: str | None) -> int | None:
    told = parse_qs((search or "").lstrip("?")).get("id", [""])[0]
    return int(told) if told.isascii() and told.isdigit() and len(told) < 18 else None


def _first(services: Services) -> int | None:
    """Return the recommendation to begin with: the newest to decide, else the newest."""
    try:
        found = services.recommendations.recommendations(stage="proposed", most=1) or services.recommendations.recommendations(most=1)
    except Unavailable:
        return None
    return found[0].id if found else None


def _list(services: Services, t: Texts, which: str, product: str | None) -> list[Component]:
    try:
        found = services.recommendations.recommendations(
            product=(product or "").strip() or None,
            stage=Stage.PROPOSED.value if which == "open" else None,
            newest=which == "newest",
            most=_MOST,
        )
        features = services.new_products.features() if not found else []
        runs = services.new_products.optimizer_runs()
    except Unavailable as error:
        return [notice(t("The database is away: {why}", why=error), wrong=True)]
    found.sort(key=lambda one: one.stage != Stage.PROPOSED)
    now_us = services.plant.clock().now_us
    reach = drawn.widest([value for one in found for value in (one.gain_low, one.gain_high)])
    heads = [
        (t("Product"), False),
        (t("Changed steps"), True),
        (t("Saved cost, 90 %"), False),
        (t("Minutes"), True),
        (t("First pass"), True),
        (t("Fewest measurements"), True),
        (t("Age"), True),
        (t("Stage"), False),
    ]
    rows = [_row(one, reach, now_us, t) for one in found]
    nothing = t("No recommendation yet.") if features else t("No recommendation yet: {why}", why=t(NO_NETWORK))
    said = [] if runs else [notice(t("The optimizer does not run, so nothing new is proposed."))]
    return [
        *said,
        table(heads, rows, caption=t("Recommendations"), below=exports("/api/v1/recommendations", t, most=1000), nothing=nothing),
    ]


def _row(one: RecommendationLine, reach: float, now_us: int, t: Texts) -> list[Any]:
    opener = html.Button(one.product, className="tool small", **also(data_open=str(one.id)))
    gain: Component = html.Span(NONE_SHOWN)
    if one.gain is not None:
        words = drawn.gain_words(one.gain, one.gain_low, one.gain_high, t)
        gain = html.Div(
            [
                drawn.gain_bar(one.gain, one.gain_low, one.gain_high, reach, words),
                html.Div(words, className="small number"),
                html.Div(t("against {other}", other=against_words(one.against, t)), className="small quiet"),
            ]
        )
    return [
        html.Div([opener, html.Div(one.family, className="small quiet")]),
        str(one.changed_steps) if one.compared else NONE_SHOWN,
        gain,
        drawn.number(one.duration_min),
        drawn.percent(one.first_pass),
        whole(one.least_count) if one.route else NONE_SHOWN,
        age(one.made_us, now_us, t),
        _standing(one, t),
    ]


def _standing(one: RecommendationLine, t: Texts) -> Component:
    if one.stage is None:
        return state("normal", answer_words(one.answer, t))
    if one.stage == Stage.PROPOSED and not one.is_valid:
        return state("stale", t("its time is over"))
    return _state(one.stage, t)


def _one(services: Services, context: PageContext, t: Texts, asked: int | None) -> list[Component]:
    if asked is None:
        return []
    try:
        view = services.recommendations.recommendation(asked)
    except (Rejected, Unavailable) as error:
        return [notice(problems_of(error, t), wrong=True)]
    line, one = view.line, view.recommendation
    why = [html.P(one.reason, className="wrap")] if one.reason else []
    return [
        html.H2(line.product),
        html.Div(
            className="vision-side-by-side",
            children=[
                html.Div(
                    className="panel",
                    children=[
                        html.Div([_state(line.stage, t), html.Strong(answer_words(line.answer, t))], className="vision-head"),
                        carried(services, t, f"recommendation:{line.id}"),
                        *drawn.main_gain(one, t),
                        *why,
                        *drawn.missing(one, t),
                        *_decide(view, context, t),
                    ],
                ),
                html.Div([facts(_facts(view, context, t)), _history(view, context, t)], className="panel"),
            ],
        ),
        *([] if one.answer is Answer.NOT_ENOUGH_EVIDENCE else _content(view, t)),
        *_pieces(services, context, t, line.id),
        html.Div(
            className="vision-side-by-side",
            children=[
                html.Div([html.H3(t("Nearest products")), drawn.nearest(one, t)], className="panel"),
                html.Div([html.H3(t("What rules remove")), drawn.removed(one, t)], className="panel"),
            ],
        ),
    ]


def _content(view: RecommendationView, t: Texts) -> list[Component]:
    one = view.recommendation
    return [
        html.Div([html.H3(t("What is expected")), drawn.expected(one, t), *drawn.today(one, t)], className="panel"),
        html.Div([html.H3(t("Step by step")), drawn.steps(one, t)], className="panel"),
        html.Div([html.H3(t("Routes that none beats in everything")), drawn.pareto(one.pareto, t)], className="panel"),
        html.Div([html.H3(t("Watch on the first parts")), drawn.watch(one, t)], className="panel"),
    ]


def _pieces(services: Services, context: PageContext, t: Texts, number: int) -> list[Component]:
    """Return the pieces that history knows to be made by its route; nothing where it knows none."""
    try:
        found = services.genealogy.made_by(number, _MOST_PIECES)
    except Unavailable:
        return []
    heads = [(t("Serial"), False), (t("Begun"), False), (t("Last operation"), False), (t("Operations"), True), (t("Result"), False)]
    rows = [
        [
            serial_link(one.serial),
            moment(one.started_us, context.time_zone, seconds=False),
            moment(one.last_us, context.time_zone, seconds=False),
            whole(one.operations),
            made_words(t, first_pass=one.first_pass, scrapped=one.scrapped),
        ]
        for one in found
    ]
    words = t("Pieces made by its route")
    below = exports("/api/v1/genealogy/made-by", t, recommendation=number, most=10_000)
    return [html.Div([html.H3(words), table(heads, rows, caption=words, below=below)], className="panel")] if found else []


def _facts(view: RecommendationView, context: PageContext, t: Texts) -> list[tuple[str, Any]]:
    line, one = view.line, view.recommendation
    zone = context.time_zone
    return [
        (t("Made"), moment(line.made_us, zone, seconds=False)),
        (t("Valid until"), moment(line.valid_until_us, zone, seconds=False)),
        (t("Model"), html.Span(line.model_version[:12], title=line.model_version, className="number")),
        (t("Measurements behind it"), whole(line.measurements)),
        (t("Asked for by"), told(line.asked_by, t) or t("the optimizer itself")),
        (t("Risk"), drawn.number(one.predicted.risk) if one.predicted is not None else NONE_SHOWN),
        (t("As JSON"), html.A(t("open"), href=f"/api/v1/recommendations/{line.id}", target="_blank")),
    ]


def _history(view: RecommendationView, context: PageContext, t: Texts) -> Component:
    heads = [(t("Time"), False), (t("Stage"), False), (t("By whom"), False), (t("Why"), False)]
    rows = [
        [
            moment(each.time_us, context.time_zone, seconds=False),
            _state(each.after, t),
            each.actor or NONE_SHOWN,
            html.Span(": ".join(word for word in (declined_words(each.reason, t), each.note) if word) or NONE_SHOWN, className="wrap"),
        ]
        for each in view.history
    ]
    return table(heads, rows, caption=t("What happened to it"))


def _decide(view: RecommendationView, context: PageContext, t: Texts) -> list[Component]:
    line = view.line
    if line.stage != Stage.PROPOSED:
        return []
    if not line.is_valid:
        return [html.P(t("Its time is over: wait for the next one."), className="quiet")]
    if not context.may(Role.APPROVER):
        return [html.P(t("Approvers decide here."), className="quiet")]
    own = line.asked_by == context.person.name
    reasons = [{"value": reason.value, "label": declined_words(reason, t)} for reason in Declined]
    name = f"recommendation-why-{line.id}"
    return [
        html.Label(
            [t("Note"), dcc.Input(id=_id("note", line.id), type="text", maxLength=1000, autoComplete="off", className="joint-note")]
        ),
        html.Div(
            className="recommendation-answers",
            children=[
                html.Button(t("Approve"), id=_id("decide", line.id, decision="approve"), className="button first", disabled=own),
                html.Div(
                    [
                        html.Label(t("Reason to decline"), htmlFor=name, className="small quiet"),
                        dcc.Dropdown(id=_id("why", line.id), options=reasons, placeholder=t("choose"), searchable=False),
                    ],
                    id=name,
                ),
                html.Button(t("Decline"), id=_id("decide", line.id, decision="decline"), className="button"),
            ],
        ),
        *([html.P(t("You asked for it, so somebody else approves."), className="small quiet")] if own else []),
    ]


def _id(part: str, number: int, **more: str) -> dict[str, Any]:
    return {"part": f"recommendation-{part}", "recommendation": number, **more}


def _state(stage: str | None, t: Texts) -> Component:
    look = "normal" if stage is None else LOOKS.get(Stage(stage), "normal")
    return state(look, stage_words(stage, t))


def _learned(services: Services, context: PageContext, t: Texts) -> list[Component]:
    """Return what recommendations really brought against what was predicted, and how well intervals cover."""
    try:
        realised = services.recommendations.recommendations(realised=True, most=20)
        coverage = services.recommendations.coverage(most=60)
    except Unavailable:
        return []
    return [
        html.H2(t("Predicted against realised")),
        html.Div(realised_gains(realised, context, t), className="panel"),
        html.H2(t("How well the intervals hold")),
        html.Div(interval_coverage(coverage, t), className="panel"),
    ]
