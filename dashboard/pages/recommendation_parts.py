"""What a recommendation is drawn with, on its own page and on the sheet of a new product: gains, steps, trade-offs, evidence."""

from __future__ import annotations

from collections.abc import Sequence

from dash import html
from dash.development.base_component import Component

from dashboard.pages.parts import NONE_SHOWN, also, facts, table, whole
from dashboard.recommendation_words import against_words, missing_words, pareto_words, watch_words
from dashboard.services_recommendations import compared_with
from dashboard.texts import Texts
from plant.recommendations import Estimate, ParetoPoint, Recommendation, RouteEstimate, StepReason

_ROOM = 1.08
"""A little more than the widest interval, so that its ends are seen."""


def number(value: float | None, digits: int = 3) -> str:
    """Return a number with so many figures, without an exponent."""
    if value is None:
        return NONE_SHOWN
    size = abs(value)
    places = max(0, digits - (len(str(int(size))) if size >= 1 else 0))
    return f"{value:,.{places}f}".replace(",", "\u202f")


def signed(value: float | None) -> str:
    """Return a number with its sign: what a step saves or costs."""
    if value is None:
        return NONE_SHOWN
    shown = number(abs(value))
    return f"+{shown}" if value > 0 else f"\N{MINUS SIGN}{shown}" if value < 0 else shown


def percent(share: float | None) -> str:
    """Return a share in percent."""
    return NONE_SHOWN if share is None else f"{100 * share:.1f} %"


def interval(one: Estimate | None, *, share: bool = False) -> Component:
    """Return an expected value with its 90 % interval beneath."""
    if one is None:
        return html.Span(NONE_SHOWN)
    shown = percent if share else number
    return html.Div(
        [html.Div(shown(one.mean), className="number"), html.Div(f"{shown(one.low)} … {shown(one.high)}", className="small quiet number")]
    )


def widest(spans: Sequence[float | None]) -> float:
    """Return how far a scale with zero in its middle must reach."""
    return _ROOM * max([abs(value) for value in spans if value is not None], default=1.0) or 1.0


def gain_bar(mean: float, low: float | None, high: float | None, reach: float, words: str, name: str = "") -> Component:
    """Return a gain with its interval on a scale from -reach to reach: zero is the line in the middle, right of it is better."""

    def at(value: float) -> float:
        return min(100.0, max(0.0, 50 + 50 * value / reach))

    begin, end = at(mean if low is None else low), at(mean if high is None else high)
    return html.Div(
        className=f"gain-bar {name}".strip(),
        title=words,
        role="img",
        children=[
            html.Div(className="span", style={"left": f"{begin:.2f}%", "width": f"{max(0.4, end - begin):.2f}%"}),
            html.Div(className="zero"),
            html.Div(className="pointer", style={"left": f"{at(mean):.2f}%"}),
        ],
        **also(aria_label=words),
    )


def gain_words(mean: float, low: float | None, high: float | None, t: Texts) -> str:
    """Return a gain with its interval in words."""
    if low is None or high is None:
        return signed(mean)
    return t("{mean} ({low} to {high})", mean=signed(mean), low=signed(low), high=signed(high))


def main_gain(one: Recommendation, t: Texts) -> list[Component]:
    """Return the gain with its interval, and against what."""
    if one.gain is None:
        return []
    gain = one.gain
    words = gain_words(gain.mean, gain.low, gain.high, t)
    other = compared_with(one)
    share = None if other is None or not other.predicted.cost.mean else gain.mean / other.predicted.cost.mean
    return [
        html.Div(
            className="gain",
            children=[
                html.Div([html.Span(signed(gain.mean), className="big number"), html.Span(percent(share), className="quiet number")]),
                gain_bar(gain.mean, gain.low, gain.high, widest([gain.low, gain.high]), words, "large"),
                html.Div(
                    t(
                        "expected saving of cost against {other}; 90 %: {low} to {high}",
                        other=against_words(gain.against, t),
                        low=signed(gain.low),
                        high=signed(gain.high),
                    ),
                    className="small quiet",
                ),
            ],
        )
    ]


