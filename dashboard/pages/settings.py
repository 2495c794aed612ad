"""Settings: what is in force, and who changed it when; changed by form or as text, checked, shown and saved whole."""

from __future__ import annotations

import json
from typing import Any

import dash_mantine_components as dmc
from dash import ALL, ClientsideFunction, Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component
from pydantic import ValidationError

from dashboard.context import PageContext, Person, current_context
from dashboard.page_app import PageApp
from dashboard.pages.parts import also, forms, notice, problems_of
from dashboard.pages.settings_parts import checked, days_choice, files_table, history_table, limit_fields, parts_table, shift_fields
from dashboard.services import Services
from dashboard.services_settings import SettingsService
from dashboard.texts import Texts, texts_of
from dashboard.views_settings import LimitsDraft, RestoreDraft, SettingsCheckView, SettingsDraft, SettingsSave, ShiftDraft
from plant.errors import Rejected, SettingsError, Unavailable
from storage.people import Role

_REFUSED = (SettingsError, ValidationError, Rejected, Unavailable, PermissionError, ValueError)
_FIELDS = {
    "text": State("settings-text", "value"),
    "note": State("settings-note", "value"),
    "open": State("settings-open", "data"),
    "rule": State("limits-rule", "value"),
    "limits": [State(f"limits-{name}", "value") for name in ("low_low", "low", "high", "high_high")],
    "shift": State("shift-rule", "value"),
    "times": [State("shift-begin", "value"), State("shift-end", "value")],
    "days": State("shift-days", "value"),
}


def layout(context: PageContext, services: Services) -> Component:
    """Return files, pieces in force, forms, the text of a file and the history to engineers, a sentence to others."""
    t = texts_of(context.language)
    head = html.H1(t("Settings"))
    if not context.may(Role.ENGINEER):
        return html.Div([head, notice(t("This page needs the role engineer."))])
    settings, who = services.settings, context.person
    try:
        files = settings.files(who)
    except SettingsError as error:
        return forms(context, [head, notice(problems_of(error, t), wrong=True)])
    try:
        found, rules = settings.in_force(who)
        parts, shifts = parts_table(found, t), settings.shifts(who)
    except SettingsError as error:  # what stands on disk is wrong: it can still be mended as text
        parts, rules, shifts = notice(problems_of(error, t), wrong=True), [], []
    first = settings.read(who, files[0].file)
    return forms(
        context,
        [
            head,
            html.P(
                t("The files that this factory is described by. A change is checked with all the others, shown, and saved whole."),
                className="quiet",
            ),
            html.Div(files_table(files, context, t), id="settings-files", className="panel"),
            html.H2(t("What is in force")),
            html.Div(
                parts,
                id="settings-parts",
                className="panel settings-parts",
                tabIndex="0",
                role="region",
                **also(aria_label=t("What is in force")),
            ),
            html.H2(t("Change limits")),
            limit_fields(rules, t),
            html.H2(t("Change a shift")),
            shift_fields(shifts, t),
            html.H2([t("Text of the file"), " ", html.Code(first.file, id="settings-name")]),
            _editor(first.content, {"file": first.file, "digest": first.digest}, t),
            html.H2(t("History")),
            html.Div(history_table(settings.versions(who), context, t), id="settings-history", className="panel"),
        ],
    )


def register(app: PageApp, services: Services) -> None:
    """Fill the forms, and check, show, save and restore when asked."""

    @app.callback(
        *(Output(f"limits-{name}", "value") for name in ("low_low", "low", "high", "high_high")),
        Input("limits-rule", "value"),
        role=Role.ENGINEER,
        prevent_initial_call=True,
    )
    def limits(chosen: str | None) -> Any:
        found = [one for one in services.settings.limit_rules(current_context().person) if chosen == json.dumps([one.file, one.rule])]
        return (found[0].low_low, found[0].low, found[0].high, found[0].high_high) if found else (None,) * 4

    @app.callback(
        Output("shift-begin", "value"),
        Output("shift-end", "value"),
        Output("shift-days", "value"),
        Input("shift-rule", "value"),
        role=Role.ENGINEER,
        prevent_initial_call=True,
    )
    def shift(chosen: str | None) -> Any:
        shifts = services.settings.shifts(current_context().person)
        found = [one for one in shifts if chosen == json.dumps([one.file, one.calendar, one.shift])]
        return (found[0].begin, found[0].end, list(found[0].days)) if found else ("", "", [])

    app.clientside(ClientsideFunction("leadhand", "intoSight"), Output("settings-sight", "data"), Input("settings-result", "children"))

    @app.callback(
        Output("settings-result", "children"),
        Output("settings-text", "value"),
        Output("settings-open", "data"),
        Output("settings-name", "children"),
        Output("settings-files", "children"),
        Output("settings-parts", "children"),
        Output("settings-history", "children"),
        Input({"part": "settings-file", "file": ALL}, "n_clicks"),
        Input({"part": "settings-version", "act": ALL, "id": ALL}, "n_clicks"),
        Input("limits-show", "n_clicks"),
        Input("shift-show", "n_clicks"),
        Input("settings-check", "n_clicks"),
        Input("settings-save", "n_clicks"),
        _FIELDS,
        role=Role.ENGINEER,
        prevent_initial_call=True,
    )
    def act(_file: Any, _version: Any, _limits: Any, _shift: Any, _check: Any, _save: Any, fields: dict[str, Any]) -> Any:
        if not ctx.triggered or not ctx.triggered[0]["value"]:
            return (no_update,) * 7
        context = current_context()
        t = texts_of(context.language)
        try:
            return _act(services.settings, context, t, ctx.triggered_id, fields)
        except _REFUSED as error:
            return notice(problems_of(error, t), wrong=True), *((no_update,) * 6)


