"""Review: what the cameras could not decide, the most uncertain first; a person looks, answers by a key, and the next one comes."""

from __future__ import annotations

import json
from typing import Any

from dash import ALL, Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component

from dashboard.context import PageContext, current_context
from dashboard.inspection_words import decision_words, kind_words
from dashboard.links import serial_link
from dashboard.page_app import PageApp
from dashboard.pages.parts import NONE_SHOWN, also, facts, moment, notice, problems_of, state, whole
from dashboard.pages.welds import decision_state, measures_of, picture, why
from dashboard.services import Services
from dashboard.texts import Texts, texts_of
from dashboard.views_vision import BoxDraft, InspectionView, LabelDraft
from plant.errors import Rejected, Unavailable
from plant.inspections import Decision
from storage.people import Role

_AHEAD = 30
_NOT_THERE = "-"
_KINDS = {
    "welds": (
        *("good", "surface_pores", "wrong_size", "not_fully_soldered", "crater"),
        *("crack", "undercut", "spatter", "burn_through", "lack_of_fusion"),
    ),
    "bolts": ("bolt", "missing", "washer"),
}
"""What an inspector may say a thing is, besides what models call it."""


def layout(context: PageContext, services: Services) -> Component:
    """Return the page with the first picture of the queue."""
    t = texts_of(context.language)
    return html.Div(
        [
            html.H1(t("Review")),
            html.Div(id="review-said", className="vision-said"),
            html.Div(_first(services, context, t, ()), id="review-shown", **also(data_review_keys="1")),
            dcc.Store(id="review-skipped", data=[]),
            dcc.Store(id="review-drawn"),
        ]
    )


def register(app: PageApp, services: Services) -> None:
    """Take answers, and show the next picture."""

    @app.callback(
        Output("review-shown", "children"),
        Output("review-said", "children"),
        Output("review-skipped", "data"),
        Input({"part": "review-answer", "inspection": ALL, "answer": ALL}, "n_clicks"),
        State({"part": "review-kind", "inspection": ALL, "number": ALL}, "value"),
        State({"part": "review-drawn-kind", "inspection": ALL, "number": ALL}, "value"),
        State("review-drawn", "data"),
        State("review-skipped", "data"),
        prevent_initial_call=True,
        role=Role.INSPECTOR,
    )
    def answer(
        _clicks: list[int | None], kinds: list[str | None], drawn_kinds: list[str | None], drawn: Any, skipped: list[int] | None
    ) -> tuple[Any, Any, Any]:
        asked = ctx.triggered_id
        if not ctx.triggered or not ctx.triggered[0]["value"] or not isinstance(asked, dict):
            return no_update, no_update, no_update
        context = current_context()
        t = texts_of(context.language)
        number, left_out = int(asked["inspection"]), list(skipped or ())
        if asked["answer"] == "skip":
            left_out.append(number)
            return _first(services, context, t, left_out), "", left_out
        try:
            one = services.vision.inspection(number)
            draft = LabelDraft(
                decision=Decision(asked["answer"]), boxes=_corrected(one, kinds, _named(_drawn_of(drawn, number), drawn_kinds, t))
            )
            services.vision.label(context.person, number, draft)
        except (Rejected, Unavailable, PermissionError, ValueError) as error:
            return no_update, notice(problems_of(error, t), wrong=True), no_update
        words = t("Kept: part {part} is '{verdict}'.", part=one.part or NONE_SHOWN, verdict=decision_words(asked["answer"], t))
        return _first(services, context, t, left_out), html.P(words, className="quiet"), left_out

    @app.callback(
        Output("review-drawn-rows", "children"),
        Input("review-drawn", "data"),
        State({"part": "review-drawn-kind", "inspection": ALL, "number": ALL}, "value"),
        prevent_initial_call=True,
        role=Role.INSPECTOR,
    )
    def drawn_rows(drawn: Any, kinds: list[str | None]) -> Any:
        number = drawn.get("inspection") if isinstance(drawn, dict) else None
        if not isinstance(number, int):
            return no_update
        context = current_context()
        try:
            one = services.vision.inspection(number, context.language)
        except (Rejected, Unavailable):
            return no_update
        return _drawn_rows(one, len(_drawn_of(drawn, number)), kinds, texts_of(context.language))


def _corrected(one: InspectionView, kinds: list[str | None], drawn: tuple[BoxDraft, ...]) -> tuple[BoxDraft, ...] | None:
    """Return the boxes as an inspector left them; None where nothing was changed."""
    if len(kinds) != len(one.findings) or (not drawn and list(kinds) == [found.kind for found in one.findings]):
        return None
    left = (
        BoxDraft(kind=kind, box_px=found.box_px)
        for kind, found in zip(kinds, one.findings, strict=True)
        if kind not in {None, _NOT_THERE} and kind
    )
    return (*left, *drawn)


def _drawn_of(drawn: Any, inspection: int) -> list[tuple[float, float, float, float]]:
    """Return the boxes that were drawn over the picture of an inspection, in its pixels."""
    if not isinstance(drawn, dict) or drawn.get("inspection") != inspection:
        return []
    boxes = [[float(edge) for edge in box] for box in drawn.get("boxes", ())]
    return [(box[0], box[1], box[2], box[3]) for box in boxes]


