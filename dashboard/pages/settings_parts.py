"""Pieces of the page of settings: files, what is in force, the forms, differences, history."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component

from dashboard.context import PageContext
from dashboard.pages.parts import NONE_SHOWN, also, exports, moment, notice, size, state, table, whole
from dashboard.texts import Texts
from dashboard.views_settings import (
    LimitRuleView,
    SettingsCheckView,
    SettingsFileView,
    SettingsPartView,
    SettingsVersionView,
    ShiftRuleView,
)
from plant.settings_calendars import DAYS, Day

_MOST_SHOWN = 150
_SIGNS = {"in": "+", "out": "\N{MINUS SIGN}", "same": " ", "place": ""}


def files_table(files: Sequence[SettingsFileView], context: PageContext, t: Texts) -> Component:
    """Return the files, each with a button that opens it."""
    names = ((t("File"), False), (t("Lines"), True), (t("Changed"), False), (t("Changed by"), False), (t("State"), False), ("", False))
    rows = [
        [
            file.file,
            whole(file.lines),
            moment(file.changed_us, context.time_zone),
            file.changed_by or t("an editor"),
            state("warning", t("holds a password")) if file.holds_secret else NONE_SHOWN,
            _button(t("Open the file"), {"part": "settings-file", "file": file.file}),
        ]
        for file in files
    ]
    return table(names, rows, caption=t("Settings files"))


def parts_table(parts: Sequence[SettingsPartView], t: Texts) -> Component:
    """Return each piece of the settings in force, by file and line."""
    kinds = _kind_words(t)
    names = ((t("Kind"), False), (t("Name"), False), (t("Keys and values"), False), (t("Gives"), True), (t("File and line"), False))
    rows = [
        [
            kinds.get(part.kind, part.kind),
            html.Span(part.name or NONE_SHOWN, className="settings-named"),
            html.Span(part.facts or NONE_SHOWN, className="wrap small"),
            whole(part.gives),
            f"{part.file}:{part.line}",
        ]
        for part in parts[:_MOST_SHOWN]
    ]
    more = [html.P(t("and {n} more", n=whole(len(parts) - _MOST_SHOWN)), className="quiet")] if len(parts) > _MOST_SHOWN else []
    return html.Div([exports("/api/v1/settings/parts", t), table(names, rows, caption=t("What is in force")), *more])


def limit_fields(rules: Sequence[LimitRuleView], t: Texts) -> Component:
    """Return the form that changes limits of a rule of signals."""
    choices = [
        {
            "value": json.dumps([rule.file, rule.rule]),
            "label": f"{rule.equipment} · {rule.name}{f' ({rule.unit})' if rule.unit else ''}: " + t("{n} signals", n=rule.signals),
        }
        for rule in rules
    ]
    words = {"low_low": t("low low"), "low": t("low"), "high": t("high"), "high_high": t("high high")}
    return html.Div(
        className="panel field-row",
        children=[
            dmc.Select(id="limits-rule", label=t("Signals"), data=choices, searchable=True, miw=420),
            *(dmc.NumberInput(id=f"limits-{name}", label=label, w=130) for name, label in words.items()),
            dmc.Button(t("Show the difference"), id="limits-show", color="gray", variant="default"),
        ],
    )


def shift_fields(shifts: Sequence[ShiftRuleView], t: Texts) -> Component:
    """Return the form that changes begin, end and days of a shift."""
    choices = [
        {
            "value": json.dumps([shift.file, shift.calendar, shift.shift]),
            "label": f"{shift.calendar_name} ({shift.equipment}) · {shift.shift}: {shift.begin}\N{EN DASH}{shift.end}",
        }
        for shift in shifts
    ]
    words = (t("Monday"), t("Tuesday"), t("Wednesday"), t("Thursday"), t("Friday"), t("Saturday"), t("Sunday"))
    days = [{"value": day, "label": word} for day, word in zip(DAYS, words, strict=True)]
    return html.Div(
        className="panel field-row",
        children=[
            dmc.Select(id="shift-rule", label=t("Shift"), data=choices, searchable=True, miw=420),
            dmc.TextInput(id="shift-begin", label=t("From"), placeholder="06:00", w=100),
            dmc.TextInput(id="shift-end", label=t("To"), placeholder="14:00", w=100),
            dmc.MultiSelect(id="shift-days", label=t("Days"), data=days, value=[], miw=260),
            dmc.Button(t("Show the difference"), id="shift-show", color="gray", variant="default"),
        ],
    )


def days_choice(chosen: Any) -> tuple[Day, ...]:
    """Return the chosen days in the order of the week."""
    return tuple(day for day in DAYS if day in (chosen or ()))


def checked(view: SettingsCheckView, t: Texts) -> Component:
    """Return what is wrong with a file as it would stand, what comes and goes, and the lines that differ."""
    said = notice(list(view.problems), wrong=True) if view.problems else notice(t("{file} is right as it would stand.", file=view.file))
    if not view.difference:
        return html.Div([said, html.P(t("It is the same as the file now."), className="quiet")])
    effects = [html.P([t("Comes (+) and goes (-):"), html.Pre("\n".join(view.effects), className="shown")])] if view.effects else []
    lines = [
        html.Div([html.Span(_SIGNS[line.kind], className="sign"), line.text], className=f"line {line.kind}") for line in view.difference
    ]
    return html.Div(
        [said, *effects, html.Div(lines, className="difference", tabIndex="0", role="group", **also(aria_label=t("Difference")))]
    )


def history_table(versions: Sequence[SettingsVersionView], context: PageContext, t: Texts) -> Component:
    """Return who changed which file when, with buttons to look at a version and to restore it."""
    how = {"saved": t("saved here"), "restored": t("restored here"), "found": t("found on disk")}
    names = (t("Time"), t("File"), t("Who"), t("How"), t("Why"), t("Size"), t("Version"), "")
    rows = [
        [
            moment(version.time_us, context.time_zone),
            version.file,
            version.actor or t("an editor"),
            how[version.kind],
            html.Span(version.note or NONE_SHOWN, className="wrap"),
            size(version.bytes),
            str(version.id),
            html.Div(
                [
                    _button(t("Compare"), {"part": "settings-version", "act": "look", "id": version.id}),
                    _button(t("Restore"), {"part": "settings-version", "act": "restore", "id": version.id}),
                ],
                className="buttons",
            ),
        ]
        for version in versions
    ]
    content = table([(name, False) for name in names], rows, caption=t("History"), nothing=t("Nothing was changed yet."))
    return html.Div([exports("/api/v1/settings/versions", t), content])


def _button(words: str, part: dict[str, Any]) -> Component:
    button: Component = dmc.Button(words, id=part, variant="default", size="sm")
    return button


def _kind_words(t: Texts) -> dict[str, str]:
    """Return what tables are called by people; others are shown as they are called in the file."""
    return {
        "site": t("Site"),
        "include": t("Included files"),
        "equipment": t("Equipment"),
        "sources": t("Source"),
        "signals": t("Signals"),
        "calendars": t("Calendar"),
        "states": t("States"),
        "reasons": t("Reasons"),
        "alarms": t("Alarms"),
        "receivers": t("Receiver"),
        "notices": t("Notice rule"),
        "mail": t("Mail server"),
        "charts": t("Control charts"),
        "stations": t("Station"),
        "cameras": t("Camera"),
        "dashboard": t("Dashboard"),
        "database": t("Database"),
        "storage": t("Storage"),
    }
