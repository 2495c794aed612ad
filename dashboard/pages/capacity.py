"""Capacity: which factory gets which hours of the shared centres, how fair that is and by which rule, and what is owed to whom."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qs

from dash import Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from dashboard.context import PageContext, current_context
from dashboard.factory_hues import factory_hue
from dashboard.page_app import PageApp
from dashboard.pages.capacity_drawings import centre_drawing, hours_bars, index_drawing, owed_drawing
from dashboard.pages.parts import NONE_SHOWN, also, duration, exports, facts, moment, notice, problems_of, state, table, whole
from dashboard.services import Services
from dashboard.share_words import rule_words
from dashboard.texts import Texts, texts_of
from dashboard.views_shares import FactoryHoursView, SharesView, SharesWholeView
from plant.errors import Rejected, SettingsError, Unavailable

_GOAL: Final = 0.95
"""Below this index somebody should look at what is shared."""
_MOST_VERSIONS: Final = 40
_REFUSED: Final = (Rejected, Unavailable, SettingsError)


def layout(context: PageContext, services: Services) -> Component:
    """Return the page; it is drawn again with each new version while the one that holds is shown."""
    t = texts_of(context.language)
    return html.Div(
        className="orders share capacity",
        children=[
            html.H1(t("Capacity of shared centres")),
            html.Div(id="capacity-shown", className="live"),
            html.H2(t("Versions")),
            html.Div(
                html.Div(_versions(services, context, t), id="capacity-versions", className="live"),
                className="panel orders-list",
                **also(data_opens="capacity-open"),
            ),
            dcc.Store(id="capacity-open"),
            dcc.Store(id="capacity-mark"),
            dcc.Store(id="capacity-beat"),
            html.Div(**also(data_beat="capacity-beat")),
        ],
    )


def register(app: PageApp, services: Services) -> None:
    """Draw a version when it is asked for, and the one that holds whenever there is a new one."""

    @app.callback(
        Output("capacity-shown", "children"),
        Output("capacity-versions", "children"),
        Output("capacity-mark", "data"),
        Input("capacity-beat", "data"),
        Input("capacity-open", "data"),
        State("capacity-mark", "data"),
        State("address", "search"),
    )
    def show(_beat: Any, asked: int | None, drawn: list[int | None] | None, search: str | None) -> tuple[Any, Any, Any]:
        context = current_context()
        t = texts_of(context.language)
        wanted = asked or _named(search)
        try:
            newest = services.shares.newest()
            mark = [newest, wanted]
            if drawn == mark:
                return no_update, no_update, no_update
            return _whole(services, context, t, wanted, newest), _versions(services, context, t), mark
        except _REFUSED as error:
            return notice(problems_of(error, t), wrong=True), no_update, no_update


def _named(search: str | None) -> int | None:
    told = parse_qs((search or "").lstrip("?")).get("version", [""])[0]
    return int(told) if told.isascii() and told.isdigit() and len(told) < 18 else None


def _whole(services: Services, context: PageContext, t: Texts, wanted: int | None, newest: int | None) -> list[Component]:
    if newest is None:
        words = t("No hours are shared out yet. Name factories and centres in [optimizer.share] of site.toml, and bring part orders.")
        return [notice(words)]
    told = services.shares.version(wanted)
    earlier = [notice(t("This is version {n}, made earlier; version {newest} holds.", n=told.version.id, newest=newest))]
    head = [*(earlier if told.version.id != newest else []), _head(told, context, t)]
    if not told.periods:
        return [*head, notice(t("The hours of this version are no more kept, only its figures."))]
    return [*head, *_centres(told, context, t), *_factories(told, context, t), *_over_time(told, context, t)]


def _head(told: SharesWholeView, context: PageContext, t: Texts) -> Component:
    one, zone = told.version, context.time_zone
    name, words = rule_words(one.rule, t)
    fair = one.jain is not None and one.jain >= _GOAL
    index = NONE_SHOWN if one.jain is None else state("normal" if fair else "warning", f"{one.jain:.3f}")
    alone = one.worse_than_alone or 0
    pairs: list[tuple[str, Any]] = [
        (t("Rule of sharing"), html.Strong(name)),
        (t("Jain's index, mean of the periods"), index),
        (t("Worst period"), NONE_SHOWN if one.jain_worst is None else f"{one.jain_worst:.3f}"),
        (t("Later than promised"), state("normal", t("none")) if not alone else state("critical", whole(alone))),
        (t("Hours shared out"), NONE_SHOWN if one.done_hours is None else f"{one.done_hours:.1f} h"),
        (t("Hours of orders in time"), NONE_SHOWN if one.on_time_hours is None else f"{one.on_time_hours:.1f} h"),
        *_against_optimum(one, t),
        (t("Orders late"), whole(sum(one.late.values()))),
        (t("From"), moment(one.from_us, zone, seconds=False)),
        (t("To"), moment(one.to_us, zone, seconds=False)),
        (t("Part orders"), whole(one.orders)),
    ]
    meaning = t("Jain's index is 1 where all factories got the same part of what they are entitled to, and 1/n where one of n got all.")
    return html.Div(
        [html.P(words), facts(pairs), html.P(meaning, className="small quiet"), *_left_out(one, t)],
        className="panel",
    )


def _against_optimum(one: SharesView, t: Texts) -> list[tuple[str, Any]]:
    """Return how much less is done than by who minds no fairness; nothing where that was not reckoned."""
    most = one.figures.get("optimum_hours")
    if not most or one.done_hours is None:
        return []
    loss = max(0.0, 1 - one.done_hours / most)
    return [
        (
            t("Against the unfair optimum"),
            t("{done} of {most} h, {loss} less", done=f"{one.done_hours:.1f}", most=f"{most:.1f}", loss=f"{loss:.1%}"),
        )
    ]


def _left_out(one: SharesView, t: Texts) -> list[Component]:
    if not one.left_out_count:
        return []
    words = [f"{number}: {why}" for number, why in list(one.left_out.items())[:10]]
    if one.left_out_count > len(words):
        words.append(t("and {n} more", n=one.left_out_count - len(words)))
    return [html.P(t("{n} part orders are in no share:", n=one.left_out_count)), notice(words, wrong=True)]


def _legend(names: list[str], theme: str, more: list[Component]) -> Component:
    factories = [html.Li([html.I(style={"background": factory_hue(name, names, theme)}), name]) for name in names]
    return html.Ul([*factories, *more], className="schedule-legend nest-legend")


def _centres(told: SharesWholeView, context: PageContext, t: Texts) -> list[Component]:
    names = [one.name for one in told.factories]
    kinds = {"cutting": t("cutting"), "stamping": t("stamping")}
    free = html.Li([html.I(className="free"), t("free; the line above is the capacity")])
    return [
        html.H2(t("Hours by centre and factory")),
        html.Div(
            [
                _legend(names, context.theme, [free]),
                html.Div(
                    [
                        html.Figure(
                            [
                                html.Figcaption(
                                    t(
                                        "{centre} ({kind}): {used} of {capacity} h",
                                        centre=one.name,
                                        kind=kinds.get(one.kind, one.kind),
                                        used=f"{sum(map(sum, one.got.values())):.1f}",
                                        capacity=f"{sum(one.capacity):.1f}",
                                    )
                                ),
                                centre_drawing(
                                    one, told.periods, context.time_zone, context.theme, t("Hours of {centre} by period", centre=one.name)
                                ),
                            ],
                            className="nest-sheet",
                        )
                        for one in told.centres
                    ],
                    className="nest-sheets",
                ),
            ],
            className="panel",
        ),
    ]


def _factories(told: SharesWholeView, context: PageContext, t: Texts) -> list[Component]:
    names = [one.name for one in told.factories]
    most = max(max(one.reserved, one.entitled, one.got) for one in told.factories)
    heads = [
        *((t("Factory"), False), (t("Hours"), False), (t("Got of entitled"), True), (t("Lent"), True), (t("Borrowed"), True)),
        *((t("Owed at the end"), True), (t("Orders late"), True), (t("Worst lateness"), False), (t("Not in these days"), True)),
    ]
    rows = [_factory(one, factory_hue(one.name, names, context.theme), most, t) for one in told.factories]
    words = t(
        "Entitled is what the rule gives if work could be divided at will; reserved is what nobody takes. Owed below 0: it owes others."
    )
    return [
        html.H2(t("What each factory is entitled to, and got")),
        html.Div(
            [table(heads, rows, caption=t("What each factory is entitled to, and got")), html.P(words, className="small quiet")],
            className="panel",
        ),
    ]


def _factory(one: FactoryHoursView, colour: str, most: float, t: Texts) -> list[Any]:
    bars = hours_bars({t("reserved"): one.reserved, t("entitled"): one.entitled, t("got"): one.got}, most, colour)
    late = NONE_SHOWN if one.worst_late_us is None else state("warning", duration(one.worst_late_us, t))
    return [
        html.Span([html.I(className="factory-mark", style={"background": colour}), one.name], className="nowrap"),
        bars,
        NONE_SHOWN if one.satisfied is None else f"{one.satisfied:.1%}",
        f"{one.lent:.1f} h",
        f"{one.borrowed:.1f} h",
        f"{one.owed[-1]:+.1f} h" if one.owed else NONE_SHOWN,
        whole(one.late),
        late,
        whole(one.unfinished),
    ]


def _over_time(told: SharesWholeView, context: PageContext, t: Texts) -> list[Component]:
    zone, theme = context.time_zone, context.theme
    names = [one.name for one in told.factories]
    owed = t("Hours owed to each factory; below the line it owes them")
    index = t("Jain's index by period; the dashed line is {goal}", goal=f"{_GOAL:g}")
    return [
        html.H2(t("Over time")),
        html.Div(
            [
                _legend(names, theme, []),
                html.Div(
                    [
                        html.Figure(
                            [html.Figcaption(owed), owed_drawing(told.factories, told.periods, zone, theme, owed)], className="nest-sheet"
                        ),
                        html.Figure(
                            [html.Figcaption(index), index_drawing(told.jain_by_period, told.periods, _GOAL, zone, theme, index)],
                            className="nest-sheet",
                        ),
                    ],
                    className="nest-sheets",
                ),
            ],
            className="panel",
        ),
    ]


def _versions(services: Services, context: PageContext, t: Texts) -> Component:
    try:
        found = services.shares.versions(most=_MOST_VERSIONS)
    except Unavailable as error:
        return notice(t("The database is away: {why}", why=error), wrong=True)
    heads = [
        *(
            (t("Version"), False),
            (t("Made"), False),
            (t("Rule of sharing"), False),
            (t("Part orders"), True),
            (t("Hours shared out"), True),
        ),
        *((t("Jain's index"), True), (t("Orders late"), True)),
    ]
    rows = [
        [
            html.Button(str(one.id), className="tool small", **also(data_open=str(one.id))),
            moment(one.made_us, context.time_zone, seconds=False),
            rule_words(one.rule, t)[0],
            whole(one.orders),
            NONE_SHOWN if one.done_hours is None else f"{one.done_hours:.1f} h",
            NONE_SHOWN if one.jain is None else f"{one.jain:.3f}",
            whole(sum(one.late.values())),
        ]
        for one in found
    ]
    return table(heads, rows, caption=t("Versions"), below=exports("/api/v1/shares/versions", t, most=1000), nothing=t("none"))
