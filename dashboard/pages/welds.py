"""Welds: what the cameras saw last, what was found in millimetres, the decision and why; and how good the pictures themselves are."""

from __future__ import annotations

from typing import Any

from dash import Input, Output, dcc, html, no_update
from dash.development.base_component import Component

from dashboard.context import PageContext, current_context
from dashboard.inspection_words import decision_words, kind_words, measure_words
from dashboard.links import asked, asked_number, serial_link
from dashboard.mishaps import told
from dashboard.page_app import PageApp
from dashboard.pages.parts import NONE_SHOWN, also, exports, facts, milliseconds, moment, notice, size, state, table
from dashboard.services import Services
from dashboard.texts import Texts, texts_of
from dashboard.views_vision import DriftView, FoundView, InspectionView
from plant.errors import Rejected, Unavailable
from plant.inspections import Decision, Subject

_MOST = 60
_REFUSED = 20
_LOOKS = {"ok": "normal", "nok": "critical", "review": "warning", "not_decidable": "warning"}
_DRIFTED = 4.0
"""Standard deviations of single pictures from which a view is said to have changed."""
_SHORT = 12


def layout(context: PageContext, services: Services) -> Component:
    """Return the page; its list is drawn again every two seconds while the stream lives."""
    t = texts_of(context.language)
    found = _found(services, Subject.WELDS.value, None, None, None, context.language)
    newest = None if isinstance(found, Unavailable) or not found else found[0].id
    return html.Div(
        [
            html.H1(t("Welds")),
            html.Div(
                className="vision-side-by-side",
                children=[
                    html.Div(
                        className="panel",
                        **also(data_opens="welds-chosen"),
                        children=[
                            _filters(found, t),
                            html.Div(_list(found, t, context.time_zone), id="welds-list", className="live vision-list"),
                        ],
                    ),
                    html.Div(shown(services, newest, context, t), id="welds-shown", className="panel"),
                ],
            ),
            html.H2(t("Input of the cameras")),
            html.Div(_drift(services, t), id="welds-drift", className="panel"),
            html.H2(t("Files that were not taken")),
            html.Div(_refused(services, context, t), id="welds-refused", className="panel live"),
            dcc.Store(id="welds-chosen"),
            dcc.Store(id="welds-beat"),
            html.Div(**also(data_beat="welds-beat")),
        ]
    )


def register(app: PageApp, services: Services) -> None:
    """Draw the list again with each beat and filter, and the picture that is asked for, or that the address names."""

    @app.callback(Output("welds-chosen", "data"), Input("address", "search"))
    def named(search: str | None) -> Any:
        number = asked_number(asked(search), "id")
        return no_update if number is None else number

    @app.callback(
        Output("welds-list", "children"),
        Output("welds-refused", "children"),
        Input("welds-beat", "data"),
        Input("welds-subject", "value"),
        Input("welds-station", "value"),
        Input("welds-part", "value"),
        Input("welds-decision", "value"),
        prevent_initial_call=True,
    )
    def again(_beat: Any, subject: str | None, station: str | None, part: str | None, decision: str | None) -> tuple[Any, Any]:
        context = current_context()
        t = texts_of(context.language)
        found = _found(services, subject, station, part, decision, context.language)
        return _list(found, t, context.time_zone), _refused(services, context, t)

    @app.callback(Output("welds-shown", "children"), Input("welds-chosen", "data"), prevent_initial_call=True)
    def show(number: int | None) -> Any:
        context = current_context()
        return no_update if number is None else shown(services, int(number), context, texts_of(context.language))


def shown(services: Services, number: int | None, context: PageContext, t: Texts) -> list[Component]:
    """Return one inspection: its picture with what was found drawn over it, its facts and findings."""
    if number is None:
        return [html.H2(t("Picture")), html.P(t("Nothing was looked at yet."), className="quiet")]
    try:
        one = services.vision.inspection(number, context.language)
    except (Rejected, Unavailable) as error:
        return [html.H2(t("Picture")), notice(told(str(error), t), wrong=True)]
    return [
        html.Div([html.H2(serial_link(one.part) if one.part else t("no part told")), decision_state(one, t)], className="vision-head"),
        *why(one),
        picture(one, context, t),
        findings(one, t),
        facts(
            [
                (t("Station"), f"{one.station} / {one.view}"),
                (t("Taken at"), moment(one.taken_us, context.time_zone)),
                (t("Model"), html.Span(one.model_sha256[:_SHORT] or t("none"), className="number", title=one.model_sha256)),
                (t("Calibration"), one.calibration or t("none")),
                (t("Judged within"), milliseconds(one.latency_us)),
                (t("Picture"), html.Span(one.frame[:_SHORT], className="number", title=one.frame)),
            ]
        ),
    ]


def decision_state(one: InspectionView, t: Texts) -> Component:
    """Return a decision as shape and word."""
    return state(_LOOKS.get(one.decision, "waiting"), decision_words(one.decision, t))


def why(one: InspectionView) -> list[Component]:
    """Return the reasons of an inspection, each a sentence."""
    return [html.P(reason.words, className="vision-reason") for reason in one.reasons]


def picture(one: InspectionView, context: PageContext, t: Texts) -> Component:
    """Return the picture with what was found drawn over it, or words where it is kept no more."""
    if not one.has_picture:
        return html.P(t("The picture is not kept any more; what was found in it is."), className="quiet")
    words = t("Picture of part {part}", part=one.part or NONE_SHOWN)
    drawn = f"/api/v1/inspections/{one.id}/overlay?language={'zh' if context.language == 'zh' else 'en'}"
    return html.Div(
        className="vision-picture",
        style={"aspectRatio": f"{one.width} / {one.height}"},
        children=[html.Img(src=f"/api/v1/frames/{one.frame}", alt=words), html.Img(src=drawn, alt="", className="overlay")],
    )


