"""One delivery, whole: what it asks, what it was before, what was read back, what may be answered, and everything that happened to it."""

from __future__ import annotations

import json
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from dashboard.context import PageContext
from dashboard.delivery_words import (
    LOOKS,
    actor_words,
    delivery_stage_words,
    kind_words,
    origin_of,
    reason_words,
    step_words,
    subject_words,
)
from dashboard.links import address, delivery_link, link, serial_link
from dashboard.mishaps import told
from dashboard.pages.parts import NONE_SHOWN, also, duration, facts, moment, notice, problems_of, state, table
from dashboard.pages.window_parts import range_bar, span_words, with_unit
from dashboard.recommendation_words import declined_words
from dashboard.services import Services
from dashboard.texts import Texts
from dashboard.views_deliveries import CarriedView, DeliveredValue, DeliveryLine, DeliveryView
from plant.changeover_sets import KIND_WORDS, PartKind
from plant.errors import Rejected, Unavailable
from plant.recommendations import Declined, Stage
from storage.people import Role


def process_banner(services: Services, t: Texts) -> list[Component]:
    """Return a sentence where nothing is sent because the process does not run."""
    try:
        found = next((one for one in services.health.processes() if one.name == "delivery"), None)
    except Unavailable:
        return []
    if found is not None and found.state == "running":
        return []
    return [
        notice(
            t("The delivery process does not run: nothing is sent. It starts with 'leadhand up' once site.toml has [delivery]."), wrong=True
        )
    ]


def carried_words(found: list[CarriedView], t: Texts) -> list[Component]:
    """Return how far the delivery of something has come, with a link to each; nothing for what is not delivered."""
    return [
        html.Div(
            [
                state(LOOKS.get(Stage(one.stage), "normal"), delivery_stage_words(one.stage, t)),
                html.Span(f" {one.work_unit}: ", className="small quiet wrap"),
                delivery_link(one.number, t("delivery {n}", n=one.number)),
                html.Span(f" {reason_words(one.reason, t)}" if one.reason else "", className="small quiet wrap"),
            ],
            className="carried",
        )
        for one in found
    ]


def one_shown(services: Services, context: PageContext, t: Texts, number: int) -> tuple[list[Component], list[Any]]:
    """Return a delivery, and by what a page sees that it has come further."""
    try:
        found = services.deliveries.delivery(number)
    except (Rejected, Unavailable) as error:
        return [notice(problems_of(error, t), wrong=True)], [number, "", 0]
    line = found.line
    title = f"{t('Delivery {n}', n=number)}: {kind_words(line.kind, t)}, {subject_words(line)}"
    left = html.Div(
        className="panel",
        children=[
            html.Div(
                [state(LOOKS.get(Stage(line.stage), "normal"), delivery_stage_words(line.stage, t)), html.Strong(line.work_unit)],
                className="vision-head",
            ),
            *_news(found, t),
            *([html.P(told(line.reason, t), className="wrap")] if line.reason else []),
            *_values(found, t),
            *_parts(found, t),
            *_route(found, t),
            *_answers(found, context, t),
        ],
    )
    right = html.Div([facts(_facts(found, context, t)), *_beside(found, t), *_message(found, t)], className="panel")
    content: list[Component] = [
        html.H2(title),
        left,
        right,
        html.Div([html.H3(t("What happened")), _history(found, context, t)], className="panel"),
    ]
    return content, [number, line.stage, line.stage_us]


def _news(found: DeliveryView, t: Texts) -> list[Component]:
    """Return why it is where it is."""
    line = found.line
    words = ": ".join(word for word in (reason_words(line.stage_reason, t) if line.stage_reason else "", line.stage_note) if word)
    shown: list[Component] = [html.P(words, className="wrap")] if words else []
    if line.stage == Stage.IN_DOUBT:
        shown.append(
            html.P(
                t("Nobody knows what became of it, and it is not sent again. Somebody looks at the machine and says below what was found.")
            )
        )
    if line.stage in (Stage.PROPOSED, Stage.APPROVED) and found.window_in_force not in (None, found.window_version):
        told = t(
            "The process window is version {now} by now, the message was made for {then}: it would be refused.",
            now=found.window_in_force,
            then=found.window_version,
        )
        shown.append(html.P(told, className="warning-words"))
    return shown


