"""What the page of losses draws: states, strips of time, figures, the waterfall and the Pareto."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dash import html
from dash.development.base_component import Component

from dashboard.links import equipment_link, serial_link
from dashboard.pages.losses_words import LOOKS, loss_words, percent, spell, state_words
from dashboard.pages.parts import NONE_SHOWN, Cell, also, duration, moment, notice, state, table, whole
from dashboard.texts import Texts
from dashboard.views_losses import CounterNoteView, OeeView, ParetoView, SliceView, StepView, UnitView

CELLS = 480
"""Of a strip: each shows what took most of its time."""
LOSSES = tuple(LOOKS)


def units_table(units: Sequence[UnitView], now_us: int, t: Texts) -> Component:
    """Return what each equipment does now, and since when."""
    heads = [
        (t("Equipment"), False),
        (t("State"), False),
        (t("Reason"), False),
        (t("Since"), True),
        (t("Product"), False),
        (t("Job order"), False),
        (t("Part"), False),
        (t("Shift"), False),
    ]
    rows: list[list[Cell]] = []
    for one in units:
        words = state_words(one.state, t)
        looks = LOOKS.get(one.loss, "normal")
        since = NONE_SHOWN if one.since_us is None else duration(now_us - one.since_us, t)
        rows.append(
            [
                equipment_link(one.equipment, one.name, title=one.equipment),
                html.Span(state(looks, words), title=f"{one.machinery_state} {one.mode}".strip()),
                one.reason_name or (t("nothing heard") if one.is_late else NONE_SHOWN),
                since,
                one.product or NONE_SHOWN,
                html.Span(one.order or NONE_SHOWN, className="number"),
                serial_link(one.part) if one.part else NONE_SHOWN,
                " ".join(word for word in (one.shift, one.team) if word) or t("none runs"),
            ]
        )
    nothing = t("No states are followed. Name them in [[states]] of site.toml.")
    return table(heads, rows, caption=t("What each equipment does now"), nothing=nothing)


def figures(one: OeeView, t: Texts) -> Component:
    """Return OEE with its three factors, and what must be said about them."""
    at_most = one.availability_at_most if one.unknown_us else None
    return html.Div(
        [
            html.Div(
                className="oee-figures",
                children=[
                    _figure(t("OEE"), one.oee, "A · E · Q", t),
                    _figure(t("Availability"), one.availability, "APT / PBT", t, at_most),
                    _figure(t("Effectiveness"), one.effectiveness, "PRI · PQ / APT", t, wrong=one.run_time_is_wrong),
                    _figure(t("Quality ratio"), one.quality_ratio, "GQ / PQ", t),
                ],
            ),
            html.Dl(
                className="facts small oee-elements",
                children=[html.Div([html.Dt(name, title=formula), html.Dd(value)]) for name, formula, value in _elements(one, t)],
            ),
            *[notice(words, wrong=wrong) for words, wrong in _remarks(one, t)],
        ]
    )


def _figure(name: str, ratio: float | None, formula: str, t: Texts, at_most: float | None = None, *, wrong: bool = False) -> Component:
    shown = 0.0 if ratio is None else min(1.0, ratio)
    more = 0.0 if at_most is None or ratio is None else max(0.0, min(1.0, at_most) - shown)
    words = t("unknown") if ratio is None else percent(ratio)
    return html.Div(
        className="oee-figure wrong" if wrong else "oee-figure",
        title=formula,
        children=[
            html.Div(name, className="small quiet"),
            html.Div(words, className="big number"),
            html.Div(
                className="bar",
                children=[
                    html.Div(className="fill", style={"width": f"{100 * shown:.2f}%"}),
                    html.Div(className="fill maybe", style={"left": f"{100 * shown:.2f}%", "width": f"{100 * more:.2f}%"}),
                ],
            ),
            html.Div(t("at most {share}", share=percent(at_most)) if at_most is not None else formula, className="small quiet"),
        ],
    )


def _elements(one: OeeView, t: Texts) -> list[tuple[str, str, str]]:
    rate = NONE_SHOWN if one.pieces_per_hour is None else f"{one.pieces_per_hour:.1f}"
    return [
        (t("Planned busy time PBT"), t("what the shift calendar plans, without breaks"), spell(one.pbt_us, t)),
        (t("Production APT"), "", spell(one.apt_us, t)),
        (t("Setup AUST"), "", spell(one.aust_us, t)),
        (t("Delay ADET"), t("breakdowns, minor stops, waiting"), spell(one.adet_us, t)),
        (t("Down ADOT"), t("idle, maintenance, switched off"), spell(one.adot_us, t)),
        (t("Not known"), t("samples are missing"), spell(one.unknown_us, t)),
        (t("Produced PQ"), "", whole(one.produced)),
        (t("Good GQ"), "", whole(one.good)),
        (t("Scrap SQ"), "", whole(one.scrap)),
        (t("Rework RQ"), "", whole(one.rework)),
        (t("NEE"), "AUPT / PBT · E · Q", percent(one.nee)),
        (t("Utilization efficiency"), "APT / AUBT", percent(one.utilization_efficiency)),
        (t("Allocation efficiency"), "AUBT / PBT", percent(one.allocation_efficiency)),
        (t("Technical efficiency"), "APT / (APT + ADET)", percent(one.technical_efficiency)),
        (t("MTBF"), t("production time by breakdown"), spell(one.mtbf_us, t)),
        (t("MTTR"), t("time of breakdown by breakdown"), spell(one.mttr_us, t)),
        (t("Breakdowns"), "", whole(one.failures)),
        (t("Minor stops"), "", whole(one.minor_stops)),
        (t("Pieces per hour"), "PQ / AUBT", rate),
    ]


def _remarks(one: OeeView, t: Texts) -> list[tuple[str, bool]]:
    found: list[tuple[str, bool]] = []
    if one.run_time_is_wrong:
        found.append((t("More was made than the planned run time per item allows: the setting is wrong. Nothing is cut off."), True))
    if one.without_run_time:
        named = [product for product in one.without_run_time if product]
        products = ", ".join(named[:5]) + (" …" if len(named) > 5 else "")
        words = t("No planned run time per item for {products}: effectiveness is unknown.", products=products or t("some equipment"))
        found.append((words, False))
    if one.without_calendar:
        found.append((t("Some equipment has no shift calendar: all its time counts as planned."), False))
    if one.produced_unplanned_us or one.pieces_unplanned:
        words = t("Outside of planned time: {time} of production, {n} pieces; they are in no figure.",
                  time=spell(one.produced_unplanned_us, t), n=whole(one.pieces_unplanned))  # fmt: skip
        found.append((words, False))
    return found


def groups_table(groups: Sequence[OeeView], head: str, names: Mapping[str, str], t: Texts) -> Component:
    """Return the figures of each group side by side."""
    heads = [
        *((head, False), (t("OEE"), True), (t("Availability"), True), (t("Effectiveness"), True), (t("Quality ratio"), True)),
        *((t("Planned"), True), (t("Production"), True), (t("Not known"), True), (t("Produced"), True), (t("Scrap"), True)),
    ]
    rows: list[list[Cell]] = [
        [
            names.get(one.group, one.group) or NONE_SHOWN,
            html.Strong(percent(one.oee)),
            percent(one.availability),
            html.Span(percent(one.effectiveness), className="sum wrong" if one.run_time_is_wrong else ""),
            percent(one.quality_ratio),
            spell(one.pbt_us, t),
            spell(one.apt_us, t),
            spell(one.unknown_us, t),
            whole(one.produced),
            whole(one.scrap),
        ]
        for one in groups
    ]
    return table(heads, rows, caption=head, nothing=t("Nothing was planned or known in this span."))


def strips(slices: Sequence[SliceView], names: Mapping[str, str], span: tuple[int, int], zone: str, t: Texts) -> Component:
    """Return a strip of time for each equipment: grey is production, a colour is a loss, white was not planned."""
    by_unit: dict[str, list[SliceView]] = {}
    for one in slices:
        by_unit.setdefault(one.equipment, []).append(one)
    rows = [
        html.Div(
            className="minute-row",
            children=[
                html.Div(names.get(unit, unit), className="small wrap", title=unit),
                html.Div(_runs(rows, span, zone, t), className="states", role="img", **also(aria_label=names.get(unit, unit))),
            ],
        )
        for unit, rows in by_unit.items()
    ]
    if not rows:
        return html.P(t("Nothing is known of this span yet."), className="quiet")
    short = span[1] - span[0] < 2 * 3_600_000_000
    ends = html.Div([html.Span(moment(at, zone, seconds=short)) for at in (span[0], sum(span) // 2, span[1])], className="minute-ends")
    legend = [html.Span([html.I(className=f"loss {loss}"), loss_words(loss, t)]) for loss in LOSSES]
    legend += [html.Span([html.I(className="loss not_planned"), t("not planned")])]
    return html.Div([*rows, ends, html.Div(legend, className="legend")])


def _runs(slices: Sequence[SliceView], span: tuple[int, int], zone: str, t: Texts) -> list[Component]:
    """Return runs of cells that show the same; each cell shows what took most of its time."""
    width = max(1, -(-(span[1] - span[0]) // CELLS))
    cells: list[dict[str, int]] = [{} for _ in range(CELLS)]
    for one in slices:
        kind = one.loss if one.planned == "shift" or one.loss == "production" else "not_planned"
        first = (one.from_us - span[0]) // width
        for place in range(max(0, first), min(CELLS, (one.to_us - 1 - span[0]) // width + 1)):
            begin = span[0] + place * width
            us = min(one.to_us, begin + width) - max(one.from_us, begin)
            cells[place][kind] = cells[place].get(kind, 0) + us
    shown = [max(cell, key=lambda kind: cell[kind]) if cell else "nothing" for cell in cells]
    runs: list[Component] = []
    begin = 0
    for place in range(1, CELLS + 1):
        if place < CELLS and shown[place] == shown[begin]:
            continue
        kind = shown[begin]
        words = t("not planned") if kind == "not_planned" else loss_words(kind, t)
        if kind != "nothing":
            times = f"{moment(span[0] + begin * width, zone)[11:]} \N{EN DASH} {moment(min(span[1], span[0] + place * width), zone)[11:]}"
            style = {"left": f"{100 * begin / CELLS:.3f}%", "width": f"{100 * (place - begin) / CELLS:.3f}%"}
            runs.append(html.Span(className=f"loss {kind}", style=style, title=f"{words}, {times}"))
        begin = place
    return runs


def waterfall(steps: Sequence[StepView], t: Texts) -> Component:
    """Return the steps from calendar time down, each loss where it is taken away; they add up exactly."""
    words = {
        "calendar": t("Calendar time"),
        "not_planned": t("Not planned"),
        "break": t("Breaks"),
        "planned_busy": t("Planned busy time PBT"),
        "production": t("Production APT"),
        "minor_stop_in_production": t("Minor stops within production"),
        "speed": t("Speed"),
        "quality": t("Quality"),
        "fully_productive": t("Fully productive"),
    }
    most = max((abs(step.us) for step in steps), default=0) or 1
    rows, left = [], 0
    for step in steps:
        if not step.is_sum and not step.us:
            continue
        left = step.us if step.is_sum else left - step.us
        begin = 0 if step.is_sum else min(left, left + step.us)
        style = {"left": f"{max(0, 100 * begin / most):.3f}%", "width": f"{100 * abs(step.us) / most:.3f}%"}
        name = words.get(step.name) or loss_words(step.name, t)
        kind = "sum" if step.is_sum else f"loss {step.name}"
        rows.append(
            html.Div(
                className="fall sum-row" if step.is_sum else "fall",
                children=[
                    html.Span(name),
                    html.Div(html.Div(className=kind, style=style), className="track"),
                    html.Span(("" if step.is_sum else "\N{MINUS SIGN} ") + spell(step.us, t), className="number"),
                ],
            )
        )
    content: list[Component] = [html.Div(rows, className="waterfall", role="img", **also(aria_label=t("Waterfall")))]
    if steps and steps[-1].name == "production":
        content.append(
            html.P(
                t("Speed and quality are not known: a planned run time per item or a count of scrap is missing."), className="small quiet"
            )
        )
    return html.Div(content)


def pareto_table(lines: Sequence[ParetoView], t: Texts) -> Component:
    """Return what cost most, each line opening its intervals."""
    heads = [
        (t("Loss"), False),
        (t("Reason"), False),
        (t("Time"), True),
        (t("Share"), False),
        (t("Stops"), True),
        (t("Longest"), True),
        ("", False),
    ]
    rows: list[list[Cell]] = [
        [
            state(LOOKS.get(line.loss, "normal"), loss_words(line.loss, t)),
            line.reason_name or t("no reason given"),
            spell(line.us, t),
            html.Div(html.Div(className="fill", style={"width": f"{100 * line.share:.2f}%"}), className="bar", title=percent(line.share)),
            whole(line.stops),
            spell(line.longest_us, t),
            html.Button(t("Open"), id={"type": "losses-open", "loss": line.loss, "reason": line.reason}, className="tool small"),
        ]
        for line in lines[:30]
    ]
    return table(heads, rows, caption=t("What planned time was lost to"), nothing=t("Nothing was lost."))


def slices_table(slices: Sequence[SliceView], names: Mapping[str, str], zone: str, t: Texts, *, may_say: bool) -> Component:
    """Return the intervals behind a figure; who may say why gets a button for it."""
    heads = [
        *((t("Begin"), False), (t("Duration"), True), (t("Equipment"), False), (t("State"), False), (t("Loss"), False)),
        *((t("Reason"), False), (t("Product"), False), (t("Shift"), False), ("", False)),
    ]
    rows: list[list[Cell]] = []
    for one in slices:
        reason: list[Cell] = [one.reason_name or t("no reason given")]
        if one.word is not None:
            reason.append(html.Div(t("said by a person; told: {reason}", reason=one.told_reason or NONE_SHOWN), className="small quiet"))
        key = {"type": "losses-choose", "equipment": one.equipment, "from": one.from_us, "to": one.to_us}
        button = html.Button(t("Say why"), id=key, className="tool small") if may_say else ""
        rows.append(
            [
                moment(one.from_us, zone),
                spell(one.us, t),
                names.get(one.equipment, one.equipment),
                state_words(one.state, t),
                loss_words(one.loss, t),
                html.Div(reason),
                one.product or NONE_SHOWN,
                one.shift or NONE_SHOWN,
                button,
            ]
        )
    return table(heads, rows, caption=t("Intervals"), nothing=t("No interval fits."))


def notes_table(notes: Sequence[CounterNoteView], names: Mapping[str, str], zone: str, t: Texts) -> Component:
    """Return what counters did that is no production."""
    words = {
        "reset": t("reset; what it shows since is counted"),
        "set_back": t("set back; not counted"),
        "jump": t("jumped; not counted"),
        "negative": t("below zero; passed over"),
    }
    heads = [
        (t("Time"), False),
        (t("Equipment"), False),
        (t("Signal"), False),
        (t("What it did"), False),
        (t("Before"), True),
        (t("After"), True),
    ]
    rows: list[list[Cell]] = [
        [
            moment(n.time_us, zone),
            names.get(n.equipment, n.equipment),
            n.signal,
            words.get(n.fault, n.fault),
            f"{n.before:g}",
            f"{n.after:g}",
        ]
        for n in notes
    ]
    return table(heads, rows, caption=t("What counters did that is no production"))