def expected(one: Recommendation, t: Texts) -> Component:
    """Return what is expected of the proposed route beside what it is compared with."""
    heads = [
        (t("Route"), False),
        (t("Cost"), True),
        (t("Minutes"), True),
        (t("First pass"), True),
        (t("Energy, kWh"), True),
        (t("Wear"), True),
    ]
    routes: list[tuple[str, RouteEstimate | None]] = [(t("Proposed"), one.predicted)]
    if one.today is not None:
        routes.append((t("Best today, with queues and breakdowns"), one.today.predicted))
    for name, other in (("current", one.against.current), ("nearest", one.against.nearest)):
        if other is not None:
            words = against_words(name, t)
            routes.append((f"{words[0].upper()}{words[1:]}{f' ({other.product})' if other.product else ''}", other.predicted))
    rows = [
        [
            name,
            interval(told.cost),
            interval(told.duration_min),
            interval(told.first_pass, share=True),
            interval(told.energy_kwh),
            interval(told.wear),
        ]
        for name, told in routes
        if told is not None
    ]
    return table(heads, rows, caption=t("What is expected"), nothing=t("Nothing can be expected yet."))


def steps(one: Recommendation, t: Texts) -> Component:
    """Return the route step by step beside the compared one; the differences add up to the gain."""
    reach = widest([step.difference for step in one.steps])
    compared = compared_with(one) is not None
    heads = [
        (t("Operation"), False),
        *([(t("Compared"), False)] if compared else []),
        (t("Proposed"), False),
        (t("Cost"), True),
        (t("Minutes"), True),
        (t("First pass"), True),
        *([(t("Saved"), True)] if compared else []),
        (t("Measured"), True),
    ]
    rows = [
        [
            step.operation,
            *([_instead(step, t)] if compared else []),
            _proposed(step, t),
            interval(step.cost),
            interval(step.duration_min),
            interval(step.first_pass, share=True),
            *([_difference(step, reach)] if compared else []),
            _evidence(step, t),
        ]
        for step in one.steps
    ]
    shown: list[Component] = [table(heads, rows, caption=t("Step by step"), nothing=t("There is no route to show."))]
    if compared and one.gain is not None:
        total = sum(step.difference for step in one.steps)
        shown.append(html.P(t("The steps add up to {total}.", total=signed(total)), className="small quiet"))
    return html.Div(shown, className="route-steps")


def _instead(step: StepReason, t: Texts) -> Component:
    if step.instead_of is None:
        return html.Span(t("not done"), className="quiet")
    same = step.instead_of.alternative == step.alternative
    return html.Span(t("the same") if same else step.instead_of.alternative, className="quiet" if same else "wrap")


def _proposed(step: StepReason, t: Texts) -> Component:
    if step.alternative is None:
        return html.Span(t("not done"), className="quiet")
    changed = step.instead_of is not None and step.instead_of.alternative != step.alternative
    told = [word for word in (step.work_unit, step.program, step.tool) if word]
    told += [f"{name} {value:g}" for name, value in step.parameters.items()]
    return html.Div(
        [
            html.Div(html.Strong(step.alternative) if changed else step.alternative, className="wrap"),
            html.Div(" · ".join(told), className="small quiet"),
        ]
    )


def _difference(step: StepReason, reach: float) -> Component:
    if not step.difference:
        return html.Span("0", className="quiet")
    words = signed(step.difference)
    return html.Div([html.Div(words, className="number"), gain_bar(step.difference, 0.0, step.difference, reach, words, "step")])


def _evidence(step: StepReason, t: Texts) -> Component:
    if step.alternative is None:
        return html.Span(NONE_SHOWN)
    near = t("{n} nearest", n=whole(step.nearest_count))
    return html.Div([html.Div(whole(step.count), className="number"), html.Div(near, className="small quiet number")])