def _named(boxes: list[tuple[float, float, float, float]], kinds: list[str | None], t: Texts) -> tuple[BoxDraft, ...]:
    """Return what was drawn with what it is. Raises Rejected where that is not said."""
    told = [*kinds, *[None] * len(boxes)][: len(boxes)]
    if None in told:
        raise Rejected(t("Say what each box shows that you drew, or that it is not there."))
    return tuple(BoxDraft(kind=kind, box_px=box) for kind, box in zip(told, boxes, strict=True) if kind and kind != _NOT_THERE)


def _first(services: Services, context: PageContext, t: Texts, skipped: list[int] | tuple[int, ...]) -> list[Component]:
    try:
        waiting = services.vision.waiting()
        queue = services.vision.queue(most=_AHEAD + len(skipped), language=context.language)
    except Unavailable as error:
        return [notice(t("The database is away: {why}", why=error), wrong=True)]
    one = next((each for each in queue if each.id not in skipped), None)
    if one is None:
        words = t("Nothing waits for a person.") if not waiting else t("All that wait were skipped; load the page again to see them.")
        return [html.Div(html.P(words), className="panel")]
    may = context.may(Role.INSPECTOR)
    return [
        html.Div(
            className="vision-side-by-side review",
            children=[
                html.Div(picture(one, context, t), className="panel", **(also(data_draws=_place(one)) if may else {})),
                html.Div(
                    className="panel",
                    children=[
                        html.Div(
                            [html.H2(serial_link(one.part) if one.part else t("no part told")), decision_state(one, t)],
                            className="vision-head",
                        ),
                        html.P(t("{n} wait for a person.", n=whole(waiting)), className="small quiet"),
                        *why(one),
                        *_findings(one, t, may=may),
                        *([html.P(t("Not found? Draw a box over it in the picture."), className="small quiet")] if may else []),
                        html.Div(id="review-drawn-rows"),
                        *([_buttons(one, t)] if may else [html.P(t("Inspectors answer here."), className="quiet")]),
                        facts(
                            [
                                (t("Station"), f"{one.station} / {one.view}"),
                                (t("Taken at"), moment(one.taken_us, context.time_zone)),
                                (t("Uncertainty"), f"{100 * one.uncertainty:.0f} %"),
                            ]
                        ),
                    ],
                ),
            ],
        )
    ]


def _findings(one: InspectionView, t: Texts, *, may: bool) -> list[Component]:
    """Return each thing found with what it is taken for, which an inspector may change."""
    options = _options(one, t)
    rows: list[Component] = []
    for number, found in enumerate(one.findings, 1):
        name = f"review-kind-{one.id}-{number}"
        chosen = (
            dcc.Dropdown(
                id={"part": "review-kind", "inspection": one.id, "number": number}, options=options, value=found.kind, clearable=False
            )
            if may
            else html.Span(kind_words(found.kind, t))
        )
        words = [html.Span(each, className="small") for each in measures_of(found, t)]
        sure = html.Span(f"{100 * found.confidence:.0f} %", className="number")
        look = state("normal" if found.decision == "ok" else "warning", decision_words(found.decision, t))
        said = [html.Div(reason.words, className="small quiet") for reason in found.reasons]
        rows.append(
            html.Div(
                [html.Strong(str(number)), html.Div(chosen, className="grow"), sure, look, *words, *said], className="review-row", id=name
            )
        )
    return rows


def _drawn_rows(one: InspectionView, count: int, kinds: list[str | None], t: Texts) -> list[Component]:
    """Return a choice for each box that was drawn; what was chosen before stays."""
    chosen = [*kinds, *[None] * count][:count]
    return [
        html.Div(
            [
                html.Strong(t("drawn {n}", n=number)),
                html.Div(
                    dcc.Dropdown(
                        id={"part": "review-drawn-kind", "inspection": one.id, "number": number},
                        options=_options(one, t),
                        value=kind,
                        placeholder=t("What is it?"),
                        clearable=False,
                    ),
                    className="grow",
                ),
            ],
            className="review-row",
        )
        for number, kind in enumerate(chosen, 1)
    ]


def _options(one: InspectionView, t: Texts) -> list[dict[str, str]]:
    kinds = [*dict.fromkeys([*(found.kind for found in one.findings), *_KINDS.get(one.subject, ())])]
    return [*({"value": kind, "label": kind_words(kind, t)} for kind in kinds), {"value": _NOT_THERE, "label": t("not there")}]


def _place(one: InspectionView) -> str:
    """Return what the script must know to tell pixels of the picture: whose picture it is, its width and height."""
    return json.dumps({"inspection": one.id, "width": one.width, "height": one.height})


def _buttons(one: InspectionView, t: Texts) -> Component:
    answers = [
        ("ok", "a", t("OK")),
        ("nok", "r", t("Not OK")),
        ("not_decidable", "n", t("Cannot be told")),
        ("skip", "s", t("Skip")),
    ]
    return html.Div(
        [
            html.Button(
                [html.Kbd(key.upper()), words],
                id={"part": "review-answer", "inspection": one.id, "answer": answer},
                className="tool",
                **also(data_key=key),
            )
            for answer, key, words in answers
        ],
        className="review-answers",
    )
