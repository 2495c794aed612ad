"""What became of recommendations: realised beside predicted gains, and how well the intervals of predictions hold."""

from __future__ import annotations

from dash import html
from dash.development.base_component import Component

from dashboard.context import PageContext
from dashboard.pages import recommendation_parts as drawn
from dashboard.pages.parts import also, moment, state, table, whole
from dashboard.texts import Texts
from dashboard.views_recommendations import CoverageView, RecommendationLine


def realised_gains(found: list[RecommendationLine], context: PageContext, t: Texts) -> list[Component]:
    """Return what approved recommendations brought beside what was predicted of them."""
    told = [(one, one.realised) for one in found if one.realised is not None]
    spans = [value for one, real in told for value in (one.gain_low, one.gain_high, real.low, real.high, real.gain)]
    reach = drawn.widest(spans)
    heads = [(t("Product"), False), (t("Predicted"), False), (t("Realised"), False), (t("Orders"), True), (t("Until"), False)]
    rows = []
    for one, real in told:
        predicted = drawn.gain_words(one.gain or 0.0, one.gain_low, one.gain_high, t)
        came = drawn.gain_words(real.gain, real.low, real.high, t)
        rows.append(
            [
                html.Button(one.product, className="tool small", **also(data_open=str(one.id))),
                html.Div(
                    [drawn.gain_bar(one.gain or 0.0, one.gain_low, one.gain_high, reach, predicted), html.Div(predicted, className="small")]
                ),
                html.Div([drawn.gain_bar(real.gain, real.low, real.high, reach, came, "real"), html.Div(came, className="small")]),
                whole(real.orders),
                moment(real.to_us, context.time_zone, seconds=False),
            ]
        )
    sums = []
    if told:
        predicted_sum, real_sum = (
            sum((one.gain or 0.0) * real.orders for one, real in told),
            sum(real.gain * real.orders for _, real in told),
        )
        if real_sum > 0:
            sums = [html.P(t("Predicted over realised, all orders: {ratio}.", ratio=f"{predicted_sum / real_sum:.2f}"), className="quiet")]
    nothing = t("Nothing was measured yet of what was approved.")
    return [
        html.Div(table(heads, rows, caption=t("Predicted against realised"), nothing=nothing), **also(data_opens="recommendation-open")),
        *sums,
    ]


def interval_coverage(found: list[CoverageView], t: Texts) -> Component:
    """Return how many measured values lay inside the intervals predicted for them before."""
    heads = [
        (t("Operation"), False),
        (t("Family"), False),
        (t("Measure"), False),
        (t("Inside the 90 % interval"), True),
        (t("Values"), True),
    ]
    rows = [
        [
            one.operation,
            one.family or t("all"),
            one.measure,
            _covered(one, t),
            whole(one.n),
        ]
        for one in found
        if one.coverage is not None
    ]
    return table(heads, rows, caption=t("How well the intervals hold"), nothing=t("Nothing was measured yet against predictions."))


def _covered(one: CoverageView, t: Texts) -> Component:
    share = one.coverage or 0.0
    short = one.n >= 30 and share < 0.85
    words = drawn.percent(share)
    return state("warning", t("{share}: too few", share=words)) if short else html.Span(words, className="number")