def _act(settings: SettingsService, context: PageContext, t: Texts, asked: Any, fields: dict[str, Any]) -> tuple[Any, ...]:
    """Do what a button says; return what each part of the page shows then."""
    who, opened = context.person, fields["open"]
    unchanged = (no_update,) * 3
    if asked == "settings-save":
        draft = SettingsSave(file=opened["file"], content=fields["text"] or "", digest=opened["digest"], note=fields["note"] or "")
        saved = settings.save(who, draft)
        words = t("{file} is saved as version {version}. What it concerns takes it up by itself.", file=saved.file, version=saved.id)
        return _after(settings, context, t, words, saved.file)
    if isinstance(asked, dict) and asked.get("act") == "restore":
        old = settings.version(who, int(asked["id"]))
        note = t("version {version} again", version=asked["id"])
        saved = settings.restore(who, int(asked["id"]), RestoreDraft(digest=settings.read(who, old.file).digest, note=note))
        words = t("{file} is saved as version {version}. What it concerns takes it up by itself.", file=saved.file, version=saved.id)
        return _after(settings, context, t, words, saved.file)
    if isinstance(asked, dict) and asked["part"] == "settings-file":
        return ("", *_opened(settings, who, asked["file"]), *unchanged)
    if isinstance(asked, dict):
        return (checked(settings.version(who, int(asked["id"])), t), no_update, no_update, no_update, *unchanged)
    if asked == "settings-check":
        draft_now = SettingsDraft(file=opened["file"], content=fields["text"] or "")
        return (checked(settings.check(who, draft_now), t), no_update, no_update, no_update, *unchanged)
    view = _by_form(settings, who, t, asked, fields)
    _, opening, name = _opened(settings, who, view.file)
    return (checked(view, t), view.content, opening, name, *unchanged)


def _by_form(settings: SettingsService, who: Person, t: Texts, asked: str, fields: dict[str, Any]) -> SettingsCheckView:
    if asked == "limits-show":
        if not fields["rule"]:
            raise Rejected(t("Choose signals first."))
        file, rule = json.loads(fields["rule"])
        given = [None if value in {None, ""} else float(value) for value in fields["limits"]]
        low_low, low, high, high_high = given
        return settings.limits_changed(who, LimitsDraft(file=file, rule=rule, low_low=low_low, low=low, high=high, high_high=high_high))
    if not fields["shift"]:
        raise Rejected(t("Choose a shift first."))
    file, calendar, shift = json.loads(fields["shift"])
    begin, end = (value or "" for value in fields["times"])
    return settings.shift_changed(
        who, ShiftDraft(file=file, calendar=calendar, shift=shift, begin=begin, end=end, days=days_choice(fields["days"]))
    )


def _opened(settings: SettingsService, who: Person, file: str) -> tuple[str, dict[str, str], str]:
    view = settings.read(who, file)
    return view.content, {"file": view.file, "digest": view.digest}, view.file


def _after(settings: SettingsService, context: PageContext, t: Texts, words: str, file: str) -> tuple[Any, ...]:
    """Return the page after a file was put in place."""
    who = context.person
    files, parts = files_table(settings.files(who), context, t), parts_table(settings.parts(who), t)
    lists = (files, parts, history_table(settings.versions(who), context, t))
    return (notice(words), *_opened(settings, who, file), *lists)


def _editor(content: str, opened: dict[str, str], t: Texts) -> Component:
    return html.Div(
        className="panel",
        children=[
            dcc.Store(id="settings-open", data=opened),
            dmc.Textarea(
                id="settings-text",
                value=content,
                label=t("Text"),
                autosize=True,
                minRows=10,
                maxRows=28,
                spellCheck=False,
                classNames={"input": "settings-text"},
            ),
            html.Div(
                className="field-row",
                children=[
                    dmc.TextInput(id="settings-note", label=t("Why (for those who come after)"), miw=320),
                    dmc.Button(t("Check and show the difference"), id="settings-check", color="gray", variant="default"),
                    dmc.Button(t("Save"), id="settings-save", color="gray"),
                ],
            ),
            html.Div(id="settings-result"),
            dcc.Store(id="settings-sight"),
        ],
    )
