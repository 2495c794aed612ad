"""System health: can the screen be trusted. Rates proved, where every sample went, what was missed and why, processes, database."""

from __future__ import annotations

from typing import Any

from dash import Input, Output, State, dcc, html
from dash.development.base_component import Component

from dashboard.context import PageContext, current_context
from dashboard.mishaps import told
from dashboard.page_app import PageApp
from dashboard.pages.parts import NONE_SHOWN, age, also, duration, exports, facts, milliseconds, moment, notice, size, state, table, whole
from dashboard.services import Services
from dashboard.texts import Texts, texts_of
from dashboard.views import GapView, LedgerView, ProcessView, SourceView, StorageView
from plant.errors import Unavailable
from plant.ledger import MINUTE_US

HOUR_US = 60 * MINUTE_US
_MOST_GAPS = 100
_STATE_LOOKS = {
    "connected": "normal",
    "running": "normal",
    "connecting": "waiting",
    "starting": "waiting",
    "stopped": "stale",
    "silent": "stale",
}


def layout(context: PageContext, services: Services) -> Component:
    """Return the page; its tables are drawn again every two seconds while the stream lives."""
    t = texts_of(context.language)
    sources = services.sources.sources()
    first = sources[0].id if sources else None
    return html.Div(
        [
            html.H1(t("System health")),
            html.Div(_now(context, services, t), id="health-now", className="live"),
            html.H2(t("Ledger by minute")),
            html.Div(
                className="panel",
                children=[
                    html.Label(t("Source"), htmlFor="health-source"),
                    dcc.Dropdown(
                        id="health-source",
                        options=[source.id for source in sources],
                        value=first,
                        clearable=False,
                        searchable=len(sources) > 10,
                        style={"maxWidth": "20rem"},
                    ),
                    html.Div(_minutes(services, first, t, context.time_zone), id="health-minutes", className="live"),
                ],
            ),
            dcc.Store(id="health-beat"),
            html.Div(**also(data_beat="health-beat")),
        ]
    )


def register(app: PageApp, services: Services) -> None:
    """Draw the tables again with each beat, and the minutes when another source is chosen."""

    @app.callback(
        Output("health-now", "children"),
        Output("health-minutes", "children"),
        Input("health-beat", "data"),
        Input("health-source", "value"),
        State("health-beat", "id"),
        prevent_initial_call=True,
    )
    def again(_beat: Any, source: str | None, _id: str) -> tuple[Any, Any]:
        context = current_context()
        t = texts_of(context.language)
        return _now(context, services, t), _minutes(services, source, t, context.time_zone)


def _now(context: PageContext, services: Services, t: Texts) -> list[Component]:
    clock = services.plant.clock()
    now_us = clock.now_us
    sources = services.sources.sources()
    try:
        totals = {line.source: line for line in services.history.ledger_totals(now_us - HOUR_US, now_us)}
        gaps = services.history.gaps(now_us - HOUR_US, now_us, most=_MOST_GAPS)
        storage = services.health.storage()
    except Unavailable as error:
        return [notice(t("The database is away: {why}", why=error), wrong=True)]
    return [
        html.H2(t("Sources")),
        html.Div(_rates(sources, now_us, storage, t), className="panel"),
        html.H2(t("Where the samples of the last hour went")),
        html.Div([_ledger(sources, totals, t), html.P(sum_words(t), className="small quiet")], className="panel"),
        html.H2(t("Gaps of the last hour")),
        html.Div(_gaps(gaps, t, context.time_zone), className="panel"),
        html.H2(t("Processes")),
        html.Div(_processes(services.health.processes(), now_us, t), className="panel"),
        html.H2(t("Database")),
        html.Div(_storage(storage, t, context.time_zone), className="panel"),
    ]


def _rates(sources: list[SourceView], now_us: int, storage: StorageView, t: Texts) -> Component:
    heads = [
        (t("Source"), False),
        (t("State"), False),
        (t("Requested"), True),
        (t("Granted"), True),
        (t("Achieved"), True),
        (t("Lateness p50"), True),
        (t("Lateness p99"), True),
        (t("Real-time priority"), False),
        (t("Missed ticks"), True),
        (t("Last sample"), True),
        (t("In spool"), True),
        (t("Reconnects"), True),
    ]
    rows = [
        [
            source.id,
            source_state(source, t),
            milliseconds(source.requested_us),
            milliseconds(source.granted_us),
            milliseconds(source.achieved_us),
            milliseconds(source.lateness_p50_us),
            milliseconds(source.lateness_p99_us),
            real_time(source, t),
            whole(source.missed_ticks),
            age(source.last_sample_us, now_us, t),
            whole(source.in_spool),
            whole(source.reconnects),
        ]
        for source in sources
    ]
    lag = t("Rollups lag behind by {span}.", span=duration(storage.rollup_lag_us, t))
    return html.Div([table(heads, rows, caption=t("Sources"), nothing=t("No sources yet.")), html.P(lag, className="small quiet")])


def source_state(source: SourceView, t: Texts) -> Component:
    """Return a source's state as shape and word, with the reason below it where there is one."""
    look = _STATE_LOOKS.get(source.state, "bad")
    content: list[Component] = [state(look, t(source.state))]
    if source.detail:
        content.append(html.Div(told(source.detail, t), className="small wrap" + (" quiet" if look == "normal" else "")))
    return html.Div(content)


def real_time(source: SourceView, t: Texts) -> Component | str:
    """Return whether a source is read before all else on its machine, and what is missing where it is not."""
    if source.real_time is None:
        return NONE_SHOWN
    if source.real_time:
        return t("yes")
    return html.Span(t("not permitted: CAP_SYS_NICE or LimitRTPRIO"), className="small wrap")