def findings(one: InspectionView, t: Texts) -> Component:
    """Return what was found, numbered as in the picture."""
    heads = [(t("No."), False), (t("Found"), False), (t("Measured"), True), (t("Sure"), True), (t("Verdict"), False)]
    rows = [_row(number, each, t) for number, each in enumerate(one.findings, 1)]
    return table(heads, rows, caption=t("Findings"), nothing=t("Nothing was found."))


def measures_of(found: FoundView, t: Texts) -> list[str]:
    """Return the measures of a thing found, with their units."""
    return [measure_words(name, value, t) for name, value in found.measures.items()]


def _row(number: int, found: FoundView, t: Texts) -> list[Any]:
    verdict: list[Component] = [state(_LOOKS.get(found.decision, "waiting"), decision_words(found.decision, t))]
    verdict += [html.Div(reason.words, className="small") for reason in found.reasons]
    measured = [html.Div(words) for words in measures_of(found, t)]
    return [str(number), kind_words(found.kind, t), measured or NONE_SHOWN, f"{100 * found.confidence:.0f} %", html.Div(verdict)]


def _filters(found: list[InspectionView] | Unavailable, t: Texts) -> Component:
    stations = [] if isinstance(found, Unavailable) else sorted({one.station for one in found})
    subjects = [{"value": Subject.WELDS.value, "label": t("welds")}, {"value": Subject.BOLTS.value, "label": t("bolts")}]
    decisions = [{"value": each.value, "label": decision_words(each.value, t)} for each in Decision]
    choices = [
        ("welds-subject", t("Looked at for"), subjects, Subject.WELDS.value),
        ("welds-station", t("Station"), [{"value": each, "label": each} for each in stations], None),
        ("welds-decision", t("Verdict"), decisions, None),
    ]
    fields = [
        html.Div([html.Label(words, htmlFor=name), dcc.Dropdown(id=name, options=options, value=value, placeholder=t("all"))])
        for name, words, options, value in choices
    ]
    typed = dcc.Input(id="welds-part", type="text", debounce=True, autoComplete="off", maxLength=60)
    return html.Div([*fields, html.Div([html.Label(t("Part begins with"), htmlFor="welds-part"), typed])], className="filters")


def _found(
    services: Services, subject: str | None, station: str | None, part: str | None, decision: str | None, language: str
) -> list[InspectionView] | Unavailable:
    try:
        return services.vision.inspections(subject=subject, station=station, part=part, decision=decision, most=_MOST, language=language)
    except Unavailable as error:
        return error


def _list(found: list[InspectionView] | Unavailable, t: Texts, zone: str) -> Component:
    if isinstance(found, Unavailable):
        return notice(t("The database is away: {why}", why=found), wrong=True)
    heads = [(t("Taken at"), False), (t("Part"), False), (t("Verdict"), False), (t("Picture"), False)]
    rows = [
        [
            moment(one.taken_us, zone),
            html.Div(
                [
                    html.Div(serial_link(one.part) if one.part else NONE_SHOWN),
                    html.Div(f"{one.station} / {one.view}", className="small quiet"),
                ]
            ),
            html.Div([decision_state(one, t), *[html.Div(each.words, className="small quiet") for each in one.reasons[:1]]]),
            html.Button(
                t("Show"),
                className="tool small",
                **also(data_open=str(one.id), aria_label=t("Show the picture of part {part}", part=one.part or NONE_SHOWN)),
            ),
        ]
        for one in found
    ]
    nothing = t("No inspection fits. Pictures come from the stations and cameras that the settings name.")
    return table(heads, rows, caption=t("Inspections"), below=exports("/api/v1/inspections", t, most=1000), nothing=nothing)


def _drift(services: Services, t: Texts) -> Component:
    try:
        found = services.vision.drift()
    except Unavailable as error:
        return notice(t("The database is away: {why}", why=error), wrong=True)
    heads = [
        (t("Station"), False),
        (t("Brightness"), True),
        (t("first"), True),
        (t("Sharpness"), True),
        (t("first"), True),
        (t("State"), False),
    ]
    rows = [
        [
            f"{one.station} / {one.view}",
            f"{one.brightness_now:.1f}",
            f"{one.brightness:.1f}",
            f"{one.sharpness_now:.0f}",
            f"{one.sharpness:.0f}",
            _drift_state(one, t),
        ]
        for one in found
    ]
    return table(
        heads, rows, caption=t("Input of the cameras"), below=exports("/api/v1/frames/drift", t), nothing=t("Nothing was looked at yet.")
    )


def _drift_state(one: DriftView, t: Texts) -> Component:
    if one.brightness_sigmas is None or one.sharpness_sigmas is None:
        return state("waiting", t("learning"))
    off = max(abs(one.brightness_sigmas), abs(one.sharpness_sigmas))
    return state("warning", t("changed: look at lamp and lens")) if off > _DRIFTED else state("normal", t("as at first"))


def _refused(services: Services, context: PageContext, t: Texts) -> Component:
    try:
        found = services.vision.refused(_REFUSED, context.language)
    except Unavailable as error:
        return notice(t("The database is away: {why}", why=error), wrong=True)
    heads = [(t("Time"), False), (t("From"), False), (t("Name"), False), (t("Size"), True), (t("Reason"), False)]
    rows = [
        [moment(one.time_us, context.time_zone), one.came_from, html.Span(one.name, className="wrap"), size(one.bytes), one.reason.words]
        for one in found
    ]
    return table(
        heads, rows, caption=t("Files that were not taken"), below=exports("/api/v1/frames/refused", t, most=1000), nothing=t("None.")
    )