def pareto(points: Sequence[ParetoPoint], t: Texts) -> Component:
    """Return the routes that none beats in time, cost, yield and energy at once, as a chart of time over cost and a table."""
    if not points:
        return html.P(t("No route is better than this one in anything."), className="quiet")
    across, up = [one.duration_min for one in points], [one.cost for one in points]

    def at(value: float, values: list[float]) -> float:
        low, high = min(values), max(values)
        return 50.0 if high - low < 1e-9 else 8 + 84 * (value - low) / (high - low)

    dots = [
        html.Div(
            str(n),
            className="pareto-dot first" if one.label == "recommended" else "pareto-dot",
            style={"left": f"{at(one.duration_min, across):.1f}%", "top": f"{100 - at(one.cost, up):.1f}%"},
            title=pareto_words(one.label, t),
        )
        for n, one in enumerate(points, 1)
    ]
    chart = html.Div(
        className="pareto",
        role="img",
        children=[
            html.Div(dots, className="pareto-field"),
            html.Div([html.Span(number(min(across))), html.Span(t("minutes")), html.Span(number(max(across)))], className="pareto-across"),
            html.Div([html.Span(number(max(up))), html.Span(t("cost")), html.Span(number(min(up)))], className="pareto-up"),
        ],
        **also(aria_label=t("Cost over time of {n} routes", n=len(points))),
    )
    heads = [("", True), (t("Route"), False), (t("Cost"), True), (t("Minutes"), True), (t("First pass"), True), (t("Energy, kWh"), True)]
    best = set(points[0].route)
    rows = [
        [
            str(n),
            html.Div(
                [
                    html.Div(html.Strong(pareto_words(one.label, t)) if one.label == "recommended" else pareto_words(one.label, t)),
                    html.Div(", ".join(step for step in one.route if step not in best), className="small quiet wrap"),
                ]
            ),
            number(one.cost),
            number(one.duration_min),
            percent(one.first_pass),
            number(one.energy_kwh),
        ]
        for n, one in enumerate(points, 1)
    ]
    return html.Div(
        [chart, table(heads, rows, caption=t("Routes that none beats in everything"))], className="vision-side-by-side pareto-both"
    )


def today(one: Recommendation, t: Texts) -> list[Component]:
    """Return how the best route of today differs from that of an empty shop; nothing where nobody asked."""
    if one.today is None:
        return []
    now = one.today
    pairs = [
        (t("Queues along it"), t("{n} min", n=number(now.waiting_min))),
        (t("The proposed one would cost today"), number(now.of_recommended) if now.of_recommended is not None else t("cannot be used")),
    ]
    others = [step for step in now.route if step not in one.route]
    return [
        html.H3(t("Today")),
        html.P(", ".join(others) if others else t("The proposed route is the best today too."), className="wrap"),
        html.Ul([html.Li(f"{unit}: {why}") for unit, why in now.avoided.items()]),
        facts(pairs),
    ]


def nearest(one: Recommendation, t: Texts) -> Component:
    """Return the products made so far that are most like this one."""
    heads = [(t("Product"), False), (t("Distance"), True), (t("Measurements"), True)]
    rows = [[near.product, f"{near.distance:.2f}", whole(near.rows)] for near in one.nearest_products]
    return table(heads, rows, caption=t("Nearest products"), nothing=t("No product is known that it could be compared with."))


def removed(one: Recommendation, t: Texts) -> Component:
    """Return what may not be used, and by which rule."""
    heads = [(t("Not allowed"), False), (t("Rule"), False), (t("Why"), False)]
    rows = [[gone.alternative, gone.rule, gone.text] for gone in one.removed]
    return table(heads, rows, caption=t("Alternatives that rules remove"), nothing=t("No rule removes anything."))


def watch(one: Recommendation, t: Texts) -> Component:
    """Return what to look at on the first parts."""
    if not one.watch:
        return html.P(t("Nothing stands out."), className="quiet")
    return html.Ul([html.Li(watch_words(point, t)) for point in one.watch], className="joint-reasons")


def missing(one: Recommendation, t: Texts) -> list[Component]:
    """Return which evidence is missing; nothing where none is."""
    return [html.Ul([html.Li(missing_words(each, t)) for each in one.missing], className="joint-reasons")] if one.missing else []
