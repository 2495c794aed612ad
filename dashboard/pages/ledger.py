"""The ledger: for each source and minute where every expected sample went, and for each that could not be taken, why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dash import Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from dashboard.context import PageContext, current_context
from dashboard.links import equipment_link, link
from dashboard.mishaps import told
from dashboard.page_app import PageApp
from dashboard.pages.health import count_heads, counts_of, source_state, sum_words
from dashboard.pages.parts import NONE_SHOWN, also, duration, exports, milliseconds, moment, notice, state, table, whole
from dashboard.services import Services
from dashboard.texts import Texts, texts_of
from dashboard.views import GapView, LedgerView, SourceView
from plant.errors import Rejected, Unavailable
from plant.ledger import MINUTE_US

_HOUR_US = 60 * MINUTE_US
_SPANS = {"1 hour": _HOUR_US, "8 hours": 8 * _HOUR_US, "24 hours": 24 * _HOUR_US, "7 days": 168 * _HOUR_US, "31 days": 744 * _HOUR_US}
_CELLS = 120
"""Most cells of a strip."""
_MOST_GAPS = 500
_ALL = ""


def layout(context: PageContext, services: Services) -> Component:
    """Return the page; what is shown of the last hour is drawn again with each beat, longer spans when they are chosen."""
    t = texts_of(context.language)
    sources = services.sources.sources()
    spans = [{"label": t(name), "value": name} for name in _SPANS]
    return html.Div(
        [
            html.H1(t("Ledger")),
            html.P(sum_words(t), className="small quiet"),
            html.Div(
                className="panel filters",
                children=[
                    _field("ledger-source", t("Source"), [{"label": t("All sources"), "value": _ALL}, *_names(sources)], _ALL),
                    _field("ledger-span", t("Span"), spans, next(iter(_SPANS))),
                ],
            ),
            html.Div(_shown(context, services, _ALL, next(iter(_SPANS)), t), id="ledger-shown", className="live"),
            dcc.Store(id="ledger-beat"),
            html.Div(**also(data_beat="ledger-beat")),
        ]
    )


def register(app: PageApp, services: Services) -> None:
    """Draw it again when another span or source is chosen, and the last hour with each beat."""

    @app.callback(
        Output("ledger-shown", "children"),
        Input("ledger-source", "value"),
        Input("ledger-span", "value"),
        prevent_initial_call=True,
    )
    def choose(source: str | None, span: str) -> Any:
        context = current_context()
        return _shown(context, services, source or _ALL, span, texts_of(context.language))

    @app.callback(
        Output("ledger-shown", "children", allow_duplicate=True),
        Input("ledger-beat", "data"),
        State("ledger-source", "value"),
        State("ledger-span", "value"),
        prevent_initial_call=True,
    )
    def again(_beat: Any, source: str | None, span: str) -> Any:
        if span != next(iter(_SPANS)):
            return no_update
        context = current_context()
        return _shown(context, services, source or _ALL, span, texts_of(context.language))


def _names(sources: Sequence[SourceView]) -> list[dict[str, str]]:
    return [{"label": source.id, "value": source.id} for source in sources]


def _field(name: str, words: str, options: list[dict[str, str]], value: str) -> Component:
    chosen = dcc.Dropdown(id=name, options=options, value=value, clearable=False, searchable=len(options) > 10)
    return html.Div([html.Label(words, htmlFor=name), chosen])


def _shown(context: PageContext, services: Services, source: str, span: str, t: Texts) -> list[Component]:
    now_us = services.plant.clock().now_us
    # whole minutes: the one that runs belongs to it
    to_us = now_us - now_us % MINUTE_US + MINUTE_US
    from_us = to_us - _SPANS.get(span, _HOUR_US)
    width_us = -(-(to_us - from_us) // _CELLS // MINUTE_US) * MINUTE_US
    chosen = [one for one in services.sources.sources() if source in {_ALL, one.id}]
    try:
        totals = {line.source: line for line in services.history.ledger_spans(from_us, to_us, source or None)}
        cells = services.history.ledger_spans(from_us, to_us, source or None, width_us)
        gaps = services.history.gaps(from_us, to_us, source or None, _MOST_GAPS)
    except (Unavailable, Rejected) as error:
        return [notice(t("The database is away: {why}", why=error), wrong=True)]
    asked = {"from_us": from_us, "to_us": to_us, "source": source}
    return [
        html.H2(t("Where the samples went")),
        html.Div([_totals(chosen, totals, t), *_fenced(chosen, t)], className="panel dense"),
        html.H2(t("Minute by minute")),
        html.Div(_strips(chosen, cells, from_us, to_us, width_us, t, context.time_zone), className="panel"),
        exports("/api/v1/ledger", t, **asked),
        html.H2(t("Gaps")),
        html.Div(_gaps(gaps, t, context.time_zone), className="panel"),
        exports("/api/v1/gaps", t, most=10_000, **asked),
    ]


def _totals(sources: Sequence[SourceView], totals: dict[str, LedgerView], t: Texts) -> Component:
    heads = [
        (t("Source"), False),
        *count_heads(t),
        (t("Taken"), True),
        (t("Lateness p50, p99"), True),
        (t("Requested, granted, achieved"), True),
    ]
    rows = []
    for source in sources:
        line = totals.get(source.id)
        counts = counts_of(line, source.in_spool, t) if line is not None else [NONE_SHOWN] * 9
        late = (None, None) if line is None else (line.lateness_p50_us, line.lateness_p99_us)
        rows.append(
            [
                html.Div([html.Div(link(source.id, "/sources")), source_state(source, t)]),
                *counts,
                _share(line, t),
                _each(late),
                _each((source.requested_us, source.granted_us, source.achieved_us)),
            ]
        )
    return table(heads, rows, caption=t("Where the samples went"), nothing=t("No sources yet."))


def _each(times_us: Sequence[int | None]) -> Component:
    return html.Div([html.Div(milliseconds(us)) for us in times_us])


def _share(line: LedgerView | None, t: Texts) -> str:
    """Return how much of what was expected was taken; never rounded up to all of it."""
    if line is None or not line.expected:
        return NONE_SHOWN
    if not line.complete:
        return t("unknown")
    return f"{int(1_000_000 * (line.expected - line.gap) / line.expected) / 10_000:.4f} %" if line.gap else "100 %"


def _fenced(sources: Sequence[SourceView], t: Texts) -> list[Component]:
    return [
        html.P(
            t("{n} samples of {source} were read by a gateway that had lost it; they are not stored.", n=whole(s.fenced), source=s.id),
            className="small quiet",
        )
        for s in sources
        if s.fenced
    ]


def _strips(
    sources: Sequence[SourceView], cells: Sequence[LedgerView], from_us: int, to_us: int, width_us: int, t: Texts, zone: str
) -> Component:
    of_source: dict[str, dict[int, LedgerView]] = {}
    for cell in cells:
        of_source.setdefault(cell.source, {})[cell.minute_us or 0] = cell
    rows = []
    for source in sources:
        known = of_source.get(source.id, {})
        boxes = [_box(known.get(start), start, t, zone) for start in range(from_us, to_us, width_us)]
        rows.append(html.Div([html.Div(source.id, className="small wrap"), html.Div(boxes, className="minutes")], className="minute-row"))
    legend = [
        html.Span([html.I(className="minute normal"), t("all taken")]),
        html.Span([html.I(className="minute some"), t("some missing")]),
        html.Span([html.I(className="minute most"), t("most missing")]),
        html.Span([html.I(className="minute unknown"), t("completeness unknown")]),
        html.Span([html.I(className="minute wrong"), t("does not add up")]),
        html.Span([html.I(className="minute"), t("nothing recorded")]),
    ]
    ends = html.Div(
        [html.Span(moment(from_us, zone, seconds=False)), html.Span(moment(to_us, zone, seconds=False))], className="minute-ends"
    )
    return html.Div([*rows, ends, html.Div(legend, className="legend")])


def _box(line: LedgerView | None, start_us: int, t: Texts, zone: str) -> Component:
    if line is None:
        return html.Span(className="minute", title=f"{moment(start_us, zone, seconds=False)} · {t('nothing recorded')}")
    share = line.gap / line.expected if line.expected else 0.0
    name = "wrong" if line.unexplained else "unknown" if not line.complete and not line.gap else "normal"
    if name != "wrong" and line.gap:
        name = "most" if share > 0.5 else "some"
    words = t(
        "{expected} expected, {stored} stored, {gap} missing", expected=whole(line.expected), stored=whole(line.stored), gap=whole(line.gap)
    )
    return html.Span(className=f"minute {name}", title=f"{moment(start_us, zone, seconds=False)} · {words}")


def _gaps(gaps: Sequence[GapView], t: Texts, zone: str) -> Component:
    heads = [
        (t("From"), False),
        (t("To"), False),
        (t("For"), True),
        (t("Source"), False),
        (t("Samples"), True),
        (t("Reason"), False),
        (t("Signal"), False),
    ]
    rows = [
        [
            moment(gap.from_us, zone, exact=True),
            moment(gap.to_us, zone, exact=True),
            duration(gap.to_us - gap.from_us, t),
            link(gap.source, "/sources"),
            whole(gap.count) if gap.count else t("unknown"),
            html.Div([t(gap.reason), html.Div(told(gap.detail, t), className="small quiet wrap")] if gap.detail else t(gap.reason)),
            t("all of the source") if gap.signal is None else equipment_link(gap.signal.rpartition("/")[0], gap.signal),
        ]
        for gap in gaps
    ]
    content = [table(heads, rows, caption=t("Gaps"), nothing=t("No gaps."))]
    if len(gaps) >= _MOST_GAPS:
        content.append(html.P(state("waiting", t("Only the newest {n} are shown.", n=_MOST_GAPS))))
    return html.Div(content)
