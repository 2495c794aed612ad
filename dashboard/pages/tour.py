"""The tour of the demo: what went wrong, who saw it, what was done, what it brought. Drawn again with each beat."""

from __future__ import annotations

from typing import Any

from dash import Input, Output, dcc, html, no_update
from dash.development.base_component import Component

from dashboard.context import PageContext, current_context
from dashboard.links import link
from dashboard.page_app import PageApp
from dashboard.pages.parts import age, also, icon, moment, notice, problems_of, state
from dashboard.pages.tour_words import shown, told
from dashboard.services import Services
from dashboard.services_tour import Chapter, TourView
from dashboard.texts import Texts, texts_of
from plant.errors import Rejected, Unavailable


def layout(context: PageContext, services: Services) -> Component:
    """Return the page."""
    t = texts_of(context.language)
    return html.Div(
        className="tour",
        children=[
            html.H1(t("Tour")),
            html.P(
                t("A story of five minutes. Nothing here is written beforehand: a chapter is ticked when the database shows it."),
                className="quiet",
            ),
            html.Div(_chapters(services, context, t), id="tour-chapters"),
            dcc.Store(id="tour-beat"),
            html.Div(**also(data_beat="tour-beat")),
        ],
    )


def strip(services: Services, t: Texts) -> list[Component]:
    """Return a quiet line for the overview: what happens now, and the way to look; nothing where this is not the demo."""
    if not services.tour.there:
        return []
    return [
        html.Div(_line(services, t), id="tour-strip", className="tour-strip"),
        dcc.Store(id="tour-strip-beat"),
        html.Div(**also(data_beat="tour-strip-beat")),
    ]


def register(app: PageApp, services: Services) -> None:
    """Draw chapters and strip again with each beat."""

    @app.callback(Output("tour-chapters", "children"), Input("tour-beat", "data"), prevent_initial_call=True)
    def again(beat: int | None) -> Any:
        context = current_context()
        return _chapters(services, context, texts_of(context.language)) if beat and services.tour.there else no_update

    @app.callback(Output("tour-strip", "children"), Input("tour-strip-beat", "data"), prevent_initial_call=True)
    def line(beat: int | None) -> Any:
        return _line(services, texts_of(current_context().language)) if beat and services.tour.there else no_update


def _line(services: Services, t: Texts) -> list[Component]:
    try:
        story = services.tour.story()
    except (Unavailable, Rejected):
        return []
    if not story.reached:
        return []
    chapter, since_us = story.reached[-1]
    words = told(chapter, story.facts, t)
    return [
        html.Span(t("Now"), className="quiet"),
        html.Strong(words.title),
        html.Span(shown(chapter, story.facts, t), className="quiet wrap"),
        html.Span(t("{age} ago", age=age(since_us, story.now_us, t)), className="quiet"),
        link([t("Look"), icon("chevron-right")], "/tour", name=""),
    ]


def _chapters(services: Services, context: PageContext, t: Texts) -> list[Component]:
    try:
        story = services.tour.story()
    except (Unavailable, Rejected) as error:
        return [notice(problems_of(error, t), wrong=True)]
    since = dict(story.reached)
    items = [_chapter(number, chapter, story, since.get(chapter), context, t) for number, chapter in enumerate(Chapter, 1)]
    return [html.P(_standing(story, t), className="tour-standing", role="status"), html.Ol(items, className="tour-chapters")]


def _standing(story: TourView, t: Texts) -> str:
    if story.next is None:
        return t("The whole story has been told; the demo goes on.")
    return t(
        "{n} of {all} chapters so far. Next: {title}", n=len(story.reached), all=len(Chapter), title=told(story.next, story.facts, t).title
    )


def _chapter(number: int, chapter: Chapter, story: TourView, since_us: int | None, context: PageContext, t: Texts) -> Component:
    words = told(chapter, story.facts, t)
    here = story.next is chapter
    when: list[Component] = []
    if since_us is not None:
        when = [
            html.Span([icon("check"), t("seen")], className="tour-seen"),
            html.Span(moment(since_us, context.time_zone).partition(" ")[2], className="number"),
            html.Span(t("{age} ago", age=age(since_us, story.now_us, t)), className="quiet"),
        ]
    else:
        when = [state("waiting", t("to come next") if here else t("to come"))]
    figures = shown(chapter, story.facts, t) if since_us is not None else ""
    return html.Li(
        className="panel tour-chapter" + ("" if since_us is not None else " next" if here else " later"),
        **also(data_chapter=chapter.value, data_seen="1" if since_us is not None else "0"),
        children=[
            html.Span(str(number), className="tour-number", **also(aria_hidden="true")),
            html.Div(
                [
                    html.Div([html.H2(words.title), html.Span(when, className="tour-when")], className="tour-head"),
                    html.P(words.look),
                    *([html.P(figures, className="tour-figures")] if figures else []),
                    html.Div([link([each.words, icon("chevron-right")], each.href, name="tool") for each in words.places]),
                ]
            ),
        ],
    )