def _values(found: DeliveryView, t: Texts) -> list[Component]:
    if not found.values:
        return []
    back, measured = any(one.readback is not None for one in found.values), any(one.measured is not None for one in found.values)
    heads = [(t("Value"), False), (t("Before"), True), (t("New"), True), (t("Change"), True)]
    heads += [(t("Read back"), True)] * back + [(t("Measured"), True)] * measured
    windowed = any(one.low is not None for one in found.values)
    heads += [(t("Window"), True), ("", False)] * windowed
    rows = []
    for one in found.values:
        change = NONE_SHOWN if one.before is None else "0" if one.value == one.before else f"{one.value - one.before:+.6g}"
        row: list[Any] = [one.name, with_unit(one.before, one.unit), html.Strong(with_unit(one.value, one.unit)), change]
        row += [_read_back(found, one, t)] * back + [with_unit(one.measured, one.unit)] * measured
        if windowed and one.low is not None and one.high is not None:
            span = span_words(one.low, one.high, one.unit)
            words = f"{one.name}: {with_unit(one.before, one.unit)} → {with_unit(one.value, one.unit)}, {span}"
            row += [span, range_bar(one.low, one.high, words, now=[] if one.before is None else [one.before], then=one.value)]
        elif windowed:
            row += [NONE_SHOWN, ""]
        rows.append(row)
    shown = [table(heads, rows, caption=t("Values"))]
    if windowed:
        shown.append(html.P(t("Grey: the process window. Line: what was in use before. Block: the new value."), className="small quiet"))
    return shown


def _read_back(found: DeliveryView, one: DeliveredValue, t: Texts) -> Component | str:
    """Return what was read back; where the message is in doubt for it, a value that is another one is marked."""
    words = with_unit(one.readback, one.unit)
    doubted = found.line.stage == Stage.IN_DOUBT and found.line.stage_reason == "read_back"
    other = one.readback is not None and abs(one.readback - one.value) > 1e-9 * max(1.0, abs(one.value))
    return html.Span(state("bad", words), title=t("what was read back is not what was sent")) if doubted and other else words


def _parts(found: DeliveryView, t: Texts) -> list[Component]:
    if not found.parts:
        return []
    heads = [(t("Kind"), False), (t("To be switched on"), False), (t("Read back"), False)]
    rows = [
        [
            t(KIND_WORDS[PartKind(one.kind)]) if one.kind in set(PartKind) else one.kind,
            f"{one.name} {one.version}",
            NONE_SHOWN if not one.readback else state("normal" if one.readback == f"{one.name} {one.version}" else "bad", one.readback),
        ]
        for one in found.parts
    ]
    return [table(heads, rows, caption=t("Parts"))]


def _route(found: DeliveryView, t: Texts) -> list[Component]:
    if not found.steps:
        return []
    return [html.H3(t("Route")), html.Ol([html.Li(one, className="wrap") for one in found.steps], className="delivery-route")]


def _answers(found: DeliveryView, context: PageContext, t: Texts) -> list[Component]:
    stage, number = Stage(found.line.stage), found.line.number
    if stage is Stage.IN_DOUBT:
        if not context.may(Role.INSPECTOR):
            return [html.P(t("Inspectors, engineers and approvers say here what was found."), className="quiet")]
        choices = {
            "executed": t("it is in force: carried out"),
            "refused": t("it was never done, nothing has changed"),
            "rolled_back": t("what was before is in force again"),
            "expired": t("it was never taken"),
        }
        return [
            _note(number, t("What was looked at, and seen")),
            _row(t("Found at the machine"), choices, number, [("settle", t("Settle it"), True)], t),
        ]
    if stage not in (Stage.PROPOSED, Stage.APPROVED):
        return []
    if not context.may(Role.APPROVER):
        return [html.P(t("Approvers decide here."), className="quiet")]
    choices = {reason.value: declined_words(reason, t) for reason in Declined}
    row = _row(t("Reason to decline"), choices, number, [("decline", t("Decline"), False)], t)
    if stage is Stage.PROPOSED:
        row.children.insert(0, _button(number, "approve", t("Approve and send"), first=True))
    return [_note(number, t("Note")), row]


def _note(number: int, words: str) -> Component:
    name = {"part": "delivery-note", "delivery": number}
    return html.Label([words, dcc.Input(id=name, type="text", maxLength=1000, autoComplete="off", className="joint-note")])


def _row(words: str, choices: dict[str, str], number: int, buttons: list[tuple[str, str, bool]], t: Texts) -> Component:
    name = f"delivery-why-{number}"
    options = [{"value": key, "label": label} for key, label in choices.items()]
    field = dcc.Dropdown(id={"part": "delivery-why", "delivery": number}, options=options, placeholder=t("choose"), searchable=False)
    children: list[Component] = [html.Div([html.Label(words, htmlFor=name, className="small quiet"), field], id=name)]
    children += [_button(number, decision, label, first=first) for decision, label, first in buttons]
    return html.Div(children, className="recommendation-answers")


def _button(number: int, decision: str, words: str, *, first: bool = False) -> Component:
    name = {"part": "delivery-decide", "delivery": number, "decision": decision}
    return html.Button(words, id=name, className="button first" if first else "button")


