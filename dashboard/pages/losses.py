"""OEE and losses: what runs, where planned time went, what cost most, and each figure opened down to its intervals."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from dash import ALL, Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component

from dashboard.context import PageContext, current_context
from dashboard.mishaps import told
from dashboard.page_app import PageApp
from dashboard.pages import losses_parts as parts
from dashboard.pages.losses_words import spell
from dashboard.pages.parts import also, exports, moment, notice
from dashboard.services import Services
from dashboard.services_losses import DAY_US, Asked, Gathered
from dashboard.texts import Texts, texts_of
from dashboard.views_losses import WordDraft
from plant.calendars import ShiftCalendar
from plant.errors import Rejected, Unavailable
from storage.people import Role

_SPANS = ("shift", "last_shift", "today", "yesterday", "day", "week", "month")
_EVERY_US = 30_000_000
"""What costs much is drawn again no sooner than this."""
_MOST_SLICES = 300
_FILTERS = ("losses-equipment", "losses-span", "losses-shift", "losses-product", "losses-order", "losses-by")


def layout(context: PageContext, services: Services) -> Component:
    """Return the page; what runs is drawn again with each beat, the figures each half minute or when a filter changes."""
    t = texts_of(context.language)
    units = services.losses.equipment()
    above = sorted({path.rpartition("/")[0] for path, _ in units})
    equipment = [{"value": path, "label": name} for path, name in units]
    equipment = [*({"value": path, "label": " / ".join(path.split("/")[2:]) or path} for path in above), *equipment]
    spans = [{"value": name, "label": _span_words(name, t)} for name in _SPANS]
    by = [{"value": name, "label": words} for name, words in _group_words(t).items()]
    shifts = sorted({shift.name for shift in _shifts(services)})
    first = "shift" if shifts else "day"
    shown, more = _shown(context, services, (None, first, None, None, None, "equipment"), t)
    return html.Div(
        [
            html.H1(t("OEE and losses")),
            html.Div(
                className="panel filters",
                children=[
                    _field(
                        t("Equipment"), "losses-equipment", dcc.Dropdown(id="losses-equipment", options=equipment, placeholder=t("all"))
                    ),
                    _field(
                        t("Span"),
                        "losses-span",
                        dcc.Dropdown(id="losses-span", options=spans, value=first, clearable=False, searchable=False),
                    ),
                    _field(
                        t("Shift"), "losses-shift", dcc.Dropdown(id="losses-shift", options=shifts, placeholder=t("all"), searchable=False)
                    ),
                    _field(
                        t("Product"),
                        "losses-product",
                        dcc.Input(id="losses-product", type="text", debounce=True, autoComplete="off", maxLength=200),
                    ),
                    _field(
                        t("Job order"),
                        "losses-order",
                        dcc.Input(id="losses-order", type="text", debounce=True, autoComplete="off", maxLength=200),
                    ),
                    _field(
                        t("Side by side"),
                        "losses-by",
                        dcc.Dropdown(id="losses-by", options=by, value="equipment", clearable=False, searchable=False),
                    ),
                ],
            ),
            html.H2(t("Now")),
            html.Div(_units(services, None, t), id="losses-units", className="panel live long"),
            html.Div(shown, id="losses-shown", className="live"),
            html.H2(t("Intervals")),
            html.Div(
                [
                    html.Div(_say_form(services, t), id="losses-say", className="hidden"),
                    html.Div(t("Open a line above to see what it is made of."), id="losses-slices", className="quiet"),
                ],
                className="panel",
            ),
            html.Div(more, id="losses-more"),
            dcc.Store(id="losses-drawn", data=services.plant.clock().now_us),
            dcc.Store(id="losses-chosen"),
            dcc.Store(id="losses-opened"),
            dcc.Store(id="losses-beat"),
            html.Div(**also(data_beat="losses-beat")),
        ],
        className="losses",
    )


def register(app: PageApp, services: Services) -> None:
    """Draw anew with beats and filters; open lines; keep what people say."""

    @app.callback(
        Output("losses-units", "children"),
        Output("losses-shown", "children"),
        Output("losses-more", "children"),
        Output("losses-drawn", "data"),
        Input("losses-beat", "data"),
        *(Input(name, "value") for name in _FILTERS),
        State("losses-drawn", "data"),
        prevent_initial_call=True,
    )
    def again(_beat: Any, *values: Any) -> Any:
        context = current_context()
        t = texts_of(context.language)
        now_us = services.plant.clock().now_us
        *filters, drawn_us = values
        units = _units(services, filters[0], t)
        if ctx.triggered_id == "losses-beat" and now_us - (drawn_us or 0) < _EVERY_US:
            return units, no_update, no_update, no_update
        return units, *_shown(context, services, tuple(filters), t), now_us

    @app.callback(
        Output("losses-slices", "children"),
        Output("losses-opened", "data"),
        Input({"type": "losses-open", "loss": ALL, "reason": ALL}, "n_clicks"),
        *(State(name, "value") for name in _FILTERS),
        prevent_initial_call=True,
    )
    def open_line(clicks: list[int | None], *filters: Any) -> Any:
        if not any(clicks) or not isinstance(ctx.triggered_id, dict):
            return no_update, no_update
        opened = {"loss": ctx.triggered_id["loss"], "reason": ctx.triggered_id["reason"]}
        return _slices(current_context(), services, filters, opened), opened

    @app.callback(
        Output("losses-say", "className"),
        Output("losses-chosen", "data"),
        Output("losses-span-words", "children"),
        Output("losses-said", "children"),
        Input({"type": "losses-choose", "equipment": ALL, "from": ALL, "to": ALL}, "n_clicks"),
        prevent_initial_call=True,
        role=Role.INSPECTOR,
    )
    def choose(clicks: list[int | None]) -> Any:
        chosen = ctx.triggered_id
        if not any(clicks) or not isinstance(chosen, dict):
            return no_update, no_update, no_update, no_update
        context = current_context()
        names = dict(services.losses.equipment())
        begin, end = (moment(chosen[key], context.time_zone) for key in ("from", "to"))
        return "", chosen, f"{names.get(chosen['equipment'], chosen['equipment'])}, {begin} \N{EN DASH} {end[11:]}", ""

    @app.callback(
        Output("losses-said", "children", allow_duplicate=True),
        Output("losses-slices", "children", allow_duplicate=True),
        Input("losses-keep", "n_clicks"),
        State("losses-chosen", "data"),
        State("losses-reason", "value"),
        State("losses-note", "value"),
        State("losses-opened", "data"),
        *(State(name, "value") for name in _FILTERS),
        prevent_initial_call=True,
        role=Role.INSPECTOR,
    )
    def keep(clicks: int | None, chosen: Any, reason: str | None, note: str | None, opened: Any, *filters: Any) -> Any:
        context = current_context()
        t = texts_of(context.language)
        if not clicks or not isinstance(chosen, dict):
            return no_update, no_update
        try:
            draft = WordDraft(
                equipment=str(chosen["equipment"]),
                from_us=int(chosen["from"]),
                to_us=int(chosen["to"]),
                reason=reason or "",
                note=note or "",
            )
            services.losses.say(context.person, draft)
        except (Rejected, Unavailable, ValueError) as error:
            return notice(told(str(error), t), wrong=True), no_update
        return notice(t("Kept. The figures follow with the next drawing.")), _slices(context, services, filters, opened)


def _field(words: str, name: str, chosen: Component) -> Component:
    return html.Div([html.Label(words, htmlFor=name), chosen])


def _span_words(name: str, t: Texts) -> str:
    words = {
        "shift": t("This shift"),
        "last_shift": t("Last shift"),
        "today": t("Today"),
        "yesterday": t("Yesterday"),
        "day": t("24 hours"),
        "week": t("7 days"),
        "month": t("31 days"),
    }
    return words[name]


def _group_words(t: Texts) -> dict[str, str]:
    return {
        "equipment": t("Equipment"),
        "shift": t("Shift"),
        "day": t("Day"),
        "hour": t("Hour"),
        "team": t("Team"),
        "product": t("Product"),
        "order": t("Job order"),
    }


def _shifts(services: Services, equipment: str = "") -> list[Any]:
    now_us = services.plant.clock().now_us
    return services.losses.shifts(equipment, now_us - 10 * DAY_US, now_us + DAY_US)


def _span(services: Services, name: str, equipment: str, zone: str) -> tuple[int, int]:
    """Return the span that a choice means, in plant time; what is still to come is left out where it is read."""
    now_us = services.plant.clock().now_us
    begun = [shift for shift in _shifts(services, equipment) if shift.from_us <= now_us] if "shift" in name else []
    if begun and name == "shift":
        return begun[-1].from_us, min(begun[-1].to_us, now_us)
    over = [shift for shift in begun if shift.to_us <= now_us]
    if over and name == "last_shift":
        return over[-1].from_us, over[-1].to_us
    if name in {"today", "yesterday"}:
        days = ShiftCalendar("", zone, ((),) * 7)
        today = days.day_of(now_us)
        begin, end = days.day_span(today if name == "today" else today - timedelta(days=1))
        return begin, min(end, now_us)
    return now_us - {"week": 7, "month": 31}.get(name, 1) * DAY_US, now_us


def _asked(context: PageContext, services: Services, filters: tuple[Any, ...] | list[Any]) -> Asked:
    equipment, span, shift, product, order, _ = (value or "" for value in filters)
    return Asked(*_span(services, span, equipment, context.time_zone), equipment, shift, product.strip(), order.strip())


def _units(services: Services, equipment: str | None, t: Texts) -> Component:
    try:
        found = services.losses.units(equipment or "", t.language)
    except Unavailable as error:
        return notice(t("The database is away: {why}", why=error), wrong=True)
    return parts.units_table(found, services.plant.clock().now_us, t)


def _shown(context: PageContext, services: Services, filters: tuple[Any, ...], t: Texts) -> tuple[list[Component], list[Component]]:
    service = services.losses
    try:
        asked = _asked(context, services, filters)
        gathered = service.gather(asked)
        whole, groups = service.figures_of(gathered)[0], service.figures_of(gathered, filters[5] or "equipment")
        notes = service.counter_notes(asked)
    except Unavailable as error:
        return [notice(t("The database is away: {why}", why=error), wrong=True)], []
    except Rejected as error:
        return [notice(told(str(error), t), wrong=True)], []
    names = dict(service.equipment())
    left_out = _left_out(gathered, names, t)
    zone = context.time_zone
    if filters[5] == "hour":
        names = {one.group: moment(int(one.group), zone, seconds=False) for one in groups}
    begin = gathered.slices[0].from_us if gathered.slices else asked.from_us
    begin = min((one.from_us for one in gathered.slices), default=begin)
    end = max((one.to_us for one in gathered.slices), default=asked.to_us)
    span = (begin, max(end, begin + 1))
    head = _group_words(t)[filters[5] or "equipment"]
    shown = [
        html.H2(
            [
                t("Figures"),
                html.Span(
                    f"  {moment(span[0], zone, seconds=False)} \N{EN DASH} {moment(span[1], zone, seconds=False)}", className="small quiet"
                ),
            ]
        ),
        html.Div([parts.figures(whole, t), *left_out], className="panel"),
        html.Div(parts.groups_table(groups, head, names, t), className="panel long"),
        html.H2(t("States over time")),
        html.Div(
            parts.strips(service.slices_of(gathered, most=1_000_000, merged=True), dict(service.equipment()), span, zone, t),
            className="panel",
        ),
        html.H2(t("Where the time went")),
        html.Div(parts.waterfall(service.waterfall_of(gathered), t), className="panel"),
        html.H2(t("What cost most")),
        html.Div(parts.pareto_table(service.pareto_of(gathered, t.language), t), className="panel"),
    ]
    more = [_files(asked, filters[5] or "equipment", t)]
    if notes:
        more = [html.H2(t("Counters")), html.Div(parts.notes_table(notes[:50], names, zone, t), className="panel"), *more]
    return shown, more


def _left_out(gathered: Gathered, names: dict[str, str], t: Texts) -> list[Component]:
    found = [names.get(unit, unit) for unit in gathered.uncounted()]
    if not found:
        return []
    words = ", ".join(found[:4]) + (" …" if len(found) > 4 else "")
    return [notice(t("Nothing counts the pieces of {names}: left out of figures, waterfall and Pareto.", names=words))]


def _files(asked: Asked, by: str, t: Texts) -> Component:
    words = {name: value for name in ("from_us", "to_us", "equipment", "shift", "product", "order") if (value := getattr(asked, name))}
    return html.Div(
        [
            exports("/api/v1/oee", t, t("Figures"), by=by, **words),
            exports("/api/v1/states/intervals", t, t("Intervals"), most=100_000, **words),
            exports("/api/v1/oee/pareto", t, t("Pareto"), **words),
            exports("/api/v1/pieces", t, t("Pieces"), **words),
        ]
    )


def _slices(context: PageContext, services: Services, filters: tuple[Any, ...], opened: Any) -> Component:
    t = texts_of(context.language)
    if not isinstance(opened, dict):
        return html.Span(t("Open a line above to see what it is made of."))
    try:
        gathered = services.losses.gather(_asked(context, services, filters))
        found = services.losses.slices_of(
            gathered, loss=str(opened["loss"]), reason=str(opened["reason"]), most=1_000_000, language=t.language, merged=True
        )
    except (Rejected, Unavailable) as error:
        return notice(told(str(error), t), wrong=True)
    longest = sorted(found, key=lambda one: one.from_us, reverse=True)[:_MOST_SLICES]
    names = dict(services.losses.equipment())
    shown = parts.slices_table(longest, names, context.time_zone, t, may_say=context.may(Role.INSPECTOR))
    words = t("{n} intervals, {time} in all", n=len(found), time=spell(sum(one.us for one in found), t))
    return html.Div([html.P(words, className="small quiet"), shown])


def _say_form(services: Services, t: Texts) -> list[Component]:
    reasons = [{"value": one.path, "label": one.name} for one in services.losses.reasons(t.language)]
    return [
        html.P([html.Strong(t("Why did it stand?")), " ", html.Span(id="losses-span-words", className="number")]),
        html.Div(
            className="filters",
            children=[
                _field(
                    t("Reason"), "losses-reason", dcc.Dropdown(id="losses-reason", options=reasons, placeholder=t("as the rules told it"))
                ),
                _field(t("Note"), "losses-note", dcc.Input(id="losses-note", type="text", autoComplete="off", maxLength=1000)),
                html.Button(t("Keep"), id="losses-keep", className="tool", **also(aria_label=t("Keep what was said"))),
            ],
        ),
        html.Div(id="losses-said"),
    ]
