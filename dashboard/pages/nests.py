"""Nests: what each centre cuts from which sheets, every sheet drawn with its parts, and the steps that engineers let a nest go."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qs

from dash import ALL, Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component
from pydantic import ValidationError

from dashboard.context import PageContext, current_context
from dashboard.nest_words import nest_state
from dashboard.page_app import PageApp
from dashboard.pages.nest_parts import one_nest
from dashboard.pages.parts import NONE_SHOWN, also, exports, moment, notice, problems_of, state, table, whole
from dashboard.services import Services
from dashboard.texts import Texts, texts_of
from dashboard.views_nests import NestView, NestWholeView
from dashboard.views_part_orders import EndDraft
from plant.errors import Rejected, Unavailable
from storage.people import Role

_REFUSED: Final = (Rejected, Unavailable, PermissionError, ValidationError)
_MOST: Final = 200
_STANDING: Final = ("proposed", "released")
_STATES: Final = {"standing": _STANDING, "cut": ("cut",), "ended": ("withdrawn", "superseded"), "all": ()}


def layout(context: PageContext, services: Services) -> Component:
    """Return the page; its list is drawn again once a nest went a step."""
    t = texts_of(context.language)
    states = {"standing": t("proposed and released"), "cut": t("cut"), "ended": t("withdrawn and superseded"), "all": t("all")}
    return html.Div(
        className="orders share nests",
        children=[
            html.H1(t("Nests")),
            html.P(t("What is cut from which sheet. A released nest holds its sheets and parts until it is cut."), className="quiet"),
            html.Div(
                className="panel orders-list",
                **also(data_opens="nests-open"),
                children=[
                    html.Div(
                        className="filters",
                        children=[
                            _field(
                                t("Shown"),
                                dcc.Dropdown(
                                    id="nests-which",
                                    options=[{"value": key, "label": label} for key, label in states.items()],
                                    value="standing",
                                    clearable=False,
                                    searchable=False,
                                ),
                            ),
                            _field(
                                t("Centre"),
                                dcc.Dropdown(id="nests-centre", options=_centres(services), placeholder=t("all"), searchable=False),
                            ),
                        ],
                    ),
                    html.Div(_list(services, context, t, "standing", None), id="nests-list", className="live"),
                ],
            ),
            html.Div(id="nests-said"),
            html.Div(id="nest-shown"),
            dcc.Store(id="nests-open"),
            dcc.Store(id="nests-mark"),
            dcc.Store(id="nest-drawn"),
            dcc.Store(id="nests-beat"),
            html.Div(**also(data_beat="nests-beat")),
        ],
    )


def register(app: PageApp, services: Services) -> None:
    """Draw the list with each beat, a nest when it is asked for or went a step, and take what people do."""

    @app.callback(
        Output("nests-list", "children"),
        Output("nests-mark", "data"),
        Input("nests-beat", "data"),
        Input("nests-which", "value"),
        Input("nests-centre", "value"),
        State("nests-mark", "data"),
        prevent_initial_call=True,
    )
    def again(_beat: Any, which: str | None, centre: str | None, drawn_as: str | None) -> tuple[Any, Any]:
        context = current_context()
        try:
            mark = f"{services.nests.mark()} {which} {centre}"
        except Unavailable:
            mark = None
        if mark is not None and mark == drawn_as:
            return no_update, no_update
        return _list(services, context, texts_of(context.language), which or "standing", centre), mark

    @app.callback(
        Output("nest-shown", "children"),
        Output("nest-drawn", "data"),
        Output("nests-said", "children"),
        Input("nests-open", "data"),
        Input("nests-beat", "data"),
        State("nest-drawn", "data"),
        State("address", "search"),
    )
    def show(asked: int | None, _beat: Any, drawn: list[Any] | None, search: str | None) -> tuple[Any, Any, Any]:
        context = current_context()
        by_beat = ctx.triggered_id == "nests-beat"
        number = drawn[0] if by_beat and drawn else asked or _named(search)
        if not isinstance(number, int):
            return no_update, no_update, no_update
        if by_beat and drawn and _state_of(services, number) in {drawn[1], None}:
            return no_update, no_update, no_update
        content, mark = _one(services, context, number)
        return content, mark, no_update if by_beat else ""

    @app.callback(
        Output("nest-shown", "children", allow_duplicate=True),
        Output("nest-drawn", "data", allow_duplicate=True),
        Output("nests-said", "children", allow_duplicate=True),
        Input({"part": "nest-act", "nest": ALL, "act": ALL}, "n_clicks"),
        State({"part": "nest-note", "nest": ALL, "act": ALL}, "value"),
        State({"part": "nest-note", "nest": ALL, "act": ALL}, "id"),
        prevent_initial_call=True,
        role=Role.ENGINEER,
    )
    def act(_clicks: list[int | None], notes: list[str | None], ids: list[dict[str, Any]]) -> tuple[Any, Any, Any]:
        asked = ctx.triggered_id
        if not ctx.triggered or not ctx.triggered[0]["value"] or not isinstance(asked, dict):
            return no_update, no_update, no_update
        context = current_context()
        t = texts_of(context.language)
        said = {one["act"]: note or "" for one, note in zip(ids, notes, strict=True)}
        number, what = int(asked["nest"]), str(asked["act"])
        try:
            words = _act(services, context, t, number, what, EndDraft(note=said.get(what, "")[:2000]))
        except _REFUSED as error:
            return no_update, no_update, notice(problems_of(error, t), wrong=True)
        content, mark = _one(services, context, number)
        return content, mark, notice(words)


def _act(services: Services, context: PageContext, t: Texts, number: int, what: str, draft: EndDraft) -> str:
    who, service = context.person, services.nests
    match what:
        case "release":
            service.release(who, number, draft)
            return t("Nest {n} is released: its sheets and parts are taken.", n=number)
        case "withdraw":
            service.withdraw(who, number, draft)
            return t("Nest {n} is withdrawn: its sheets are free, its parts wait again.", n=number)
        case "cut":
            remnants = service.cut(who, number, draft).remnants
            names = ", ".join(remnants) or t("none")
            return t("Nest {n} is cut: its parts are made. Remnants in stock: {names}.", n=number, names=names)
        case _:
            raise Rejected(f"there is no step '{what}'")


def _named(search: str | None) -> int | None:
    told = parse_qs((search or "").lstrip("?")).get("id", [""])[0]
    return int(told) if told.isascii() and told.isdigit() and len(told) < 18 else None


def _state_of(services: Services, number: int) -> str | None:
    try:
        return services.nests.line(number).state
    except (Rejected, Unavailable):
        return None


def _centres(services: Services) -> list[str]:
    try:
        return sorted({one.centre for one in services.nests.nests(most=1000)})
    except Unavailable:
        return []


def _field(words: str, field: Component) -> Component:
    return html.Div([html.Label(words, htmlFor=getattr(field, "id", None)), field])


def _known_lots(services: Services, told: NestWholeView) -> frozenset[str]:
    try:
        return services.genealogy.known_lots(one.name for one in told.sheets)
    except Unavailable:
        return frozenset()


def _one(services: Services, context: PageContext, number: int) -> tuple[Any, Any]:
    t = texts_of(context.language)
    try:
        told = services.nests.nest(number)
    except (Rejected, Unavailable) as error:
        return notice(problems_of(error, t), wrong=True), None
    return one_nest(told, _known_lots(services, told), context, t), [number, told.nest.state]


def _list(services: Services, context: PageContext, t: Texts, which: str, centre: str | None) -> list[Component]:
    try:
        found = services.nests.nests(states=_STATES.get(which, ()), centre=centre, most=_MOST)
    except Unavailable as error:
        return [notice(t("The database is away: {why}", why=error), wrong=True)]
    more = len(found) == _MOST
    if which == "standing":
        found.sort(key=lambda one: (one.from_us, one.centre, one.material, one.thickness_mm))
    heads = [
        *((t("Nest"), False), (t("Centre"), False), (t("From"), False), (t("Plate"), False), (t("State"), False)),
        *((t("Sheets"), True), (t("Parts"), True), (t("gross"), True), (t("credited"), True), (t("net"), True), (t("Left"), False)),
    ]
    nothing = t("None. The optimizer nests what is cut in the next days by itself, as soon as there are part orders and stock.")
    told = [html.P(t("The newest {n} nests.", n=_MOST), className="small quiet")] if more else []
    return [
        table(
            heads,
            [_row(one, context, t) for one in found],
            caption=t("Nests"),
            below=exports("/api/v1/nests", t, most=1000),
            nothing=nothing,
        ),
        *told,
    ]


def _row(one: NestView, context: PageContext, t: Texts) -> list[Any]:
    left = sum(each.quantity for each in one.left)
    return [
        html.Button(str(one.id), className="tool small", **also(data_open=str(one.id))),
        html.Span(one.centre, className="wrap"),
        html.Span(moment(one.from_us, context.time_zone, seconds=False), className="small"),
        html.Div([html.Div(one.material), html.Div(f"{one.thickness_mm:g} mm", className="small quiet")]),
        nest_state(one.state, t),
        whole(one.sheets),
        whole(one.parts),
        *(_share(value) for value in (one.gross, one.credited, one.net)),
        state("warning", whole(left)) if left else NONE_SHOWN,
    ]


def _share(value: float | None) -> str:
    return NONE_SHOWN if value is None else f"{value:.1%}"