def _facts(found: DeliveryView, context: PageContext, t: Texts) -> list[tuple[str, Any]]:
    line, zone = found.line, context.time_zone
    words, href = origin_of(line.source, t)
    basis = NONE_SHOWN
    if found.basis_from_us is not None and found.basis_to_us is not None:
        basis = f"{moment(found.basis_from_us, zone, seconds=False)} … {moment(found.basis_to_us, zone, seconds=False)}"
    return [
        (t("Comes from"), link(words, href) if href else html.Span(words, className="wrap")),
        *([(t("Serial"), serial_link(line.serial))] if line.serial else []),
        (t("Proposed"), moment(line.made_us, zone)),
        (t("Approved by"), actor_words(line.approved_by, t) or t("nobody yet")),
        (t("Rests on measurements"), basis),
        (t("Sent"), moment(found.issued_us, zone)),
        (t("Valid"), _valid(found, context, t)),
        (t("Counter"), NONE_SHOWN if line.counter is None else str(line.counter)),
        (t("Window, version"), NONE_SHOWN if found.window_version is None else str(found.window_version)),
        (t("Before"), _before(found.before, t)),
        (t("Message"), html.Code(line.message_id[:8], title=line.message_id)),
    ]


def _valid(found: DeliveryView, context: PageContext, t: Texts) -> Component | str:
    """Return for how long a controller may take it; only a message that is on its way has time that runs."""
    expires_us = found.line.expires_us
    if expires_us is None:
        return t("{span} from when it is sent", span=duration(round(found.valid_seconds * 1e6), t))
    if found.line.stage == Stage.SENT:
        return html.Span("…", className="until", **also(data_until=str(expires_us)))
    return t("until {when}", when=moment(expires_us, context.time_zone))


def _before(source: str, t: Texts) -> Component | str:
    kind, _, number = source.partition(" ")
    if kind == "delivery":
        return link(t("delivery {n}", n=number), address("/deliveries", id=number))
    return t("accepted recipe") if source else NONE_SHOWN


def _beside(found: DeliveryView, t: Texts) -> list[Component]:
    if not found.beside:
        return []
    items = [html.Li([delivery_link(one.number, _short(one, t)), " ", _stage(one, t)]) for one in found.beside]
    return [html.H3(t("Carried out as one with it")), html.Ul(items, className="joint-reasons")]


def _short(one: DeliveryLine, t: Texts) -> str:
    return f"{t('delivery {n}', n=one.number)}: {kind_words(one.kind, t)}, {one.work_unit}"


def _stage(one: DeliveryLine, t: Texts) -> Component:
    return state(LOOKS.get(Stage(one.stage), "normal"), delivery_stage_words(one.stage, t))


def _message(found: DeliveryView, t: Texts) -> list[Component]:
    """Return what left the house, byte by byte, with its signature."""
    if found.text is None:
        return []
    return [
        html.Details(
            [
                html.Summary(t("The message as it was sent, and its signature")),
                html.Pre(_pretty(found.text), className="shown"),
                html.P(html.Code(found.signature or "", className="wrap small")),
            ]
        )
    ]


def _pretty(text: str) -> str:
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, indent=1)
    except ValueError:
        return text


def _history(found: DeliveryView, context: PageContext, t: Texts) -> Component:
    heads = [(t("Time"), False), (t("Stage"), False), (t("Who"), False), (t("Why"), False), (t("What came with it"), False)]
    rows = []
    for number, one in enumerate(found.history, 1):
        look = LOOKS.get(Stage(one.after), "normal") if number == len(found.history) else "normal"
        why = ": ".join(word for word in (reason_words(one.reason, t) if one.reason else "", one.note) if word)
        rows.append(
            [
                moment(one.time_us, context.time_zone, exact=True),
                state(look, step_words(one.after, t)),
                html.Span(actor_words(one.actor, t), className="wrap"),
                html.Span(why or NONE_SHOWN, className="wrap"),
                _detail(one.detail, t),
            ]
        )
    return table(heads, rows, caption=t("What happened"))


def _detail(detail: Any, t: Texts) -> Component | str:
    """Return what came with a step: read-backs and measurements in words, all else as it was kept."""
    if not isinstance(detail, dict) or not detail:
        return NONE_SHOWN
    lines = []
    names = {"read": t("read back"), "readback": t("read back"), "measured": t("measured")}
    for key, words in names.items():
        if isinstance(detail.get(key), list) and detail[key]:
            told = ", ".join(f"{each.get('name')} {with_unit(each.get('value'), each.get('unit', '1'))}" for each in detail[key])
            lines.append(html.Div(f"{words}: {told}", className="small wrap"))
    if isinstance(detail.get("parts"), list) and detail["parts"]:
        told = ", ".join(f"{each.get('name')} {each.get('version')}" for each in detail["parts"])
        lines.append(html.Div(f"{t('read back')}: {told}", className="small wrap"))
    if isinstance(detail.get("seconds"), int | float):
        lines.append(html.Div(t("{ms} ms after it was sent", ms=f"{detail['seconds'] * 1000:.1f}"), className="small quiet"))
    rest = {key: value for key, value in detail.items() if key not in (*names, "parts", "seconds", "signature", "text", "read_by")}
    if rest:
        lines.append(html.Div(", ".join(f"{key} {value}" for key, value in rest.items()), className="small quiet wrap"))
    return html.Div(lines) if lines else NONE_SHOWN