def _ledger(sources: list[SourceView], totals: dict[str, LedgerView], t: Texts) -> Component:
    rows = []
    for source in sources:
        line = totals.get(source.id)
        rows.append([source.id, *counts_of(line, source.in_spool, t)] if line is not None else [source.id, *[NONE_SHOWN] * 9])
    heads = [(t("Source"), False), *count_heads(t)]
    return table(heads, rows, caption=t("Where the samples of the last hour went"), nothing=t("No sources yet."))


def count_heads(t: Texts) -> list[tuple[str, bool]]:
    """Return the heads of the columns that ``counts_of`` fills."""
    words = (
        t("Expected"),
        t("Stored"),
        t("Unchanged"),
        t("Filtered"),
        t("Duplicate"),
        t("Rejected"),
        t("Gap"),
        t("In spool"),
        t("Adds up"),
    )
    return [(word, True) for word in words]


def counts_of(line: LedgerView, in_spool: int | None, t: Texts) -> list[Any]:
    """Return where the samples of one source went, and whether it adds up."""
    counts = (line.stored, line.unchanged, line.filtered, line.duplicate, line.rejected, line.gap)
    return [
        whole(line.expected + (in_spool or 0)) if line.complete else t("unknown"),
        *(whole(count) for count in counts),
        NONE_SHOWN if in_spool is None else whole(in_spool),
        _sum_check(line, t),
    ]


def _sum_check(line: LedgerView, t: Texts) -> Component:
    """Return whether expected equals the sum. What waits in the spool reaches the ledger with its samples, so it counts on both sides."""
    if not line.complete:
        return html.Span(t("completeness unknown"), className="quiet small")
    if line.unexplained == 0:
        return html.Span(t("yes"), className="sum right")
    return state("critical", t("{n} unexplained", n=whole(line.unexplained)))


def sum_words(t: Texts) -> str:
    """Return the sum that must hold."""
    return t("expected = stored + unchanged + filtered + duplicate + rejected + in spool + gap.")


def _minutes(services: Services, source: str | None, t: Texts, zone: str) -> Component:
    if source is None:
        return html.P(t("No sources yet."), className="quiet")
    now_us = services.plant.clock().now_us
    try:
        lines = services.history.ledger(now_us - HOUR_US, now_us, source)
    except Unavailable as error:
        return notice(t("The database is away: {why}", why=error), wrong=True)
    heads = [(t("Minute"), False), *count_heads(t), (t("Ticks"), True), (t("Lateness p50"), True), (t("Lateness p99"), True)]
    rows = [
        [
            moment(line.minute_us, zone, seconds=False),
            *counts_of(line, None, t),
            whole(line.ticks),
            milliseconds(line.lateness_p50_us),
            milliseconds(line.lateness_p99_us),
        ]
        for line in sorted(lines, key=lambda line: line.minute_us or 0, reverse=True)
    ]
    return table(heads, rows, caption=t("Ledger by minute"), nothing=t("Nothing was recorded in the last hour."))


def _gaps(gaps: list[GapView], t: Texts, zone: str) -> Component:
    heads = [(t("From"), False), (t("For"), True), (t("Source"), False), (t("Samples"), True), (t("Reason"), False), (t("Signal"), False)]
    rows = [
        [
            moment(gap.from_us, zone),
            duration(gap.to_us - gap.from_us, t),
            gap.source,
            whole(gap.count),
            html.Div([t(gap.reason), html.Div(gap.detail, className="small quiet wrap")] if gap.detail else t(gap.reason)),
            gap.signal or t("all of the source"),
        ]
        for gap in sorted(gaps, key=lambda gap: gap.from_us, reverse=True)
    ]
    return table(heads, rows, caption=t("Gaps of the last hour"), nothing=t("No gaps."))


def _processes(processes: list[ProcessView], now_us: int, t: Texts) -> Component:
    heads = [(t("Process"), False), (t("State"), False), (t("Since"), True), (t("Restarts"), True), (t("Last exit"), True), ("PID", True)]
    rows = [
        [
            html.Span(process.name, lang="en"),
            state(_STATE_LOOKS.get(process.state, "bad"), t(process.state)),
            age(process.since_us, now_us, t),
            whole(process.restarts),
            NONE_SHOWN if process.last_exit is None else str(process.last_exit),
            NONE_SHOWN if process.pid is None else str(process.pid),
        ]
        for process in processes
    ]
    return table(
        heads,
        rows,
        caption=t("Processes"),
        below=exports("/api/v1/processes", t),
        nothing=t("No process reports: Leadhand's processes were not started by 'leadhand'."),
    )


def _storage(storage: StorageView, t: Texts, zone: str) -> Component:
    used = size(storage.database_bytes)
    if storage.budget_bytes:
        share = round(100 * storage.database_bytes / storage.budget_bytes)
        used = t("{used} of {budget} ({share} %)", used=used, budget=size(storage.budget_bytes), share=share)
    heads = [(t("Kept"), False), (t("From"), False), (t("Until"), False), (t("Span"), True), (t("Size"), True)]
    rows = [
        [
            t(f"tier {tier.name}"),
            moment(tier.oldest_us, zone, seconds=False),
            moment(tier.newest_us, zone, seconds=False),
            NONE_SHOWN if tier.oldest_us is None or tier.newest_us is None else duration(tier.newest_us - tier.oldest_us, t),
            size(tier.bytes),
        ]
        for tier in storage.tiers
    ]
    kind = "TimescaleDB" if storage.is_timescale else "PostgreSQL"
    pairs = [(t("Kind"), kind), (t("Used"), used), (t("Rollups lag"), duration(storage.rollup_lag_us, t))]
    return html.Div([facts(pairs), table(heads, rows, caption=t("Database"), nothing=t("Nothing is stored yet."))])
